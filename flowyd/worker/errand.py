"""What a short-lived child does at the service for the supervisor: fail dead workers' tasks, look one up."""

from __future__ import annotations

import logging

from flowyd.control.reports import TaskInHand
from flowyd.errors import FlowydError
from flowyd.log import LogStyle, set_up_logging
from flowyd.swf.client import SwfClient
from flowyd.swf.faults import SwfFault, UnknownResourceFault
from flowyd.swf.limits import DATA_CHARACTERS, REASON_CHARACTERS
from flowyd.worker.calling import call_through, passing
from flowyd.worker.service import client_of
from flowyd.worker.spec import TASK_CLOSED, TASK_OPEN, Errand, Obituary

logger = logging.getLogger(__name__)

#: How long an errand waits for a service that is away.
WITHIN_S = 25.0

_CLOSES_EXECUTION = frozenset(
    f"WorkflowExecution{end}"
    for end in ("Completed", "Failed", "Canceled", "Terminated", "TimedOut", "ContinuedAsNew")
)


def run_errand(errand: Errand) -> int:
    """Does the errand; 0 if all of it was done, TASK_OPEN or TASK_CLOSED for a question, 1 otherwise."""
    set_up_logging(errand.log_level, style=LogStyle.PREFIXED)
    client = client_of(errand.service)
    try:
        for obituary in errand.obituaries:
            _deliver(client, obituary)
        if errand.question is not None:
            is_open = task_is_open(client, errand.service.domain, errand.question)
            return TASK_OPEN if is_open else TASK_CLOSED
    except FlowydError as error:
        logger.warning("errand to the service: %s", error)
        return 1
    return 0


def _deliver(client: SwfClient, obituary: Obituary) -> None:
    request = {
        "taskToken": obituary.task.task_token,
        "reason": obituary.reason[:REASON_CHARACTERS],
        "details": obituary.details[-DATA_CHARACTERS:],
    }
    try:
        call_through(client, "RespondActivityTaskFailed", request, within_s=WITHIN_S)
    except UnknownResourceFault:
        logger.debug("task %s was closed before it could be failed", obituary.task.activity_id)
    except SwfFault as fault:
        # Such as a token of another service: it must not keep the others from being told.
        if passing(fault):
            raise
        logger.warning("task %s cannot be failed: %s", obituary.task.activity_id, fault)


def task_is_open(client: SwfClient, domain: str, task: TaskInHand) -> bool:
    """Whether the started task has not been closed by an answer, a timeout, or its execution's end."""
    request: dict[str, object] = {
        "domain": domain,
        "execution": {"workflowId": task.workflow_id, "runId": task.run_id},
        "reverseOrder": True,
        "maximumPageSize": 100,
    }
    while True:
        try:
            page = call_through(client, "GetWorkflowExecutionHistory", request, within_s=WITHIN_S)
        except UnknownResourceFault:
            return False
        for event in page["events"]:
            if event["eventId"] <= task.started_event_id:
                return True
            if event["eventType"] in _CLOSES_EXECUTION or _closes(event, task.started_event_id):
                return False
        if not page.get("nextPageToken"):
            return True
        request["nextPageToken"] = page["nextPageToken"]


def _closes(event: dict[str, object], started_event_id: int) -> bool:
    return any(
        isinstance(members, dict) and members.get("startedEventId") == started_event_id
        for name, members in event.items()
        if name.endswith("EventAttributes")
    )

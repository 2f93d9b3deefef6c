"""What a short-lived child does at the service for the supervisor.

It fails dead workers' tasks, gives back those that they had not begun, sends again the answers that they had
given, or looks one up.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby
from typing import cast

from flowyd.control.in_hand import GivenAnswer
from flowyd.control.reports import TaskInHand
from flowyd.errors import FlowydError
from flowyd.log import LogStyle, set_up_logging
from flowyd.swf.client import SwfClient
from flowyd.swf.faults import SwfFault, UnknownResourceFault
from flowyd.swf.limits import DATA_CHARACTERS, REASON_CHARACTERS
from flowyd.worker.calling import call_through, passing
from flowyd.worker.giving_back import GivingBack, give_back
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
        _deliver(client, errand.obituaries)
        if errand.question is not None:
            is_open = task_is_open(client, errand.service.domain, errand.question)
            return TASK_OPEN if is_open else TASK_CLOSED
    except FlowydError as error:
        logger.warning("errand to the service: %s", error)
        return 1
    return 0


def _deliver(client: SwfClient, obituaries: Sequence[Obituary]) -> None:
    """Answers for the tasks; those that are given back go in one message if they came in one."""
    giving_back = cast("GivingBack", client) if hasattr(client, "give_back") else None
    for poll_id, together in groupby(obituaries, lambda obituary: obituary.came_with):
        if poll_id and giving_back is not None:
            _give_back(giving_back, poll_id, list(together))
            continue
        for obituary in together:
            _answer(client, obituary)


def _answer(client: SwfClient, obituary: Obituary) -> None:
    failed = GivenAnswer(action="RespondActivityTaskFailed", request=_request(obituary))
    answer = obituary.answer or failed
    try:
        call_through(client, answer.action, answer.request, within_s=WITHIN_S)
    except SwfFault as fault:
        # Such as a token of another service: it must not keep the others from being told.
        if passing(fault):
            raise
        _log_refused(obituary, fault)


def _give_back(client: GivingBack, poll_id: str, obituaries: Sequence[Obituary]) -> None:
    requests = [_request(obituary) for obituary in obituaries]
    outcomes = give_back(client, poll_id, requests, within_s=WITHIN_S)
    for obituary, refusal in zip(obituaries, outcomes, strict=True):
        if refusal is not None:
            _log_refused(obituary, refusal)


def _request(obituary: Obituary) -> dict[str, str]:
    return {
        "taskToken": obituary.task.task_token,
        "reason": obituary.reason[:REASON_CHARACTERS],
        "details": obituary.details[-DATA_CHARACTERS:],
    }


def _log_refused(obituary: Obituary, refusal: FlowydError) -> None:
    activity_id = obituary.task.activity_id
    if isinstance(refusal, UnknownResourceFault):
        logger.debug("task %s was closed before its worker's death was told", activity_id)
        return
    logger.warning("task %s cannot be answered for: %s", activity_id, refusal)


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

"""Activity tasks that are run by their token, without having been polled: those released from quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowyd.control.reports import TaskInHand
from flowyd.swf.client import SwfClient
from flowyd.worker.calling import call_through
from flowyd.worker.errand import task_is_open

#: How long the history may take to come while the service is away.
_WITHIN_S = 60.0


def polled_again(client: SwfClient, domain: str, task: TaskInHand) -> dict[str, Any] | None:
    """The answer with which the poll once gave the task, from the history; None: it is closed by now.

    Raises:
        SwfFault, UnreachableError: as `call_through`.
    """
    if not task_is_open(client, domain, task):
        return None
    scheduled_id = 0
    for event in _events_backwards(client, domain, task):
        if event["eventId"] == task.started_event_id:
            scheduled_id = event["activityTaskStartedEventAttributes"]["scheduledEventId"]
        elif event["eventId"] == scheduled_id:
            scheduled = event["activityTaskScheduledEventAttributes"]
            answer = {
                "taskToken": task.task_token,
                "activityId": task.activity_id,
                "activityType": {"name": task.type_name, "version": task.type_version},
                "workflowExecution": {"workflowId": task.workflow_id, "runId": task.run_id},
                "startedEventId": task.started_event_id,
            }
            return {**answer, "input": scheduled["input"]} if "input" in scheduled else answer
    return None


def _events_backwards(client: SwfClient, domain: str, task: TaskInHand) -> Iterator[dict[str, Any]]:
    request: dict[str, Any] = {
        "domain": domain,
        "execution": {"workflowId": task.workflow_id, "runId": task.run_id},
        "reverseOrder": True,
    }
    while True:
        page = call_through(client, "GetWorkflowExecutionHistory", request, within_s=_WITHIN_S)
        yield from page["events"]
        if not page.get("nextPageToken"):
            return
        request["nextPageToken"] = page["nextPageToken"]

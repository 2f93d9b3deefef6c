"""Would the open executions of a workflow type go on with this code? Found out before any worker runs it.

Each history is read to its end, and the decision that the next decision task would ask for is made and thrown
away. What it takes is bounded in number and time; the newest executions come first.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowyd.decider import Broken, HistoryIndex, decide
from flowyd.errors import ProtocolError
from flowyd.sdk.registry import WorkflowRegistration
from flowyd.swf.client import SwfClient
from flowyd.swf.faults import UnknownResourceFault
from flowyd.swf.limits import PAGE_EVENTS
from flowyd.worker.calling import call_through

#: Open executions of one type that are replayed, the newest ones.
MOST_EXECUTIONS = 200
#: All replays of one try together, seconds; what is not replayed by then is let through.
REPLAY_S = 8.0
#: How long a service that is away is waited for.
_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replays:
    """How many open executions were looked at."""

    replayed: int = 0
    #: Let through without a look: beyond the number or the time, or with a history that cannot be read.
    not_replayed: int = 0

    def __add__(self, other: Replays) -> Replays:
        return Replays(
            replayed=self.replayed + other.replayed, not_replayed=self.not_replayed + other.not_replayed
        )


def first_divergence(
    client: SwfClient, domain: str, registration: WorkflowRegistration, *, until: float
) -> tuple[str | None, Replays]:
    """The report on the newest open execution that the code does not fit, and how many were replayed.

    Args:
        until: moment of CLOCK_MONOTONIC to stop at.

    Raises:
        FlowydError: the service is not there.
    """
    replayed = gone = unreadable = 0
    is_whole = True
    for execution in _open_executions(client, domain, registration):
        if time.monotonic() >= until or replayed >= MOST_EXECUTIONS:
            is_whole = False
            break
        try:
            index = _index_at_next_decision(client, domain, execution)
        except ProtocolError:
            unreadable += 1
            continue
        if index is None:
            gone += 1
            continue
        replayed += 1
        outcome = decide(registration, index)
        if isinstance(outcome, Broken):
            return _report(outcome, execution), Replays(replayed=replayed)
    left = 0 if is_whole else _count_open(client, domain, registration) - replayed - gone - unreadable
    return None, Replays(replayed=replayed, not_replayed=unreadable + max(0, left))


def _report(outcome: Broken, execution: Mapping[str, str]) -> str:
    lines = [
        f"open execution {execution['workflowId']} (run {execution['runId']}) could not go on with this code"
    ]
    if outcome.call:
        lines.append(f"  call: {outcome.call}")
    if outcome.code_asks or outcome.history_holds:
        lines.append(f"  the code asks for: {outcome.code_asks}")
        lines.append(f"  the history holds: {outcome.history_holds}")
    if outcome.where:
        lines.append(f"  at {outcome.where}")
    lines += [outcome.reason, outcome.traceback]
    return "\n".join(lines).rstrip()


def _open_executions(
    client: SwfClient, domain: str, registration: WorkflowRegistration
) -> Iterator[Mapping[str, str]]:
    """The newest first (SWF API Reference, ListOpenWorkflowExecutions)."""
    request = _of_type(domain, registration)
    while True:
        try:
            page = call_through(client, "ListOpenWorkflowExecutions", request, within_s=_WITHIN_S)
        except UnknownResourceFault:
            return
        for info in page["executionInfos"]:
            yield info["execution"]
        if not page.get("nextPageToken"):
            return
        request["nextPageToken"] = page["nextPageToken"]


def _count_open(client: SwfClient, domain: str, registration: WorkflowRegistration) -> int:
    request = _of_type(domain, registration)
    return int(call_through(client, "CountOpenWorkflowExecutions", request, within_s=_WITHIN_S)["count"])


def _of_type(domain: str, registration: WorkflowRegistration) -> dict[str, Any]:
    return {
        "domain": domain,
        "startTimeFilter": {"oldestDate": 0},
        "typeFilter": {"name": registration.name, "version": registration.version},
    }


def _index_at_next_decision(
    client: SwfClient, domain: str, execution: Mapping[str, str]
) -> HistoryIndex | None:
    """The whole history, with the start of a next decision task behind it; None: the execution is gone.

    A decision task that is started and not answered yet counts as that next one.

    Raises:
        ProtocolError: it cannot be read.
    """
    events: list[dict[str, Any]] = []
    request: dict[str, Any] = {
        "domain": domain,
        "execution": dict(execution),
        "maximumPageSize": PAGE_EVENTS,
    }
    while True:
        try:
            page = call_through(client, "GetWorkflowExecutionHistory", request, within_s=_WITHIN_S)
        except UnknownResourceFault:
            return None
        events += page["events"]
        if not page.get("nextPageToken"):
            break
        request["nextPageToken"] = page["nextPageToken"]
    index = HistoryIndex(workflow_id=execution["workflowId"], run_id=execution["runId"])
    index.extend(_with_next_decision(events))
    return index


def _with_next_decision(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    decisions = [event for event in events if event["eventType"].startswith("DecisionTask")]
    if decisions and decisions[-1]["eventType"] == "DecisionTaskStarted":
        return events[: decisions[-1]["eventId"]]
    last = events[-1]
    number, at = last["eventId"], last["eventTimestamp"]
    scheduled = number
    added = []
    if not decisions or decisions[-1]["eventType"] != "DecisionTaskScheduled":
        scheduled = number = number + 1
        added.append(_event(number, at, "DecisionTaskScheduled", "decisionTaskScheduledEventAttributes", {}))
    else:
        scheduled = decisions[-1]["eventId"]
    started = {"scheduledEventId": scheduled}
    added.append(_event(number + 1, at, "DecisionTaskStarted", "decisionTaskStartedEventAttributes", started))
    return [*events, *added]


def _event(number: int, at: float, kind: str, member: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"eventId": number, "eventTimestamp": at, "eventType": kind, member: attributes}

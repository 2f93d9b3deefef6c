"""A history folded into spans: each activity, timer, child, Lambda function and decision task as one record.

Attempts are spans of their own, as SWF sees them. Signals, cancel requests and markers are moments: spans
without length. The fold reads SWF's events (Developer Guide, "Workflow Execution History") in order, and
whatever it does not know it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

Event = Mapping[str, Any]


class Kind(str, Enum):
    """What a span is of."""

    ACTIVITY = "activity"
    CHILD = "child"
    TIMER = "timer"
    LAMBDA = "lambda"
    DECISION = "decision"
    SIGNAL = "signal"
    CANCEL = "cancel"
    MARKER = "marker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when something was asked for until it ended."""

    kind: Kind
    #: The event that began it.
    event_id: int
    #: Activity id, timer id, workflow id of the child, or name of the signal or marker.
    id: str
    #: Type as "name version"; empty where there is none.
    type: str
    asked_at: float
    #: When a worker or the child began with it; None: not yet, or never.
    started_at: float | None = None
    ended_at: float | None = None
    #: completed, failed, timed out, canceled, terminated, fired; empty while it goes on.
    outcome: str = ""
    task_list: str = ""
    #: Who took the task.
    identity: str = ""
    #: Result, reason with details, or signal input.
    text: str = ""
    input: str = ""
    #: Run id of a child.
    run_id: str = ""
    #: When a timer fires, or the task in its present state times out; None: never.
    due_at: float | None = None
    #: start to close and heartbeat timeout, seconds; None: none.
    start_to_close_s: float | None = None
    cancel_requested: bool = False

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    @property
    def key(self) -> str:
        """Unique in the history and the same at each refresh."""
        return f"{self.event_id}"


def spans(events: Iterable[Event]) -> tuple[Span, ...]:
    """The spans of a history whose events come in order, by the event that began them."""
    fold = _Fold()
    for event in events:
        known = _FOLDERS.get(event["eventType"])
        if known is not None:
            known(fold, event, attributes(event))
    return tuple(fold.spans[key] for key in sorted(fold.spans))


def closed_spans(found: Iterable[Span], closed_at: float) -> tuple[Span, ...]:
    """The spans of an execution that is closed: what was open then was left open, and ended with it."""
    return tuple(
        span
        if span.ended_at is not None
        else replace(span, ended_at=max(closed_at, span.asked_at), outcome="left open")
        for span in found
    )


def attributes(event: Event) -> Mapping[str, Any]:
    """The members of the event's own attributes object."""
    name = event["eventType"]
    found = event.get(f"{name[0].lower()}{name[1:]}EventAttributes")
    return found if isinstance(found, Mapping) else {}


class _Fold:
    """Spans by the id of the event that began them."""

    def __init__(self) -> None:
        self.spans: dict[int, Span] = {}

    def change(self, event_id: int, **members: Any) -> None:
        """A change of a span that a partial history may lack."""
        span = self.spans.get(event_id)
        if span is not None:
            self.spans[event_id] = replace(span, **members)


def _limit(members: Mapping[str, Any], *names: str) -> float | None:
    """The smallest of the timeouts that is given."""
    given = [members.get(name) for name in names]
    return min((float(v) for v in given if v not in (None, "", "NONE")), default=None)


def _after(at: float, limit: float | None) -> float | None:
    return None if limit is None else at + limit


def _type(members: Mapping[str, Any], name: str) -> str:
    kind = members.get(name) or {}
    return f"{kind.get('name', '')} {kind.get('version', '')}".strip()


def _opens(kind: Kind, id_name: str, type_name: str, *limits: str) -> Callable[[_Fold, Event, Any], None]:
    """A folder for the event that asks for something."""

    def fold_opening(fold: _Fold, event: Event, members: Mapping[str, Any]) -> None:
        at = float(event["eventTimestamp"])
        fold.spans[event["eventId"]] = Span(
            kind=kind,
            event_id=event["eventId"],
            id=str(members.get(id_name, "")),
            type=_type(members, type_name) or str(members.get("name", "")),
            asked_at=at,
            task_list=(members.get("taskList") or {}).get("name", ""),
            input=members.get("input") or "",
            due_at=_after(at, _limit(members, *limits)),
            start_to_close_s=_limit(members, "startToCloseTimeout"),
        )

    return fold_opening


def _starts(link: str) -> Callable[[_Fold, Event, Any], None]:
    """A folder for the event that tells that somebody began."""

    def fold_start(fold: _Fold, event: Event, members: Mapping[str, Any]) -> None:
        at = float(event["eventTimestamp"])
        span = fold.spans.get(members.get(link, 0))
        if span is None:
            return
        fold.change(
            span.event_id,
            started_at=at,
            identity=members.get("identity") or "",
            run_id=(members.get("workflowExecution") or {}).get("runId", ""),
            due_at=_after(at, span.start_to_close_s),
        )

    return fold_start


def _ends(link: str, outcome: str) -> Callable[[_Fold, Event, Any], None]:
    """A folder for the event that ends a span."""

    def fold_end(fold: _Fold, event: Event, members: Mapping[str, Any]) -> None:
        fold.change(
            members.get(link, 0),
            ended_at=float(event["eventTimestamp"]),
            outcome=outcome,
            text=_text(members),
            due_at=None,
        )

    return fold_end


def _text(members: Mapping[str, Any]) -> str:
    if "result" in members:
        return str(members["result"])
    cause = members.get("reason") or members.get("cause") or members.get("timeoutType") or ""
    details = members.get("details") or members.get("message") or ""
    return "\n".join(part for part in (cause, details) if part)


def _at_once(kind: Kind, id_name: str, outcome: str) -> Callable[[_Fold, Event, Any], None]:
    """A folder for what has no length: signals, markers, and what could not even begin."""

    def fold_moment(fold: _Fold, event: Event, members: Mapping[str, Any]) -> None:
        at = float(event["eventTimestamp"])
        fold.spans[event["eventId"]] = Span(
            kind=kind,
            event_id=event["eventId"],
            id=str(members.get(id_name, "")),
            type=_type(members, "activityType") or _type(members, "workflowType"),
            asked_at=at,
            started_at=at,
            ended_at=at,
            outcome=outcome,
            text=members.get("input") or _text(members),
        )

    return fold_moment


def _fold_timer(fold: _Fold, event: Event, members: Mapping[str, Any]) -> None:
    at = float(event["eventTimestamp"])
    fold.spans[event["eventId"]] = Span(
        kind=Kind.TIMER,
        event_id=event["eventId"],
        id=members["timerId"],
        type="",
        asked_at=at,
        due_at=at + float(members["startToFireTimeout"]),
    )


def _fold_cancel_request(fold: _Fold, _event: Event, members: Mapping[str, Any]) -> None:
    for span in fold.spans.values():
        if span.kind is Kind.ACTIVITY and span.is_open and span.id == members.get("activityId"):
            fold.change(span.event_id, cancel_requested=True)
            return


def _fold_child_refused(fold: _Fold, event: Event, members: Mapping[str, Any]) -> None:
    """A child that never began: its initiated event is named, or 0 where the decision was refused at once."""
    known = members.get("initiatedEventId", 0) in fold.spans
    folder = _ends("initiatedEventId", "failed") if known else _at_once(Kind.CHILD, "workflowId", "failed")
    folder(fold, event, members)


_SCHEDULED, _INITIATED = "scheduledEventId", "initiatedEventId"

_FOLDERS: dict[str, Callable[[_Fold, Event, Any], None]] = {
    "ActivityTaskScheduled": _opens(
        Kind.ACTIVITY, "activityId", "activityType", "scheduleToStartTimeout", "scheduleToCloseTimeout"
    ),
    "ActivityTaskStarted": _starts(_SCHEDULED),
    "ActivityTaskCompleted": _ends(_SCHEDULED, "completed"),
    "ActivityTaskFailed": _ends(_SCHEDULED, "failed"),
    "ActivityTaskTimedOut": _ends(_SCHEDULED, "timed out"),
    "ActivityTaskCanceled": _ends(_SCHEDULED, "canceled"),
    "ActivityTaskCancelRequested": _fold_cancel_request,
    "ScheduleActivityTaskFailed": _at_once(Kind.ACTIVITY, "activityId", "failed"),
    "DecisionTaskScheduled": _opens(Kind.DECISION, "", "", "scheduleToStartTimeout"),
    "DecisionTaskStarted": _starts(_SCHEDULED),
    "DecisionTaskCompleted": _ends(_SCHEDULED, "completed"),
    "DecisionTaskTimedOut": _ends(_SCHEDULED, "timed out"),
    "TimerStarted": _fold_timer,
    "TimerFired": _ends("startedEventId", "fired"),
    "TimerCanceled": _ends("startedEventId", "canceled"),
    "StartTimerFailed": _at_once(Kind.TIMER, "timerId", "failed"),
    "StartChildWorkflowExecutionInitiated": _opens(
        Kind.CHILD, "workflowId", "workflowType", "executionStartToCloseTimeout"
    ),
    "ChildWorkflowExecutionStarted": _starts(_INITIATED),
    "ChildWorkflowExecutionCompleted": _ends(_INITIATED, "completed"),
    "ChildWorkflowExecutionFailed": _ends(_INITIATED, "failed"),
    "ChildWorkflowExecutionTimedOut": _ends(_INITIATED, "timed out"),
    "ChildWorkflowExecutionCanceled": _ends(_INITIATED, "canceled"),
    "ChildWorkflowExecutionTerminated": _ends(_INITIATED, "terminated"),
    "StartChildWorkflowExecutionFailed": _fold_child_refused,
    "LambdaFunctionScheduled": _opens(Kind.LAMBDA, "id", "", "startToCloseTimeout"),
    "LambdaFunctionStarted": _starts(_SCHEDULED),
    "LambdaFunctionCompleted": _ends(_SCHEDULED, "completed"),
    "LambdaFunctionFailed": _ends(_SCHEDULED, "failed"),
    "LambdaFunctionTimedOut": _ends(_SCHEDULED, "timed out"),
    "StartLambdaFunctionFailed": _ends(_SCHEDULED, "failed"),
    "ScheduleLambdaFunctionFailed": _at_once(Kind.LAMBDA, "id", "failed"),
    "WorkflowExecutionSignaled": _at_once(Kind.SIGNAL, "signalName", ""),
    "WorkflowExecutionCancelRequested": _at_once(Kind.CANCEL, "", ""),
    "MarkerRecorded": _at_once(Kind.MARKER, "markerName", ""),
}

"""From the history of one execution to what the demo shows of it. Pure: events in, a record out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Stage(str, Enum):
    """How far one attempt of an activity is."""

    SCHEDULED = "scheduled"  #: waits for a worker
    RUNNING = "running"  #: a worker has it
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed out"


_CLOSED = {
    "ActivityTaskCompleted": Stage.COMPLETED,
    "ActivityTaskFailed": Stage.FAILED,
    "ActivityTaskTimedOut": Stage.TIMED_OUT,
}
_ENDS = {f"WorkflowExecution{end}" for end in ("Completed", "Failed", "TimedOut", "Canceled", "Terminated")}


@dataclass(slots=True)
class Attempt:
    """One scheduled activity task."""

    activity: str
    stage: Stage = Stage.SCHEDULED
    started_at: float = 0.0
    closed_at: float = 0.0
    #: Why it failed.
    reason: str = ""

    @property
    def duration_s(self) -> float:
        """How long a worker had it; 0 while it is open."""
        return max(0.0, self.closed_at - self.started_at) if self.closed_at and self.started_at else 0.0


@dataclass(slots=True)
class Progress:
    """One execution as its history tells it."""

    attempts: list[Attempt] = field(default_factory=list)
    #: Empty while open, else such as "Completed".
    closed: str = ""
    #: The workflow's result, or why it failed.
    result: Any = None

    def of(self, activity: str) -> list[Attempt]:
        """The attempts of one activity, first to last."""
        return [attempt for attempt in self.attempts if attempt.activity == activity]


def progress_of(events: Iterable[Mapping[str, Any]]) -> Progress:
    """The state of an execution after these events of its history, which begin at the first."""
    progress = Progress()
    by_event_id: dict[int, Attempt] = {}
    for event in events:
        kind, at = event["eventType"], event["eventTimestamp"]
        attributes = event.get(f"{kind[0].lower()}{kind[1:]}EventAttributes", {})
        if kind == "ActivityTaskScheduled":
            attempt = Attempt(attributes["activityType"]["name"])
            by_event_id[event["eventId"]] = attempt
            progress.attempts.append(attempt)
        elif kind == "ActivityTaskStarted":
            attempt = by_event_id[attributes["scheduledEventId"]]
            attempt.stage, attempt.started_at = Stage.RUNNING, at
        elif kind in _CLOSED:
            attempt = by_event_id[attributes["scheduledEventId"]]
            attempt.stage, attempt.closed_at = _CLOSED[kind], at
            attempt.reason = attributes.get("reason") or attributes.get("timeoutType") or ""
        elif kind.startswith("WorkflowExecution") and kind[17:] in (
            "Completed",
            "Failed",
            "TimedOut",
            "Terminated",
        ):
            progress.closed = kind[17:]
            progress.result = _result(attributes)
    return progress


def _result(attributes: Mapping[str, Any]) -> Any:
    if "result" in attributes:
        return json.loads(attributes["result"])
    return attributes.get("reason", "")

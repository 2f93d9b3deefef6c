"""Replay of stored histories: would this code, at every decision of that history, have decided the same?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flowyd.decider import Broken, HistoryIndex, Outcome, decide
from flowyd.errors import FlowydError
from flowyd.testing.catalogue import workflow_of

Event = Mapping[str, Any]

#: The event a decision leaves behind, where its name does not say it.
_TRACES = {
    "ScheduleActivityTask": "ActivityTaskScheduled",
    "StartTimer": "TimerStarted",
    "CancelTimer": "TimerCanceled",
    "RecordMarker": "MarkerRecorded",
    "RequestCancelActivityTask": "ActivityTaskCancelRequested",
    "StartChildWorkflowExecution": "StartChildWorkflowExecutionInitiated",
    "SignalExternalWorkflowExecution": "SignalExternalWorkflowExecutionInitiated",
    "RequestCancelExternalWorkflowExecution": "RequestCancelExternalWorkflowExecutionInitiated",
    "CompleteWorkflowExecution": "WorkflowExecutionCompleted",
    "FailWorkflowExecution": "WorkflowExecutionFailed",
    "CancelWorkflowExecution": "WorkflowExecutionCanceled",
    "ContinueAsNewWorkflowExecution": "WorkflowExecutionContinuedAsNew",
}

#: What tells one trace from another of its type.
_IDENTITIES = ("activityId", "timerId", "workflowId", "markerName", "control", "result", "reason", "input")


class HistoryMismatch(FlowydError):
    """Raised when code does not fit a history; the message shows both sides."""


def load_history(path: Path | str) -> list[Event]:
    """The events of a stored history: a JSON list of events, or an answer of GetWorkflowExecutionHistory."""
    stored = json.loads(Path(path).read_text())
    events: list[Event] = stored["events"] if isinstance(stored, dict) else stored
    return events


def replay_history(workflow: Any, events: Sequence[Event], *, run_id: str = "run") -> list[Outcome]:
    """What the code decides at each completed decision of the history.

    `run_id` is that of the recorded execution: children's ids and chance depend on it.
    """
    registration = workflow_of(workflow)
    outcomes = []
    index = HistoryIndex(workflow_id="replay", run_id=run_id)
    taken = 0
    for started_id in _decisions(events):
        index.extend(events[taken:started_id])
        taken = started_id
        outcomes.append(decide(registration, index))
    return outcomes


def check_history(workflow: Any, events: Sequence[Event], *, run_id: str = "run") -> None:
    """Holds every decision of the code against what the history recorded.

    Raises:
        HistoryMismatch: the first that differs, with both sides.
    """
    blocks = _blocks(events)
    started_ids = list(_decisions(events))
    outcomes = replay_history(workflow, events, run_id=run_id)
    for started_id, outcome in zip(started_ids, outcomes, strict=True):
        if isinstance(outcome, Broken):
            raise HistoryMismatch(f"at event {started_id}: {outcome.reason}\n{outcome.traceback}".rstrip())
        decided = [_trace_of_decision(decision) for decision in outcome.decisions]
        recorded = _recorded(blocks[started_id])
        if recorded is not None and decided != recorded:
            raise HistoryMismatch(
                f"at event {started_id} the code decides\n  {_lines(decided)}\n"
                f"but the history holds\n  {_lines(recorded)}"
            )


def _lines(traces: Iterable[tuple[str, ...]]) -> str:
    return "\n  ".join(" ".join(trace) for trace in traces) or "nothing"


def _attributes(event: Event) -> Mapping[str, Any]:
    event_type = event["eventType"]
    attributes: Mapping[str, Any] = event.get(f"{event_type[0].lower()}{event_type[1:]}EventAttributes", {})
    return attributes


def _decisions(events: Sequence[Event]) -> Iterable[int]:
    """Started event ids of the completed decisions."""
    for event in events:
        if event["eventType"] == "DecisionTaskCompleted":
            yield _attributes(event)["startedEventId"]


def _trace_of_decision(decision: Mapping[str, Any]) -> tuple[str, ...]:
    decision_type = decision["decisionType"]
    member = f"{decision_type[0].lower()}{decision_type[1:]}DecisionAttributes"
    return _trace(_TRACES[decision_type], decision[member])


def _trace(event_type: str, attributes: Mapping[str, Any]) -> tuple[str, ...]:
    return (event_type, *(str(attributes[name]) for name in _IDENTITIES if name in attributes))


def _blocks(events: Sequence[Event]) -> dict[int, list[Event]]:
    """What each completed decision, by the event that started it, left in the history."""
    started_ids = {}
    blocks: dict[int, list[Event]] = {}
    for event in events:
        attributes = _attributes(event)
        if event["eventType"] == "DecisionTaskCompleted":
            started_ids[event["eventId"]] = attributes["startedEventId"]
            blocks[attributes["startedEventId"]] = []
        started_id = started_ids.get(attributes.get("decisionTaskCompletedEventId", 0))
        if started_id is not None:
            blocks[started_id].append(event)
    return blocks


def _recorded(block: Sequence[Event]) -> list[tuple[str, ...]] | None:
    """Traces of one decision; None if one of its decisions was refused, so that no trace shows it whole."""
    if any(event["eventType"].endswith("Failed") and "cause" in _attributes(event) for event in block):
        return None
    return [_trace(event["eventType"], _attributes(event)) for event in block if _is_trace(event)]


def _is_trace(event: Event) -> bool:
    return event["eventType"] in _TRACES.values()

"""What the operations of the API add to one execution, and the faults when they cannot.

The service has found the execution and checked the request's shape; a function here raises before it adds.
Messages: recorded for activities, seen or reported for the others.
"""

from __future__ import annotations

from typing import Any

from flowyd.engine.rules.block import Block, terminated
from flowyd.engine.rules.events import Attributes, given
from flowyd.engine.rules.state import ExecutionState, OpenActivityTask
from flowyd.swf.faults import UnknownResourceFault


def unknown_execution(workflow_id: str, run_id: str) -> UnknownResourceFault:
    """For a run that does not exist, or is closed where an open one is needed."""
    return UnknownResourceFault(
        f"Unknown execution: WorkflowExecution=[workflowId={workflow_id}, runId={run_id}]"
    )


def require_open(state: ExecutionState) -> None:
    """Raises UnknownResourceFault if the run is closed."""
    if not state.is_open:
        raise unknown_execution(state.workflow_id, state.run_id)


def require_started_decision(
    state: ExecutionState, *, scheduled_event_id: int, started_event_id: int
) -> None:
    """Raises UnknownResourceFault unless exactly this decision task is started."""
    require_open(state)
    task = state.started_decision
    if task is None or (task.scheduled_event_id, task.started_event_id) != (
        scheduled_event_id,
        started_event_id,
    ):
        raise unknown_decision_task(scheduled_event_id)


def unknown_decision_task(scheduled_event_id: int) -> UnknownResourceFault:
    """What a token is refused with whose decision task is not the started one."""
    return UnknownResourceFault(f"Unknown decision task, scheduledEventId = {scheduled_event_id}")


def require_started_activity(
    state: ExecutionState, *, scheduled_event_id: int, started_event_id: int
) -> OpenActivityTask:
    """The activity task of a token.

    Raises:
        UnknownResourceFault: it has closed.
    """
    require_open(state)
    activity = state.activities.get(scheduled_event_id)
    if activity is None or activity.started_event_id != started_event_id:
        raise UnknownResourceFault(f"Unknown activity, scheduledEventId = {scheduled_event_id}")
    return activity


def signal(block: Block, request: dict[str, Any]) -> None:
    """SignalWorkflowExecution: externalInitiatedEventId is 0 for signals from the API (recorded)."""
    require_open(block.state)
    attributes: Attributes = {**given(request, "signalName", "input"), "externalInitiatedEventId": 0}
    block.add(("WorkflowExecutionSignaled", attributes))


def request_cancel(block: Block) -> None:
    """RequestCancelWorkflowExecution: the decider decides what comes of it; each call adds an event."""
    require_open(block.state)
    attributes: Attributes = {"externalInitiatedEventId": 0}
    block.add(("WorkflowExecutionCancelRequested", attributes))


def terminate(block: Block, request: dict[str, Any]) -> None:
    """TerminateWorkflowExecution: a given child policy goes before the execution's own."""
    require_open(block.state)
    event_type, attributes = terminated(
        block.state, cause="OPERATOR_INITIATED", policy=request.get("childPolicy") or None
    )
    block.add((event_type, {**given(request, "reason", "details"), **attributes}))


def start_decision(block: Block, *, identity: str | None) -> int:
    """DecisionTaskStarted for the task that is handed out; its event id."""
    task = block.state.scheduled_decision
    assert task is not None, "only a scheduled decision task can be handed out"
    return block.add(("DecisionTaskStarted", _started(task.scheduled_event_id, identity)))


def start_activity(block: Block, scheduled_event_id: int, *, identity: str | None) -> int:
    """ActivityTaskStarted for the task that is handed out; its event id."""
    return block.add(("ActivityTaskStarted", _started(scheduled_event_id, identity)))


def _started(scheduled_event_id: int, identity: str | None) -> Attributes:
    attributes: Attributes = {"scheduledEventId": scheduled_event_id}
    if identity is not None:
        attributes["identity"] = identity
    return attributes


def close_activity(block: Block, activity: OpenActivityTask, *, ending: str, request: dict[str, Any]) -> None:
    """ActivityTaskCompleted, -Failed or -Canceled, as the worker answers.

    A worker may answer canceled without a cancel request (not known of the service).
    """
    attributes: Attributes = {
        **given(request, "result", "reason", "details"),
        "scheduledEventId": activity.scheduled_event_id,
        "startedEventId": activity.started_event_id,
    }
    if ending == "ActivityTaskCanceled" and activity.cancel_requested_event_id:
        attributes["latestCancelRequestedEventId"] = activity.cancel_requested_event_id
    block.add((ending, attributes))

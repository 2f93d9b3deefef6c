"""How each event changes an execution: the only code that changes an ExecutionState.

`EVOLVE` has one function per event type that changes something besides id and time; the others (markers,
failures of decisions, external deliveries) leave the state as it is. Nothing here judges whether an event
should have happened. What is not in the history comes in by the functions `note_...`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flowyd.engine.rules.decide_after import DecideAfter
from flowyd.engine.rules.events import ATTRIBUTES_MEMBER, CLOSE_STATUS, Attributes, Event
from flowyd.engine.rules.state import (
    ExecutionState,
    OpenActivityTask,
    OpenChild,
    OpenDecisionTask,
    OpenLambda,
    OpenTimer,
)
from flowyd.swf.durations import from_wire

Evolution = Callable[[ExecutionState, int, float, Attributes], None]


def evolve(state: ExecutionState, event: Event) -> None:
    """Folds one event into the state; events come in the order of their ids."""
    event_type = event["eventType"]
    event_id = event["eventId"]
    at = event["eventTimestamp"]
    state.next_event_id = event_id + 1
    state.last_event_at = at
    change = EVOLVE.get(event_type)
    if change is not None:
        change(state, event_id, at, event[ATTRIBUTES_MEMBER[event_type]])


def fold(events: Iterable[Event], *, workflow_id: str, run_id: str) -> ExecutionState:
    """The state that a history makes; the ids are not in a history and are given."""
    state = ExecutionState(workflow_id, run_id)
    for event in events:
        evolve(state, event)
    return state


def note_heartbeat(activity: OpenActivityTask, *, at: float, details: str | None) -> None:
    """Restarts the heartbeat clock of a started activity task and keeps the details, if there are any."""
    activity.heartbeat_at = at
    if details is not None:
        activity.details = details


def note_offered_again(activity: OpenActivityTask) -> None:
    """Stops the clocks of a started activity task: whoever it was handed out to did not begin it."""
    activity.on_offer_again = True


def note_handed_out_again(activity: OpenActivityTask, *, at: float) -> None:
    """Begins the clocks of a started activity task anew: somebody else has it now."""
    activity.on_offer_again = False
    activity.began_at = activity.heartbeat_at = at


def note_decide_after(state: ExecutionState, said: Mapping[str, Any] | None) -> None:
    """Keeps what the decider said with a decision of completions to come; None: it needs them all.

    That is so, too, if it named an activity that could not be scheduled.
    """
    state.decide_after = None
    if said is None:
        return
    ids, meanwhile = state.activity_ids, frozenset(state.completed_meanwhile)
    groups = said.get("together", ())
    together = []
    for group in groups:
        left = [activity_id for activity_id in group if activity_id not in meanwhile]
        if not all(activity_id in ids for activity_id in left):
            return
        together.append([ids[activity_id] for activity_id in left])
    state.decide_after = DecideAfter(together, queued=said.get("queued", 0), identity=said.get("identity"))


def _execution_started(state: ExecutionState, _: int, at: float, attributes: Attributes) -> None:
    state.started_at = at
    state.workflow_type = attributes["workflowType"]
    state.child_policy = attributes["childPolicy"]
    state.execution_start_to_close = attributes["executionStartToCloseTimeout"]
    state.task_start_to_close = attributes["taskStartToCloseTimeout"]
    state.task_list = attributes["taskList"]["name"]
    state.task_priority = attributes.get("taskPriority")
    state.lambda_role = attributes.get("lambdaRole")
    state.tag_list = attributes.get("tagList")
    state.parent = attributes.get("parentWorkflowExecution")
    state.parent_initiated_event_id = attributes["parentInitiatedEventId"]
    state.continued_run_id = attributes.get("continuedExecutionRunId")


def _execution_closed(status: str) -> Evolution:
    def close(state: ExecutionState, _: int, at: float, __: Attributes) -> None:
        state.closed_at = at
        state.close_status = status

    return close


def _cancel_requested(state: ExecutionState, _: int, __: float, ___: Attributes) -> None:
    state.cancel_requested = True


def _decision_scheduled(state: ExecutionState, event_id: int, at: float, attributes: Attributes) -> None:
    state.scheduled_decision = OpenDecisionTask(
        scheduled_event_id=event_id,
        task_list=attributes["taskList"]["name"],
        start_to_close_s=from_wire(attributes["startToCloseTimeout"]),
        # Absent in histories from before 2023.
        schedule_to_start_s=from_wire(attributes.get("scheduleToStartTimeout", "NONE")),
        offered_at=at,
    )


def _decision_started(state: ExecutionState, event_id: int, at: float, _: Attributes) -> None:
    task = state.scheduled_decision
    assert task is not None, "a decision task starts only after it was scheduled"
    task.started_event_id = event_id
    task.started_at = at
    state.scheduled_decision = None
    state.started_decision = task
    state.completed_meanwhile.clear()


def _started_decision_closed(state: ExecutionState, at: float) -> None:
    state.started_decision = None
    if state.scheduled_decision is not None:
        state.scheduled_decision.offered_at = at


def _decision_completed(state: ExecutionState, _: int, at: float, attributes: Attributes) -> None:
    _started_decision_closed(state, at)
    state.previous_started_event_id = attributes["startedEventId"]
    if "executionContext" in attributes:
        state.latest_context = attributes["executionContext"]
    if "taskList" in attributes:
        state.override_list = attributes["taskList"]["name"]
        state.override_trial = attributes.get("taskListScheduleToStartTimeout")


def _decision_timed_out(state: ExecutionState, _: int, at: float, attributes: Attributes) -> None:
    if attributes["startedEventId"]:
        task = state.started_decision
        _started_decision_closed(state, at)
    else:
        task = state.scheduled_decision
        state.scheduled_decision = None
    if task is not None and task.schedule_to_start_s is not None:
        state.override_list = state.override_trial = None


def _activity_scheduled(state: ExecutionState, event_id: int, at: float, attributes: Attributes) -> None:
    activity_id = attributes["activityId"]
    state.activities[event_id] = OpenActivityTask(
        activity_id=activity_id,
        scheduled_event_id=event_id,
        scheduled_at=at,
        schedule_to_start_s=from_wire(attributes["scheduleToStartTimeout"]),
        schedule_to_close_s=from_wire(attributes["scheduleToCloseTimeout"]),
        start_to_close_s=from_wire(attributes["startToCloseTimeout"]),
        heartbeat_s=from_wire(attributes["heartbeatTimeout"]),
        task_list=attributes["taskList"]["name"],
        priority=int(attributes.get("taskPriority") or 0),
    )
    state.activity_ids[activity_id] = event_id


def _activity_started(state: ExecutionState, event_id: int, at: float, attributes: Attributes) -> None:
    activity = state.activities[attributes["scheduledEventId"]]
    activity.started_event_id = event_id
    activity.began_at = activity.heartbeat_at = at
    state.latest_activity_at = at


def _activity_closed(state: ExecutionState, _: int, at: float, attributes: Attributes) -> None:
    activity = state.activities.pop(attributes["scheduledEventId"])
    del state.activity_ids[activity.activity_id]
    state.latest_activity_at = at


def _activity_completed(state: ExecutionState, event_id: int, at: float, attributes: Attributes) -> None:
    if state.started_decision is not None:
        activity = state.activities[attributes["scheduledEventId"]]
        state.completed_meanwhile.append(activity.activity_id)
    _activity_closed(state, event_id, at, attributes)


def _activity_cancel_requested(
    state: ExecutionState, event_id: int, _: float, attributes: Attributes
) -> None:
    scheduled_event_id = state.activity_ids[attributes["activityId"]]
    state.activities[scheduled_event_id].cancel_requested_event_id = event_id


def _timer_started(state: ExecutionState, event_id: int, at: float, attributes: Attributes) -> None:
    timer_id = attributes["timerId"]
    state.timers[timer_id] = OpenTimer(
        timer_id=timer_id, started_event_id=event_id, fires_at=at + int(attributes["startToFireTimeout"])
    )


def _timer_closed(state: ExecutionState, _: int, __: float, attributes: Attributes) -> None:
    del state.timers[attributes["timerId"]]


def _child_initiated(state: ExecutionState, event_id: int, _: float, attributes: Attributes) -> None:
    state.children[event_id] = OpenChild(
        initiated_event_id=event_id,
        workflow_id=attributes["workflowId"],
        workflow_type=attributes["workflowType"],
    )


def _child_started(state: ExecutionState, event_id: int, _: float, attributes: Attributes) -> None:
    state.children[attributes["initiatedEventId"]].started_event_id = event_id


def _child_closed(state: ExecutionState, _: int, __: float, attributes: Attributes) -> None:
    state.children.pop(attributes["initiatedEventId"], None)


def _lambda_scheduled(state: ExecutionState, event_id: int, _: float, attributes: Attributes) -> None:
    state.lambdas[event_id] = OpenLambda(
        scheduled_event_id=event_id,
        start_to_close_s=from_wire(attributes.get("startToCloseTimeout", "NONE")),
    )


def _lambda_started(state: ExecutionState, event_id: int, at: float, attributes: Attributes) -> None:
    function = state.lambdas[attributes["scheduledEventId"]]
    function.started_event_id = event_id
    function.started_at = at


def _lambda_closed(state: ExecutionState, _: int, __: float, attributes: Attributes) -> None:
    del state.lambdas[attributes["scheduledEventId"]]


#: Event type: what it changes.
EVOLVE: dict[str, Evolution] = {
    "WorkflowExecutionStarted": _execution_started,
    "WorkflowExecutionCancelRequested": _cancel_requested,
    "DecisionTaskScheduled": _decision_scheduled,
    "DecisionTaskStarted": _decision_started,
    "DecisionTaskCompleted": _decision_completed,
    "DecisionTaskTimedOut": _decision_timed_out,
    "ActivityTaskScheduled": _activity_scheduled,
    "ActivityTaskStarted": _activity_started,
    "ActivityTaskCompleted": _activity_completed,
    "ActivityTaskFailed": _activity_closed,
    "ActivityTaskTimedOut": _activity_closed,
    "ActivityTaskCanceled": _activity_closed,
    "ActivityTaskCancelRequested": _activity_cancel_requested,
    "TimerStarted": _timer_started,
    "TimerFired": _timer_closed,
    "TimerCanceled": _timer_closed,
    "StartChildWorkflowExecutionInitiated": _child_initiated,
    # Without an Initiated event (initiatedEventId 0) there is nothing to forget.
    "StartChildWorkflowExecutionFailed": _child_closed,
    "ChildWorkflowExecutionStarted": _child_started,
    "ChildWorkflowExecutionCompleted": _child_closed,
    "ChildWorkflowExecutionFailed": _child_closed,
    "ChildWorkflowExecutionTimedOut": _child_closed,
    "ChildWorkflowExecutionCanceled": _child_closed,
    "ChildWorkflowExecutionTerminated": _child_closed,
    "LambdaFunctionScheduled": _lambda_scheduled,
    "LambdaFunctionStarted": _lambda_started,
    "LambdaFunctionCompleted": _lambda_closed,
    "LambdaFunctionFailed": _lambda_closed,
    "LambdaFunctionTimedOut": _lambda_closed,
    "StartLambdaFunctionFailed": _lambda_closed,
    **{event_type: _execution_closed(status) for event_type, status in CLOSE_STATUS.items()},
}

"""Every pending timeout of an execution, derived from its state; nobody keeps a second copy.

Order of those that run out together: time, then the event that the clock belongs to, then kind. What
happens when one runs out is in `expiry`.

`created_by` answers for one event which new deadline it brings, so that a caller who knows an earliest time
for everything before need not go through all open items again. New deadlines come from the events in its
table, and from a started activity task that is handed out again, which had none while it was on offer
(`created_by_hand_out`); a heartbeat only moves one later.
Source: SWF API Reference, the timeouts; clocks as in the recordings (within about 10 ms).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from flowyd.engine.rules.events import Event, attributes_of
from flowyd.engine.rules.state import (
    ExecutionState,
    OpenActivityTask,
    OpenLambda,
    OpenTimer,
)
from flowyd.swf.durations import LONGEST_S, NONE

EXECUTION = "execution"
DECISION_SCHEDULE_TO_START = "decision SCHEDULE_TO_START"
DECISION_START_TO_CLOSE = "decision START_TO_CLOSE"
ACTIVITY_HEARTBEAT = "activity HEARTBEAT"
ACTIVITY_SCHEDULE_TO_CLOSE = "activity SCHEDULE_TO_CLOSE"
ACTIVITY_SCHEDULE_TO_START = "activity SCHEDULE_TO_START"
ACTIVITY_START_TO_CLOSE = "activity START_TO_CLOSE"
LAMBDA_START_TO_CLOSE = "lambda START_TO_CLOSE"
TIMER = "timer"


class Deadline(msgspec.Struct, frozen=True, order=True, gc=False):
    """When something runs out; sorts by time, event id, kind."""

    at: float
    #: The event that scheduled or started what runs out.
    event_id: int
    kind: str
    #: Of a timer.
    timer_id: str = ""


def deadlines(state: ExecutionState) -> list[Deadline]:
    """All pending deadlines in their order; none once the execution is closed."""
    return sorted(_pending(state)) if state.is_open else []


def next_deadline(state: ExecutionState) -> float | None:
    """The earliest pending time, None if the execution is closed."""
    if not state.is_open:
        return None
    return min(deadline.at for deadline in _pending(state))


def created_by(state: ExecutionState, event: Event) -> float | None:
    """The earliest of the deadlines that this event, already folded, brought about."""
    follow = CREATED.get(event["eventType"])
    return None if follow is None else follow(state, event)


def created_by_hand_out(activity: OpenActivityTask) -> float | None:
    """The earliest of the deadlines that begin when an activity task is handed out, first or again."""
    return _earliest(activity.began_at, activity.start_to_close_s, activity.heartbeat_s)


def _pending(state: ExecutionState) -> Iterator[Deadline]:
    yield _of_execution(state)
    yield from _of_decisions(state)
    for activity in state.activities.values():
        yield from _of_activity(activity)
    for timer in state.timers.values():
        yield _of_timer(timer)
    for function in state.lambdas.values():
        yield from _of_lambda(function)


def _of_execution(state: ExecutionState) -> Deadline:
    timeout = state.execution_start_to_close
    limit_s = LONGEST_S if timeout == NONE else min(int(timeout), LONGEST_S)
    return Deadline(state.started_at + limit_s, 1, EXECUTION)


def _of_decisions(state: ExecutionState) -> Iterator[Deadline]:
    started, scheduled = state.started_decision, state.scheduled_decision
    if started is not None and started.start_to_close_s is not None:
        yield Deadline(
            started.started_at + started.start_to_close_s, started.scheduled_event_id, DECISION_START_TO_CLOSE
        )
    if scheduled is not None and started is None and scheduled.schedule_to_start_s is not None:
        # While another decision task is started this one cannot be handed out, so its clock stands.
        yield Deadline(
            scheduled.offered_at + scheduled.schedule_to_start_s,
            scheduled.scheduled_event_id,
            DECISION_SCHEDULE_TO_START,
        )


def _of_activity(activity: OpenActivityTask) -> Iterator[Deadline]:
    event_id = activity.scheduled_event_id
    if activity.schedule_to_close_s is not None:
        yield Deadline(
            activity.scheduled_at + activity.schedule_to_close_s, event_id, ACTIVITY_SCHEDULE_TO_CLOSE
        )
    if not activity.started_event_id:
        if activity.schedule_to_start_s is not None:
            yield Deadline(
                activity.scheduled_at + activity.schedule_to_start_s, event_id, ACTIVITY_SCHEDULE_TO_START
            )
        return
    if activity.on_offer_again:
        return
    if activity.start_to_close_s is not None:
        yield Deadline(activity.began_at + activity.start_to_close_s, event_id, ACTIVITY_START_TO_CLOSE)
    if activity.heartbeat_s is not None:
        yield Deadline(activity.heartbeat_at + activity.heartbeat_s, event_id, ACTIVITY_HEARTBEAT)


def _of_timer(timer: OpenTimer) -> Deadline:
    return Deadline(timer.fires_at, timer.started_event_id, TIMER, timer.timer_id)


def _of_lambda(function: OpenLambda) -> Iterator[Deadline]:
    if function.started_event_id and function.start_to_close_s is not None:
        yield Deadline(
            function.started_at + function.start_to_close_s,
            function.scheduled_event_id,
            LAMBDA_START_TO_CLOSE,
        )


def holds(state: ExecutionState, deadline: Deadline) -> bool:
    """True if the deadline is still pending: an earlier one may have closed what it was for."""
    if not state.is_open:
        return False
    return deadline in HELD[deadline.kind](state, deadline)


def _held_by_activity(state: ExecutionState, deadline: Deadline) -> Iterator[Deadline]:
    activity = state.activities.get(deadline.event_id)
    return _of_activity(activity) if activity is not None else iter(())


def _held_by_timer(state: ExecutionState, deadline: Deadline) -> Iterator[Deadline]:
    timer = state.timers.get(deadline.timer_id)
    return iter((_of_timer(timer),)) if timer is not None else iter(())


def _held_by_lambda(state: ExecutionState, deadline: Deadline) -> Iterator[Deadline]:
    function = state.lambdas.get(deadline.event_id)
    return _of_lambda(function) if function is not None else iter(())


def _held_by_decision(state: ExecutionState, _: Deadline) -> Iterator[Deadline]:
    return _of_decisions(state)


#: Kind of deadline: the deadlines that what it belongs to has now.
HELD: dict[str, Callable[[ExecutionState, Deadline], Iterator[Deadline]]] = {
    EXECUTION: lambda state, _: iter((_of_execution(state),)),
    DECISION_START_TO_CLOSE: _held_by_decision,
    DECISION_SCHEDULE_TO_START: _held_by_decision,
    ACTIVITY_HEARTBEAT: _held_by_activity,
    ACTIVITY_SCHEDULE_TO_CLOSE: _held_by_activity,
    ACTIVITY_SCHEDULE_TO_START: _held_by_activity,
    ACTIVITY_START_TO_CLOSE: _held_by_activity,
    LAMBDA_START_TO_CLOSE: _held_by_lambda,
    TIMER: _held_by_timer,
}


def _created_by_activity(state: ExecutionState, event: Event) -> float | None:
    activity = state.activities[event["eventId"]]
    return _earliest(activity.scheduled_at, activity.schedule_to_start_s, activity.schedule_to_close_s)


def _created_by_activity_start(state: ExecutionState, event: Event) -> float | None:
    return created_by_hand_out(state.activities[attributes_of(event)["scheduledEventId"]])


def _created_by_decision_event(state: ExecutionState, _: Event) -> float | None:
    started, scheduled = state.started_decision, state.scheduled_decision
    if started is not None:
        return _earliest(started.started_at, started.start_to_close_s)
    return None if scheduled is None else _earliest(scheduled.offered_at, scheduled.schedule_to_start_s)


def _created_by_lambda_start(state: ExecutionState, event: Event) -> float | None:
    function = state.lambdas[attributes_of(event)["scheduledEventId"]]
    return _earliest(function.started_at, function.start_to_close_s)


def _earliest(at: float, limit_s: int | None, other_s: int | None = None) -> float | None:
    """When the shorter of two limits is over, if there are any."""
    if limit_s is None or (other_s is not None and other_s < limit_s):
        limit_s = other_s
    return None if limit_s is None else at + limit_s


#: Event type: the earliest of the deadlines of the item it is about. Times alone, since every event of a
#: history asks for one.
CREATED: dict[str, Callable[[ExecutionState, Event], float | None]] = {
    "WorkflowExecutionStarted": lambda state, _: _of_execution(state).at,
    "DecisionTaskScheduled": _created_by_decision_event,
    "DecisionTaskStarted": _created_by_decision_event,
    "DecisionTaskCompleted": _created_by_decision_event,
    "DecisionTaskTimedOut": _created_by_decision_event,
    "ActivityTaskScheduled": _created_by_activity,
    "ActivityTaskStarted": _created_by_activity_start,
    "TimerStarted": lambda state, event: state.timers[attributes_of(event)["timerId"]].fires_at,
    "LambdaFunctionStarted": _created_by_lambda_start,
}

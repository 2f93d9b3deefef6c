"""What happens when a deadline runs out: one event, in a table by the kind of deadline.

A decision task that times out is scheduled again without limit and without back-off; the block does that.
"""

from __future__ import annotations

from collections.abc import Callable

from flowyd.engine.rules.block import Block
from flowyd.engine.rules.deadlines import (
    ACTIVITY_HEARTBEAT,
    ACTIVITY_SCHEDULE_TO_CLOSE,
    ACTIVITY_SCHEDULE_TO_START,
    ACTIVITY_START_TO_CLOSE,
    DECISION_SCHEDULE_TO_START,
    DECISION_START_TO_CLOSE,
    EXECUTION,
    LAMBDA_START_TO_CLOSE,
    TIMER,
    Deadline,
    holds,
)
from flowyd.engine.rules.events import Attributes
from flowyd.engine.rules.state import OpenDecisionTask


def expire(block: Block, deadline: Deadline) -> None:
    """Adds the event of a deadline that ran out, if it still holds."""
    if holds(block.state, deadline):
        EXPIRE[deadline.kind](block, deadline)


def _expire_execution(block: Block, _: Deadline) -> None:
    attributes: Attributes = {"childPolicy": block.state.child_policy, "timeoutType": "START_TO_CLOSE"}
    block.add(("WorkflowExecutionTimedOut", attributes))


def _expire_started_decision(block: Block, _: Deadline) -> None:
    task = block.state.started_decision
    assert task is not None, "only a started decision task has this deadline"
    _decision_timed_out(block, task, "START_TO_CLOSE")


def _expire_scheduled_decision(block: Block, _: Deadline) -> None:
    task = block.state.scheduled_decision
    assert task is not None, "only a scheduled decision task has this deadline"
    _decision_timed_out(block, task, "SCHEDULE_TO_START")


def _decision_timed_out(block: Block, task: OpenDecisionTask, timeout_type: str) -> None:
    attributes: Attributes = {
        "scheduledEventId": task.scheduled_event_id,
        "startedEventId": task.started_event_id,
        "timeoutType": timeout_type,
    }
    block.add(("DecisionTaskTimedOut", attributes))


def _expire_activity(block: Block, deadline: Deadline) -> None:
    activity = block.state.activities[deadline.event_id]
    attributes: Attributes = {
        "scheduledEventId": activity.scheduled_event_id,
        "startedEventId": activity.started_event_id,
        "timeoutType": deadline.kind.removeprefix("activity "),
    }
    if activity.details is not None:
        attributes["details"] = activity.details
    block.add(("ActivityTaskTimedOut", attributes))


def _expire_timer(block: Block, deadline: Deadline) -> None:
    attributes: Attributes = {"startedEventId": deadline.event_id, "timerId": deadline.timer_id}
    block.add(("TimerFired", attributes))


def _expire_lambda(block: Block, deadline: Deadline) -> None:
    function = block.state.lambdas[deadline.event_id]
    attributes: Attributes = {
        "scheduledEventId": deadline.event_id,
        "startedEventId": function.started_event_id,
        "timeoutType": "START_TO_CLOSE",
    }
    block.add(("LambdaFunctionTimedOut", attributes))


#: Kind of deadline: the event it adds when it runs out.
EXPIRE: dict[str, Callable[[Block, Deadline], None]] = {
    EXECUTION: _expire_execution,
    DECISION_START_TO_CLOSE: _expire_started_decision,
    DECISION_SCHEDULE_TO_START: _expire_scheduled_decision,
    ACTIVITY_HEARTBEAT: _expire_activity,
    ACTIVITY_SCHEDULE_TO_CLOSE: _expire_activity,
    ACTIVITY_SCHEDULE_TO_START: _expire_activity,
    ACTIVITY_START_TO_CLOSE: _expire_activity,
    LAMBDA_START_TO_CLOSE: _expire_lambda,
    TIMER: _expire_timer,
}

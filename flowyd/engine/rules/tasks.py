"""Which tasks an event offers to pollers, or takes back.

A decision task is offered when it is scheduled and no other one is started; one that was scheduled
meanwhile is offered when the started one closes. Tasks of closed executions are never handed out.
Starting a task is the matching's own act, so the Started events are not in the table.
"""

from __future__ import annotations

from collections.abc import Callable

from flowyd.engine.rules.effects import OfferTask, TaskEffect, WithdrawTask
from flowyd.engine.rules.events import CLOSE_STATUS, Event, attributes_of
from flowyd.engine.rules.state import ExecutionState


def _offer_activity(state: ExecutionState, event: Event) -> list[TaskEffect]:
    activity = state.activities[event["eventId"]]
    return [
        OfferTask(
            kind="activity",
            task_list=activity.task_list,
            priority=activity.priority,
            scheduled_event_id=activity.scheduled_event_id,
        )
    ]


def _offer_decision(state: ExecutionState, _: Event) -> list[TaskEffect]:
    task = state.scheduled_decision
    if task is None or state.started_decision is not None:
        return []
    return [
        OfferTask(
            kind="decision",
            task_list=task.task_list,
            priority=state.priority,
            scheduled_event_id=task.scheduled_event_id,
        )
    ]


def _decision_timed_out(state: ExecutionState, event: Event) -> list[TaskEffect]:
    if attributes_of(event)["startedEventId"]:
        return _offer_decision(state, event)
    return [WithdrawTask(scheduled_event_id=attributes_of(event)["scheduledEventId"])]


def _withdraw_unstarted_activity(_: ExecutionState, event: Event) -> list[TaskEffect]:
    attributes = attributes_of(event)
    if attributes["startedEventId"]:
        return []
    return [WithdrawTask(scheduled_event_id=attributes["scheduledEventId"])]


def _withdraw_all(state: ExecutionState, _: Event) -> list[TaskEffect]:
    effects: list[TaskEffect] = [
        WithdrawTask(scheduled_event_id=activity.scheduled_event_id)
        for activity in state.activities.values()
        if not activity.started_event_id
    ]
    if state.scheduled_decision is not None and state.started_decision is None:
        effects.append(WithdrawTask(scheduled_event_id=state.scheduled_decision.scheduled_event_id))
    return effects


#: Event type: what follows for the task lists.
EFFECTS: dict[str, Callable[[ExecutionState, Event], list[TaskEffect]]] = {
    "ActivityTaskScheduled": _offer_activity,
    "DecisionTaskScheduled": _offer_decision,
    "DecisionTaskCompleted": _offer_decision,
    "DecisionTaskTimedOut": _decision_timed_out,
    "ActivityTaskTimedOut": _withdraw_unstarted_activity,
    "ActivityTaskCanceled": _withdraw_unstarted_activity,
    **dict.fromkeys(CLOSE_STATUS, _withdraw_all),
}

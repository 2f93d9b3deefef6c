"""ScheduleActivityTask and RequestCancelActivityTask.

Order of the checks when scheduling, which the service does not document (moto's): type, deprecated, id,
then the limit, then the values in the order of `resolution`.
"""

from __future__ import annotations

from flowyd.engine.rules.events import Attributes, given
from flowyd.engine.rules.outcome import Circumstances, Outcome, happened
from flowyd.engine.rules.resolution import Undefined, resolve_activity
from flowyd.engine.rules.state import ExecutionState


def decide_schedule(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """ActivityTaskScheduled with all values resolved, or ScheduleActivityTaskFailed."""
    registered = at.around.activity_type(decision["activityType"])
    if registered is None:
        return _not_scheduled("ACTIVITY_TYPE_DOES_NOT_EXIST", decision, at)
    if registered.status != "REGISTERED":
        return _not_scheduled("ACTIVITY_TYPE_DEPRECATED", decision, at)
    if decision["activityId"] in state.activity_ids:
        return _not_scheduled("ACTIVITY_ID_ALREADY_IN_USE", decision, at)
    if len(state.activities) >= at.around.quotas.open_activities:
        return _not_scheduled("OPEN_ACTIVITIES_LIMIT_EXCEEDED", decision, at)
    resolved = resolve_activity(decision, registered.configuration)
    if isinstance(resolved, Undefined):
        return _not_scheduled(resolved.value.cause, decision, at)
    return happened(
        "ActivityTaskScheduled",
        {
            **given(decision, "activityId", "activityType", "input", "control"),
            **resolved,
            "decisionTaskCompletedEventId": at.completed_event_id,
        },
    )


def _not_scheduled(cause: str, decision: Attributes, at: Circumstances) -> Outcome:
    return happened(
        "ScheduleActivityTaskFailed",
        {
            **given(decision, "activityId", "activityType"),
            "cause": cause,
            "decisionTaskCompletedEventId": at.completed_event_id,
        },
    )


def decide_request_cancel(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """ActivityTaskCancelRequested; a task that is not started yet is canceled at once."""
    activity_id = decision["activityId"]
    place = {"activityId": activity_id, "decisionTaskCompletedEventId": at.completed_event_id}
    scheduled_event_id = state.activity_ids.get(activity_id)
    if scheduled_event_id is None:
        return happened("RequestCancelActivityTaskFailed", {**place, "cause": "ACTIVITY_ID_UNKNOWN"})
    requested = ("ActivityTaskCancelRequested", place)
    if state.activities[scheduled_event_id].started_event_id:
        return Outcome(drafts=(requested,))
    canceled: Attributes = {
        "latestCancelRequestedEventId": state.next_event_id,
        "scheduledEventId": scheduled_event_id,
        "startedEventId": 0,
    }
    return Outcome(drafts=(requested, ("ActivityTaskCanceled", canceled)))

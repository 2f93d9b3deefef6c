"""StartTimer, CancelTimer and RecordMarker."""

from __future__ import annotations

from flowyd.engine.rules.events import Attributes, given
from flowyd.engine.rules.outcome import Circumstances, Outcome, happened
from flowyd.engine.rules.state import ExecutionState


def decide_start(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """TimerStarted; the id of a timer that fired or was canceled is free again."""
    if decision["timerId"] in state.timers:
        return _failed("StartTimerFailed", "TIMER_ID_ALREADY_IN_USE", decision, at)
    if len(state.timers) >= at.around.quotas.open_timers:
        return _failed("StartTimerFailed", "OPEN_TIMERS_LIMIT_EXCEEDED", decision, at)
    return happened(
        "TimerStarted",
        {
            **given(decision, "timerId", "startToFireTimeout", "control"),
            "decisionTaskCompletedEventId": at.completed_event_id,
        },
    )


def decide_cancel(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """TimerCanceled; a timer that was started earlier in the same list can be canceled."""
    timer = state.timers.get(decision["timerId"])
    if timer is None:
        return _failed("CancelTimerFailed", "TIMER_ID_UNKNOWN", decision, at)
    return happened(
        "TimerCanceled",
        {
            "decisionTaskCompletedEventId": at.completed_event_id,
            "startedEventId": timer.started_event_id,
            "timerId": timer.timer_id,
        },
    )


def _failed(event_type: str, cause: str, decision: Attributes, at: Circumstances) -> Outcome:
    attributes: Attributes = {
        "cause": cause,
        "decisionTaskCompletedEventId": at.completed_event_id,
        "timerId": decision["timerId"],
    }
    return happened(event_type, attributes)


def decide_marker(_: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """MarkerRecorded; names may repeat."""
    return happened(
        "MarkerRecorded",
        {
            **given(decision, "markerName", "details"),
            "decisionTaskCompletedEventId": at.completed_event_id,
        },
    )

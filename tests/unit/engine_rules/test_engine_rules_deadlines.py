"""Which clocks run when, in which order they run out, and what that adds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowyd.engine.rules.block import Block
from flowyd.engine.rules.deadlines import Deadline, created_by_hand_out, deadlines, next_deadline
from flowyd.engine.rules.events import attributes_of
from flowyd.engine.rules.evolve import note_handed_out_again, note_heartbeat, note_offered_again
from flowyd.engine.rules.expiry import EXPIRE, expire
from tests.unit.engine_rules.engine_rules_script import ACTIVITY, Script, decision

NO_TIMEOUTS = {
    "scheduleToStartTimeout": "NONE",
    "scheduleToCloseTimeout": "NONE",
    "startToCloseTimeout": "NONE",
    "heartbeatTimeout": "NONE",
}


def scheduled(**timeouts: str) -> Script:
    script = Script(now=100.0).starts(taskStartToCloseTimeout="NONE")
    attributes = {"activityId": "a", "activityType": ACTIVITY, **NO_TIMEOUTS, **timeouts}
    script.decides(decision("ScheduleActivityTask", **attributes))
    return script


def fire(script: Script, deadline: Deadline) -> list[str]:
    before = len(script.events)
    script.now = deadline.at
    block = Block(script.state, now=script.now, quotas=script.quotas)
    expire(block, deadline)
    script.events += block.finish().events
    return [event["eventType"] for event in script.events[before:]]


@pytest.mark.parametrize(
    ("timeouts", "started", "expected"),
    [
        ({"scheduleToStartTimeout": "5"}, False, ("activity SCHEDULE_TO_START", 105.0)),
        ({"scheduleToStartTimeout": "5"}, True, None),
        ({"scheduleToCloseTimeout": "6"}, False, ("activity SCHEDULE_TO_CLOSE", 106.0)),
        ({"scheduleToCloseTimeout": "6"}, True, ("activity SCHEDULE_TO_CLOSE", 106.0)),
        ({"startToCloseTimeout": "7"}, False, None),
        ({"startToCloseTimeout": "7"}, True, ("activity START_TO_CLOSE", 110.0)),
        ({"heartbeatTimeout": "2"}, False, None),
        ({"heartbeatTimeout": "2"}, True, ("activity HEARTBEAT", 105.0)),
        ({"scheduleToStartTimeout": "0"}, False, ("activity SCHEDULE_TO_START", 100.0)),
    ],
)
def test_activity_clocks(timeouts: dict[str, str], started: bool, expected: tuple[str, float] | None) -> None:
    script = scheduled(**timeouts)
    if started:
        script.now = 103.0
        script.happens(("ActivityTaskStarted", {"scheduledEventId": 5}))

    assert clocks(script) == ([expected] if expected else [])


def test_a_heartbeat_restarts_its_clock_and_its_details_show_in_the_timeout() -> None:
    script = scheduled(heartbeatTimeout="2")
    script.happens(("ActivityTaskStarted", {"scheduledEventId": 5}))
    note_heartbeat(script.state.activities[5], at=101.5, details="half")
    note_heartbeat(script.state.activities[5], at=102.0, details=None)
    first = deadlines(script.state)[0]
    assert (first.at, first.kind) == (104.0, "activity HEARTBEAT")

    fire(script, first)

    assert attributes_of(script.events[-2]) == {
        "details": "half",
        "scheduledEventId": 5,
        "startedEventId": 6,
        "timeoutType": "HEARTBEAT",
    }


def clocks(script: Script) -> list[tuple[str, float]]:
    return [(deadline.kind, deadline.at) for deadline in deadlines(script.state) if deadline.event_id == 5]


def with_all_clocks() -> Script:
    script = scheduled(scheduleToCloseTimeout="90", startToCloseTimeout="7", heartbeatTimeout="3")
    return script.happens(("ActivityTaskStarted", {"scheduledEventId": 5}))


def test_of_an_activity_that_is_on_offer_again_only_the_clock_over_the_whole_runs() -> None:
    script = with_all_clocks()
    first, second, *_ = deadlines(script.state)

    note_offered_again(script.state.activities[5])

    assert clocks(script) == [("activity SCHEDULE_TO_CLOSE", 190.0)]
    assert (fire(script, first), fire(script, second)) == ([], [])


def test_a_heartbeat_of_an_activity_that_is_on_offer_again_starts_no_clock_and_its_details_are_kept() -> None:
    script = with_all_clocks()
    note_offered_again(script.state.activities[5])

    note_heartbeat(script.state.activities[5], at=105.0, details="half")

    assert clocks(script) == [("activity SCHEDULE_TO_CLOSE", 190.0)]
    assert script.state.activities[5].details == "half"


def test_the_clocks_of_an_activity_that_is_handed_out_again_begin_anew() -> None:
    script = with_all_clocks()
    note_heartbeat(script.state.activities[5], at=102.0, details=None)
    note_offered_again(script.state.activities[5])

    note_handed_out_again(script.state.activities[5], at=150.0)

    assert clocks(script) == [
        ("activity HEARTBEAT", 153.0),
        ("activity START_TO_CLOSE", 157.0),
        ("activity SCHEDULE_TO_CLOSE", 190.0),
    ]


@pytest.mark.parametrize(
    ("timeouts", "at"),
    [
        ({}, None),
        ({"startToCloseTimeout": "7"}, 157.0),
        ({"heartbeatTimeout": "3"}, 153.0),
        ({"startToCloseTimeout": "7", "heartbeatTimeout": "3"}, 153.0),
        ({"startToCloseTimeout": "2", "heartbeatTimeout": "3"}, 152.0),
        ({"scheduleToCloseTimeout": "60"}, None),
    ],
)
def test_another_hand_out_brings_the_deadlines_of_its_clocks(
    timeouts: dict[str, str], at: float | None
) -> None:
    script = scheduled(**timeouts)
    script.happens(("ActivityTaskStarted", {"scheduledEventId": 5}))

    note_handed_out_again(script.state.activities[5], at=150.0)

    assert created_by_hand_out(script.state.activities[5]) == at


def test_an_activity_that_runs_out_after_another_hand_out_times_out_as_ever() -> None:
    script = with_all_clocks()
    note_offered_again(script.state.activities[5])
    note_handed_out_again(script.state.activities[5], at=150.0)

    assert fire(script, deadlines(script.state)[0]) == ["ActivityTaskTimedOut", "DecisionTaskScheduled"]

    assert attributes_of(script.events[-2]) == {
        "scheduledEventId": 5,
        "startedEventId": 6,
        "timeoutType": "HEARTBEAT",
    }


def test_an_unstarted_activity_times_out_with_started_event_id_0() -> None:
    script = scheduled(scheduleToCloseTimeout="6")

    assert fire(script, deadlines(script.state)[0]) == ["ActivityTaskTimedOut", "DecisionTaskScheduled"]

    assert attributes_of(script.events[-2])["startedEventId"] == 0


def test_of_two_clocks_of_one_task_only_the_first_fires() -> None:
    script = scheduled(scheduleToStartTimeout="5", scheduleToCloseTimeout="5")
    first, second = deadlines(script.state)[:2]
    assert (first.kind, second.kind) == ("activity SCHEDULE_TO_CLOSE", "activity SCHEDULE_TO_START")

    fire(script, first)

    assert fire(script, second) == []


def test_a_started_decision_task_times_out_and_is_scheduled_again() -> None:
    script = Script(now=100.0).starts().polled()
    first = deadlines(script.state)[0]
    assert (first.at, first.kind) == (130.0, "decision START_TO_CLOSE")

    assert fire(script, first) == ["DecisionTaskTimedOut", "DecisionTaskScheduled"]

    assert attributes_of(script.events[-2]) == {
        "scheduledEventId": 2,
        "startedEventId": 3,
        "timeoutType": "START_TO_CLOSE",
    }


def test_a_scheduled_decision_task_has_no_clock_without_a_trial_list() -> None:
    script = Script(now=100.0).starts()

    assert [deadline.kind for deadline in deadlines(script.state)] == ["execution"]


def on_trial(**request: Any) -> Script:
    script = Script(now=100.0).starts()
    script.decides(taskList={"name": "mine"}, **request)
    signaled = ("WorkflowExecutionSignaled", {"externalInitiatedEventId": 0, "signalName": "s"})
    return script.happens(signaled)


def test_a_decision_task_on_a_trial_list_goes_back_to_the_own_list() -> None:
    script = on_trial(taskListScheduleToStartTimeout="3")
    assert attributes_of(script.events[-1])["taskList"] == {"name": "mine"}
    assert attributes_of(script.events[-1])["scheduleToStartTimeout"] == "3"
    first = deadlines(script.state)[0]
    assert (first.at, first.kind) == (103.0, "decision SCHEDULE_TO_START")

    assert fire(script, first) == ["DecisionTaskTimedOut", "DecisionTaskScheduled"]

    assert attributes_of(script.events[-2])["startedEventId"] == 0
    assert attributes_of(script.events[-1])["taskList"] == {"name": "own"}
    assert attributes_of(script.events[-1])["scheduleToStartTimeout"] == "NONE"


def test_a_task_of_a_trial_list_that_is_not_completed_in_time_ends_the_trial() -> None:
    script = on_trial(taskListScheduleToStartTimeout="3").polled()

    fire(script, deadlines(script.state)[0])

    assert attributes_of(script.events[-1])["taskList"] == {"name": "own"}


@pytest.mark.parametrize("request_members", [{}, {"taskListScheduleToStartTimeout": "NONE"}])
def test_an_override_without_trial_is_permanent(request_members: dict[str, str]) -> None:
    script = on_trial(**request_members).polled()

    fire(script, deadlines(script.state)[0])

    assert attributes_of(script.events[-1])["taskList"] == {"name": "mine"}


def test_the_trial_clock_stands_while_another_decision_task_is_started() -> None:
    script = on_trial(taskListScheduleToStartTimeout="3").polled()
    signaled = ("WorkflowExecutionSignaled", {"externalInitiatedEventId": 0, "signalName": "s"})
    script.happens(signaled)
    assert [deadline.kind for deadline in deadlines(script.state)] == ["decision START_TO_CLOSE", "execution"]
    script.now = 120.0

    script.decides()

    assert deadlines(script.state)[0].at == 123.0


def test_a_timer_fires_and_is_free_again() -> None:
    script = Script(now=100.0).starts()
    script.decides(decision("StartTimer", timerId="t", startToFireTimeout="0"))
    first = deadlines(script.state)[0]
    assert first.at == 100.0

    assert fire(script, first) == ["TimerFired", "DecisionTaskScheduled"]

    assert attributes_of(script.events[-2]) == {"startedEventId": 5, "timerId": "t"}
    assert fire(script, first) == []


def test_an_execution_lives_for_a_year_at_most() -> None:
    script = Script(now=0.0).starts(executionStartToCloseTimeout="NONE")

    assert next_deadline(script.state) == 31_536_000.0


def test_a_closed_execution_has_no_deadlines() -> None:
    script = scheduled(scheduleToCloseTimeout="6")
    script.happens(("WorkflowExecutionTimedOut", {"childPolicy": "ABANDON", "timeoutType": "START_TO_CLOSE"}))

    assert (deadlines(script.state), next_deadline(script.state)) == ([], None)


def test_every_kind_of_deadline_has_an_event() -> None:
    assert len(EXPIRE) == 9


@given(timers=st.lists(st.integers(min_value=0, max_value=3), min_size=1, max_size=8))
def test_deadlines_come_in_the_order_of_time_and_then_of_their_events(timers: list[int]) -> None:
    script = Script(now=100.0).starts()
    script.decides(
        *(
            decision("StartTimer", timerId=f"t{number}", startToFireTimeout=str(seconds))
            for number, seconds in enumerate(timers)
        )
    )

    order = [(deadline.at, deadline.event_id) for deadline in deadlines(script.state)]

    assert order == sorted(order)

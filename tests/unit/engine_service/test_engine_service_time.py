"""Deadlines in the service: when it wants to be woken, what fires, also after it was down."""

from __future__ import annotations

import time

import pytest

from flowyd.engine.agenda import HORIZON_S
from flowyd.engine.clock import SystemClock
from flowyd.swf.faults import UnknownResourceFault
from tests.unit.engine_service.engine_service_scene import DOMAIN, Scene, decision, schedule, timer


def test_the_service_asks_to_be_woken_for_the_next_deadline(scene: Scene) -> None:
    scene.start()
    scene.decide(timer("t", 3))
    scene.service.checkpoint()

    at = scene.service.next_wake_at()

    assert at == scene.clock.now() + 3


def test_a_timer_of_zero_seconds_fires_in_the_next_turn(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(timer("t", 0))
    assert scene.service.next_wake_at() == scene.clock.now()

    scene.turn()

    assert scene.types(execution)[-2:] == ["TimerFired", "DecisionTaskScheduled"]


def test_a_canceled_timer_does_not_fire(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(timer("t", 3), decision("CancelTimer", timerId="t"))

    scene.pass_time(10)

    assert "TimerFired" not in scene.types(execution)


def test_a_timer_fires_while_a_decision_task_is_started(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(timer("t", 3))
    scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")
    task = scene.poll()

    scene.pass_time(4)
    scene.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"])

    assert scene.types(execution)[-3:] == ["TimerFired", "DecisionTaskScheduled", "DecisionTaskCompleted"]


def test_deadlines_that_passed_while_the_engine_was_down_fire_at_the_start_in_order(scene: Scene) -> None:
    one, other = scene.start("one"), scene.start("other")
    scene.decide(timer("b", 20), timer("a", 10))
    scene.decide(timer("c", 15))
    scene.service.close()
    scene.clock.advance(60)

    scene.open_again()
    scene.turn()

    fired = [scene.last(one, "TimerFired")["timerId"], scene.last(other, "TimerFired")["timerId"]]
    assert fired == ["b", "c"]
    assert scene.types(one)[-3:] == ["TimerFired", "DecisionTaskScheduled", "TimerFired"]


def test_deadlines_beyond_the_horizon_fire_in_time(scene: Scene) -> None:
    execution = scene.start(executionStartToCloseTimeout=str(int(HORIZON_S) * 5))
    scene.decide(timer("t", int(HORIZON_S * 2.5)))
    scene.reopen()

    scene.pass_time(HORIZON_S * 2.5 - 1)
    assert "TimerFired" not in scene.types(execution)
    scene.pass_time(1.01)
    assert "TimerFired" in scene.types(execution)
    scene.pass_time(HORIZON_S * 3)

    assert scene.types(execution)[-1] == "WorkflowExecutionTimedOut"


def test_a_deadline_that_went_away_costs_no_commit(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(timer("t", 3), decision("CancelTimer", timerId="t"))
    before = scene.history(execution)

    scene.pass_time(5)

    assert scene.history(execution) == before


def test_a_late_answer_to_a_timed_out_activity_is_refused(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a", startToCloseTimeout="5"))
    task = scene.poll("Activity")
    scene.pass_time(5.1)
    assert scene.last(execution, "ActivityTaskTimedOut")["timeoutType"] == "START_TO_CLOSE"

    with pytest.raises(UnknownResourceFault, match="Unknown activity, scheduledEventId = 5"):
        scene.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])


def test_an_activity_that_nobody_takes_times_out_and_is_no_longer_offered(scene: Scene) -> None:
    scene.start()
    scene.decide(schedule("a", scheduleToStartTimeout="5"))

    scene.pass_time(5.1)

    assert not scene.has_task("Activity")
    assert scene.has_task()


def test_a_thousand_timers_of_one_execution_fire_in_their_order(scene: Scene) -> None:
    execution = scene.start(taskStartToCloseTimeout="NONE")
    scene.decide(*(timer(f"t{number}", 1 + number % 3) for number in range(1_000)))

    scene.pass_time(4)

    fired = [
        event["timerFiredEventAttributes"]["timerId"]
        for event in scene.history(execution)
        if event["eventType"] == "TimerFired"
    ]
    assert fired == [f"t{number}" for first in range(3) for number in range(first, 1_000, 3)]


@pytest.mark.parametrize("step_s", [-86_400.0, 86_400.0])
def test_a_step_of_the_wall_clock_does_not_move_the_engines_time(
    monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    clock = SystemClock()
    before, wall = clock.now(), time.time()

    monkeypatch.setattr(time, "time", lambda: wall + step_s)

    assert before <= clock.now() < before + 60

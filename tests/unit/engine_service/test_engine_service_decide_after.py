"""What a decider says of completions to come, at the service: as long as whoever said it is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowyd.swf.faults import SerializationException
from tests.unit.engine_service.engine_service_scene import DOMAIN, Scene, schedule

OWN = {"taskList": {"name": "own"}, "taskListScheduleToStartTimeout": "5"}
PAIR = {"flowydDecideAfter": {"together": [["a", "b"]], "queued": 0}}
#: The same of a decider that wants to be asked for.
NAMED = {"flowydDecideAfter": {**PAIR["flowydDecideAfter"], "identity": "me"}}


def decided(scene: Scene, **request: Any) -> None:
    """An execution whose decider has scheduled two activities, and waits for both."""
    scene.start()
    scene.decide(schedule("a"), schedule("b"), **request)


def test_completions_that_are_waited_for_together_make_one_decision_task(scene: Scene) -> None:
    decided(scene, **PAIR)

    scene.work()
    assert not scene.has_task()

    scene.work()
    task = scene.poll()
    completed = [event for event in task["events"] if event["eventType"] == "ActivityTaskCompleted"]
    assert len(completed) == 2


def test_who_polls_a_list_of_its_own_is_taken_at_its_word(scene: Scene) -> None:
    decided(scene, **NAMED, **OWN)
    scene.begin_poll(task_list="own", identity="me")
    scene.pass_time(30)

    scene.work()

    assert not scene.has_task(task_list="own")


def test_who_is_busy_with_another_task_is_taken_at_its_word_for_as_long_as_a_task_may_wait_for_it(
    scene: Scene,
) -> None:
    decided(scene, **NAMED, **OWN)
    poll = scene.begin_poll(task_list="own", identity="me")
    assert scene.service.withdraw(poll)
    scene.pass_time(4.5)

    scene.work()

    assert not scene.has_task(task_list="own")


def test_of_who_has_not_polled_for_longer_a_successor_hears_of_every_completion(scene: Scene) -> None:
    decided(scene, **NAMED, **OWN)
    poll = scene.begin_poll(task_list="own", identity="me")
    assert scene.service.withdraw(poll)
    scene.pass_time(5.5)

    scene.work()

    assert scene.has_task(task_list="own")


def test_of_who_has_a_successor_that_polls_the_same_list_every_completion_is_told(scene: Scene) -> None:
    decided(scene, **NAMED, **OWN)
    poll = scene.begin_poll(task_list="own", identity="me")
    assert scene.service.withdraw(poll)
    scene.pass_time(5.5)
    successor = scene.begin_poll(task_list="own", identity="successor")

    scene.work()

    assert scene.answer(successor)["taskToken"]


def test_after_a_restart_of_the_engine_every_completion_makes_a_decision_task(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "engine.db")
    decided(scene, **PAIR)
    scene.reopen()

    scene.work()

    assert scene.has_task()
    scene.service.close()


@pytest.mark.parametrize(
    "said",
    ["a", {"together": ["a"]}, {"together": [["a"], "b"]}, {"queued": "1"}],
)
def test_what_is_no_such_thing_is_refused(said: object) -> None:
    with pytest.raises(SerializationException):
        Scene.make("RespondDecisionTaskCompleted", taskToken="t", flowydDecideAfter=said)


def test_history_does_not_show_it(scene: Scene) -> None:
    decided(scene, **PAIR)

    (info,) = scene.call("ListOpenWorkflowExecutions", domain=DOMAIN, startTimeFilter={"oldestDate": 0})[
        "executionInfos"
    ]
    history = scene.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=info["execution"])
    assert "flowydDecideAfter" not in str(history)

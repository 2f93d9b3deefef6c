"""Tasks whose answers were not read: a repeated poll gets its task, also from the next engine, nobody else.

An engine that dies between a commit and its answers is a service closed after the turn: what the turn
returned is thrown away.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from flowyd.engine.calls import Call
from flowyd.engine.hand_outs import PLACES
from tests.unit.engine_service.engine_service_scene import COMPLETE, DOMAIN, Scene, schedule

KINDS = pytest.mark.parametrize("kind", ["Decision", "Activity"])


def poll(scene: Scene, poll_id: str, kind: str = "Decision", task_list: str = "tl") -> Call:
    """A poll under an id, which may wait."""
    call = scene.make(f"PollFor{kind}Task", domain=DOMAIN, taskList={"name": task_list})
    call.poll_id = poll_id
    scene.turn(call)
    return call


def task_for(scene: Scene, kind: str) -> dict[str, str]:
    """An execution that has a task of the kind on offer."""
    execution = scene.start()
    if kind == "Activity":
        scene.decide(schedule("a", input="x"))
    return execution


def apart_from_token(task: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in task.items() if name != "taskToken"}


def rows(scene: Scene) -> int:
    scene.service.checkpoint()
    with sqlite3.connect(scene.database) as connection:
        count: int = connection.execute("SELECT count(*) FROM hand_out").fetchone()[0]
        return count


@KINDS
def test_the_next_engine_answers_a_repeated_poll_with_the_same_task(scene: Scene, kind: str) -> None:
    execution = task_for(scene, kind)
    unread = scene.answer(poll(scene, "p1", kind))

    scene.reopen()
    task = scene.answer(poll(scene, "p1", kind))

    assert apart_from_token(task) == apart_from_token(unread)
    scene.call(f"Respond{kind}TaskCompleted", taskToken=task["taskToken"])
    assert scene.types(execution).count(f"{kind}TaskStarted") == 1


@KINDS
def test_a_task_whose_poll_is_not_repeated_is_not_handed_out_twice(scene: Scene, kind: str) -> None:
    task_for(scene, kind)
    poll(scene, "p1", kind)

    scene.reopen()

    assert poll(scene, "p2", kind) not in scene.answers
    assert poll(scene, "", kind) not in scene.answers


def test_a_poll_without_an_id_is_not_repeated(scene: Scene) -> None:
    scene.start()
    poll(scene, "")

    scene.reopen()

    assert poll(scene, "") not in scene.answers
    assert rows(scene) == 0


@KINDS
def test_a_repeated_poll_does_not_get_a_task_that_has_closed(scene: Scene, kind: str) -> None:
    task_for(scene, kind)
    task = scene.answer(poll(scene, "p1", kind))
    scene.call(f"Respond{kind}TaskCompleted", taskToken=task["taskToken"])

    scene.reopen()

    repeated = poll(scene, "p1", kind)
    assert repeated not in scene.answers or scene.answer(repeated)["startedEventId"] > task["startedEventId"]


def test_a_repeated_poll_of_another_list_is_another_poll(scene: Scene) -> None:
    scene.start()
    poll(scene, "p1")

    scene.reopen()

    assert poll(scene, "p1", task_list="other") not in scene.answers
    assert poll(scene, "p1", kind="Activity") not in scene.answers


def test_the_same_engine_answers_a_repeated_poll_too(scene: Scene) -> None:
    scene.start()
    first = poll(scene, "p1")
    again = poll(scene, "p1")

    assert apart_from_token(scene.answer(again)) == apart_from_token(scene.answer(first))
    # The connection of the first one is found broken only now: its task is in the other's hands.
    scene.service.offer_again(first)
    assert poll(scene, "p2") not in scene.answers


@KINDS
@pytest.mark.parametrize("poll_id", ["p1", ""])
def test_a_task_offered_again_is_still_on_offer_at_the_next_engine(
    scene: Scene, kind: str, poll_id: str
) -> None:
    execution = task_for(scene, kind)
    lost = poll(scene, poll_id, kind)
    scene.service.offer_again(lost)
    scene.turn()

    scene.reopen()
    task = scene.answer(poll(scene, "p2", kind))

    assert apart_from_token(task) == apart_from_token(scene.answer(lost))
    scene.reopen()
    assert poll(scene, "p3", kind) not in scene.answers
    again = scene.answer(poll(scene, "p2", kind))
    scene.call(f"Respond{kind}TaskCompleted", taskToken=again["taskToken"])
    assert scene.types(execution).count(f"{kind}TaskStarted") == 1


def test_a_task_offered_again_is_not_kept_for_the_poll_that_lost_it(scene: Scene) -> None:
    scene.start()
    lost = poll(scene, "p1")
    scene.service.offer_again(lost)

    task = scene.answer(poll(scene, "p2"))

    assert poll(scene, "p1") not in scene.answers
    scene.reopen()
    assert poll(scene, "p1") not in scene.answers
    assert scene.answer(poll(scene, "p2"))["startedEventId"] == task["startedEventId"]


def test_a_task_offered_again_that_closed_is_not_on_offer_at_the_next_engine(scene: Scene) -> None:
    scene.start()
    lost = poll(scene, "p1")
    scene.service.offer_again(lost)
    scene.turn()
    scene.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="w")

    scene.reopen()

    assert poll(scene, "p2") not in scene.answers


def test_the_table_does_not_grow(scene: Scene) -> None:
    scene.start()
    lost = poll(scene, "lost")
    scene.service.offer_again(lost)
    for number in range(PLACES + 10):
        scene.start(f"w{number}")
        task = scene.answer(poll(scene, f"p{number}"))
        if number == 0:
            # What was offered again came first.
            assert task["workflowExecution"]["workflowId"] == "w"
        scene.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[COMPLETE])

    assert rows(scene) == PLACES


def test_what_is_offered_again_outlives_many_hand_outs_of_other_lists(scene: Scene) -> None:
    scene.start("waits", taskList={"name": "slow"})
    lost = poll(scene, "lost", task_list="slow")
    scene.service.offer_again(lost)
    for number in range(PLACES + 10):
        scene.start(f"w{number}")
        task = scene.answer(poll(scene, f"p{number}"))
        scene.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[COMPLETE])

    scene.reopen()

    assert scene.answer(poll(scene, "found", task_list="slow"))["startedEventId"] == 3

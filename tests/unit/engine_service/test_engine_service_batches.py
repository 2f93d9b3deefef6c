"""Polls that take several decision tasks: only what waits, others first, the same again, nothing lost."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from flowyd.engine.calls import MOST_TASKS, Call
from flowyd.swf.faults import UnknownResourceFault
from tests.unit.engine_service.engine_service_scene import COMPLETE, DOMAIN, Scene


def poll(scene: Scene, poll_id: str, most_tasks: int, *, kind: str = "Decision") -> Call:
    """A poll, not sent yet."""
    call = scene.make(f"PollFor{kind}Task", domain=DOMAIN, taskList={"name": "tl"})
    call.poll_id = poll_id
    call.trust(most_tasks)
    return call


def begin(scene: Scene, poll_id: str, most_tasks: int) -> Call:
    call = poll(scene, poll_id, most_tasks)
    scene.turn(call)
    return call


def ids(scene: Scene, call: Call) -> list[str]:
    """The workflows whose tasks answered the poll."""
    return [task["workflowExecution"]["workflowId"] for task in tasks(scene, call)]


def tasks(scene: Scene, call: Call) -> list[dict[str, Any]]:
    answer = scene.answer(call)
    found: list[dict[str, Any]] = answer.get("tasks", [answer])
    return found


def backlog(scene: Scene, count: int) -> list[str]:
    names = [f"w{number}" for number in range(count)]
    for name in names:
        scene.start(name)
    return names


def test_a_poll_takes_what_waits_and_no_more_than_it_asks_for(scene: Scene) -> None:
    names = backlog(scene, 5)

    assert ids(scene, begin(scene, "p1", 3)) == names[:3]
    assert ids(scene, begin(scene, "p2", 3)) == names[3:]


def test_a_poll_that_waits_is_answered_with_the_first_task(scene: Scene) -> None:
    waiting = begin(scene, "p1", 3)
    scene.start()

    assert "tasks" not in scene.answer(waiting)


@pytest.mark.parametrize(
    ("poll_id", "kind"), [("", "Decision"), ("p1", "Activity")], ids=["without an id", "for activities"]
)
def test_no_other_poll_takes_several(scene: Scene, poll_id: str, kind: str) -> None:
    assert poll(scene, poll_id, 3, kind=kind).most_tasks == 1


def test_nobody_takes_more_than_the_engine_gives(scene: Scene) -> None:
    backlog(scene, MOST_TASKS + 1)

    assert len(tasks(scene, begin(scene, "p1", 999))) == MOST_TASKS


def test_every_poll_at_the_list_has_a_task_before_one_has_two(scene: Scene) -> None:
    names = backlog(scene, 4)
    greedy, plain, other = poll(scene, "p1", 8), poll(scene, "", 1), poll(scene, "p2", 8)

    scene.turn(greedy, plain, other)

    assert ids(scene, plain) == [names[1]]
    assert (ids(scene, greedy), ids(scene, other)) == ([names[0], names[3]], [names[2]])


def test_the_next_engine_answers_a_repeated_poll_with_the_same_tasks(scene: Scene) -> None:
    names = backlog(scene, 3)
    started = [task["startedEventId"] for task in tasks(scene, begin(scene, "p1", 3))]

    scene.reopen()
    again = begin(scene, "p1", 3)

    assert ids(scene, again) == names
    assert [task["startedEventId"] for task in tasks(scene, again)] == started
    for task in tasks(scene, again):
        scene.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[COMPLETE])


def test_a_repeated_poll_does_not_get_what_has_closed_meanwhile(scene: Scene) -> None:
    backlog(scene, 3)
    begin(scene, "p1", 3)
    scene.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="w1")

    assert ids(scene, begin(scene, "p1", 3)) == ["w0", "w2"]


def test_what_a_repeated_poll_does_not_take_any_more_goes_to_others(scene: Scene) -> None:
    names = backlog(scene, 3)
    begin(scene, "p1", 3)

    assert ids(scene, begin(scene, "p1", 1)) == names[:1]
    assert ids(scene, begin(scene, "p1", 1)) == names[:1]
    scene.reopen()
    assert sorted(ids(scene, begin(scene, "p2", 3))) == names[1:]


@pytest.mark.parametrize("reopened", [False, True])
def test_an_answer_that_was_not_read_puts_all_its_tasks_on_offer_as_they_are(
    scene: Scene, reopened: bool
) -> None:
    names = backlog(scene, 3)
    unread = begin(scene, "p1", 3)
    started = [task["startedEventId"] for task in tasks(scene, unread)]

    scene.service.offer_again(unread)
    scene.turn()
    if reopened:
        scene.reopen()
    taken = tasks(scene, begin(scene, "p2", 3))

    assert [task["startedEventId"] for task in taken] == started
    assert sorted(task["workflowExecution"]["workflowId"] for task in taken) == names
    assert begin(scene, "p1", 3) not in scene.answers


def test_a_fault_of_one_answer_does_not_touch_the_others(scene: Scene) -> None:
    backlog(scene, 3)
    taken = tasks(scene, begin(scene, "p1", 3))
    scene.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="w1")
    answers = [
        scene.make("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[COMPLETE])
        for task in taken
    ]

    scene.turn(*answers)

    assert [isinstance(scene.answers[each], UnknownResourceFault) for each in answers] == [False, True, False]


def test_tasks_of_a_turn_that_failed_are_handed_out_by_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = backlog(scene, 3)
    call = poll(scene, "p1", 3)
    with monkeypatch.context() as patch:

        def fail(*_: Any, **__: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patch.setattr(scene.service._store, "commit", fail)
        scene.turn(call)
    scene.pass_time(2)

    assert ids(scene, begin(scene, "p2", 3)) == names

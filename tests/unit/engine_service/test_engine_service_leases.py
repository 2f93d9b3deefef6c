"""Several activity tasks in one answer: who gets them, and what of them is offered again, and to whom."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from flowyd.engine import hand_outs
from flowyd.engine.calls import MOST_TASKS, Call
from flowyd.engine.hand_outs import PLACES
from flowyd.swf.faults import InternalFailure, UnknownResourceFault
from tests.unit.engine_service.engine_service_scene import DOMAIN, TYPE, Answer, Scene, schedule
from tests.unit.engine_service.no_space import no_file_grows


def poll_of(poll_id: str, most_tasks: int, *, shares_clock: bool = True) -> Call:
    """A poll, not sent yet."""
    call = Scene.make("PollForActivityTask", domain=DOMAIN, taskList={"name": "tl"})
    call.poll_id = poll_id
    call.trust(most_tasks, shares_clock=shares_clock)
    return call


def begin(scene: Scene, poll_id: str, most_tasks: int = 8) -> Call:
    call = poll_of(poll_id, most_tasks)
    scene.turn(call)
    return call


def tasks(scene: Scene, call: Call) -> list[Answer]:
    answer = scene.answer(call)
    found: list[Answer] = answer.get("tasks", [answer])
    return found


def ids(scene: Scene, call: Call) -> list[str]:
    """The activities whose tasks answered the poll; none if it waits."""
    return [task["activityId"] for task in tasks(scene, call)] if call in scene.answers else []


def taken(scene: Scene, poll_id: str) -> list[str]:
    """The activities that a new poll gets, which does not wait."""
    call = begin(scene, poll_id)
    scene.service.withdraw(call)
    return ids(scene, call)


def backlog(scene: Scene, names: str = "abc") -> dict[str, str]:
    execution = scene.start()
    scene.decide(*(schedule(name) for name in names))
    return execution


def of_not_begun(task: Answer, poll_id: str) -> Call:
    """The call that gives a task back."""
    call = Scene.make("RespondActivityTaskFailed", taskToken=task["taskToken"], reason="not begun")
    call.not_begun = poll_id
    return call


def give_back(scene: Scene, task: Answer, poll_id: str) -> Answer:
    call = of_not_begun(task, poll_id)
    scene.turn(call)
    return scene.answer(call)


def complete(scene: Scene, task: Answer) -> None:
    scene.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])


def failing_turn(scene: Scene, *calls: Call) -> None:
    """A turn that a full disk takes back, and the pause after it."""
    with no_file_grows():
        scene.turn(
            *calls, scene.make("StartWorkflowExecution", domain=DOMAIN, workflowId="x", workflowType=TYPE)
        )
    scene.pass_time(2)


def no_task_starts_twice(scene: Scene, execution: dict[str, str]) -> bool:
    started = [
        event["activityTaskStartedEventAttributes"]["scheduledEventId"]
        for event in scene.history(execution)
        if event["eventType"] == "ActivityTaskStarted"
    ]
    return len(started) == len(set(started))


# Who gets several


def test_a_poll_takes_what_waits_and_no_more_than_it_asks_for(scene: Scene) -> None:
    backlog(scene, "abcde")

    assert ids(scene, begin(scene, "p1", 3)) == ["a", "b", "c"]
    assert ids(scene, begin(scene, "p2", 3)) == ["d", "e"]


@pytest.mark.parametrize(("poll_id", "shares_clock"), [("", True), ("p1", False)])
def test_nobody_takes_several_without_an_id_or_another_clock(
    scene: Scene, poll_id: str, shares_clock: bool
) -> None:
    backlog(scene)
    poll = poll_of(poll_id, 3, shares_clock=shares_clock)

    scene.turn(poll)

    assert ids(scene, poll) == ["a"]


def test_nobody_takes_more_than_the_engine_gives(scene: Scene) -> None:
    scene.start()
    scene.decide(*(schedule(f"a{number}") for number in range(MOST_TASKS + 1)))

    assert len(tasks(scene, begin(scene, "p1", 999))) == MOST_TASKS


def test_activity_tasks_are_never_early() -> None:
    assert not poll_of("p1", 3).takes_early


def test_every_poll_at_the_list_has_a_task_before_one_has_two(scene: Scene) -> None:
    backlog(scene, "abcd")
    greedy, plain, other = poll_of("p1", 8), poll_of("", 1), poll_of("p2", 8)

    scene.turn(greedy, plain, other)

    assert ids(scene, plain) == ["b"]
    assert (ids(scene, greedy), ids(scene, other)) == (["a", "d"], ["c"])


# The lease is over


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_when_the_lease_is_over_all_but_the_first_open_task_are_offered_again(
    scene: Scene, answered: int
) -> None:
    execution = backlog(scene, "abcd")
    leased = begin(scene, "p1")
    mine = tasks(scene, leased)
    for task in mine[:answered]:
        complete(scene, task)

    scene.service.offer_rest(leased)
    others = begin(scene, "p2")

    assert tasks_apart_from_token(tasks(scene, others)) == tasks_apart_from_token(mine[answered + 1 :])
    for task in [mine[answered], *tasks(scene, others)]:
        complete(scene, task)
    assert no_task_starts_twice(scene, execution)


def tasks_apart_from_token(found: list[Answer]) -> list[Answer]:
    return [{name: value for name, value in task.items() if name != "taskToken"} for task in found]


def test_who_waits_at_the_list_gets_them_at_once(scene: Scene) -> None:
    backlog(scene)
    leased = begin(scene, "p1")
    waiting, other = begin(scene, "p2"), begin(scene, "p3")

    scene.service.offer_rest(leased)
    scene.turn()

    assert (ids(scene, waiting), ids(scene, other)) == (["b"], ["c"])


def test_what_has_closed_is_not_offered_again(scene: Scene) -> None:
    execution = backlog(scene, "abcd")
    leased = begin(scene, "p1")
    complete(scene, tasks(scene, leased)[2])

    scene.service.offer_rest(leased)

    assert taken(scene, "p2") == ["b", "d"]
    scene.call("TerminateWorkflowExecution", domain=DOMAIN, **execution)
    scene.service.offer_rest(leased)
    assert taken(scene, "p3") == []


def test_of_one_task_or_an_answer_that_is_not_known_nothing_is_offered(scene: Scene) -> None:
    backlog(scene, "a")
    leased = begin(scene, "p1")

    scene.service.offer_rest(leased)
    scene.service.offer_rest(poll_of("p1", 8))

    assert taken(scene, "p2") == []


def test_a_lease_that_is_over_twice_offers_nothing_that_others_have(scene: Scene) -> None:
    backlog(scene)
    leased = begin(scene, "p1")
    scene.service.offer_rest(leased)
    assert taken(scene, "p2") == ["b", "c"]

    scene.service.offer_rest(leased)

    assert taken(scene, "p3") == []


@pytest.mark.parametrize("reopened", [False, True])
def test_a_poll_that_is_repeated_after_its_lease_gets_the_first_task_only(
    scene: Scene, reopened: bool
) -> None:
    backlog(scene)
    leased = begin(scene, "p1")
    scene.service.offer_rest(leased)
    scene.turn()
    if reopened:
        scene.reopen()

    assert ids(scene, begin(scene, "p1")) == ["a"]
    assert taken(scene, "p2") == ["b", "c"]


def test_an_answer_found_unread_after_its_lease_offers_the_first_task_too(scene: Scene) -> None:
    backlog(scene)
    leased = begin(scene, "p1")
    scene.service.offer_rest(leased)
    assert taken(scene, "p2") == ["b", "c"]

    scene.service.offer_again(leased)

    assert taken(scene, "p3") == ["a"]


@pytest.mark.parametrize("reopened", [False, True])
def test_a_turn_that_fails_right_after_the_lease_does_not_take_the_rest_back(
    scene: Scene, reopened: bool
) -> None:
    execution = backlog(scene)
    leased = begin(scene, "p1")
    scene.service.checkpoint()

    scene.service.offer_rest(leased)
    failing_turn(scene)
    if reopened:
        # What is on offer comes to be known to the next engine with the next hand-out at the latest.
        assert ids(scene, begin(scene, "p2", 1)) == ["b"]
        scene.reopen()
        assert give_back(scene, tasks(scene, leased)[2], "p1") == {}

    assert sorted(taken(scene, "p3")) == (["c"] if reopened else ["b", "c"])
    assert no_task_starts_twice(scene, execution)


def test_a_lease_that_ends_after_a_turn_that_failed_offers_the_rest_to_one(scene: Scene) -> None:
    backlog(scene)
    leased = begin(scene, "p1")
    mine = tasks(scene, leased)
    failing_turn(scene)

    scene.service.offer_rest(leased)
    assert taken(scene, "p2") == ["b", "c"]

    for task in mine[1:]:
        assert give_back(scene, task, "p1") == {}
    scene.service.offer_rest(leased)
    assert taken(scene, "p1") == ["a"]
    assert taken(scene, "p3") == []


# Given back


@pytest.mark.parametrize("reopened", [False, True])
def test_a_task_given_back_is_had_by_the_next_poll(scene: Scene, reopened: bool) -> None:
    execution = backlog(scene)
    mine = tasks(scene, begin(scene, "p1"))
    if reopened:
        scene.reopen()

    assert give_back(scene, mine[1], "p1") == {}

    others = begin(scene, "p2")
    assert tasks_apart_from_token(tasks(scene, others)) == tasks_apart_from_token(mine[1:2])
    complete(scene, tasks(scene, others)[0])
    assert "ActivityTaskFailed" not in scene.types(execution)
    assert no_task_starts_twice(scene, execution)


def test_who_waits_at_the_list_gets_it_in_the_same_turn(scene: Scene) -> None:
    backlog(scene)
    mine = tasks(scene, begin(scene, "p1"))
    waiting = begin(scene, "p2")

    give_back(scene, mine[2], "p1")

    assert ids(scene, waiting) == ["c"]


@pytest.mark.parametrize("reopened", [False, True])
def test_the_only_task_of_a_poll_may_be_given_back_and_the_poll_repeated(
    scene: Scene, reopened: bool
) -> None:
    backlog(scene, "ab")
    for task in tasks(scene, begin(scene, "p1")):
        give_back(scene, task, "p1")
    if reopened:
        scene.reopen()

    assert sorted(ids(scene, begin(scene, "p1"))) == ["a", "b"]


def test_to_give_back_twice_offers_it_once(scene: Scene) -> None:
    backlog(scene)
    mine = tasks(scene, begin(scene, "p1"))

    scene.turn(of_not_begun(mine[2], "p1"), of_not_begun(mine[2], "p1"))
    give_back(scene, mine[2], "p1")

    assert taken(scene, "p2") == ["c"]
    assert taken(scene, "p3") == []


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("new_poll_id", ["p2", ""])
@pytest.mark.parametrize("how", ["given back", "lease over"])
def test_a_task_that_another_poll_has_got_stays_with_it(
    scene: Scene, how: str, new_poll_id: str, reopened: bool
) -> None:
    execution = backlog(scene)
    leased = begin(scene, "p1")
    mine = tasks(scene, leased)
    if how == "given back":
        give_back(scene, mine[2], "p1")
        give_back(scene, mine[1], "p1")
    else:
        scene.service.offer_rest(leased)
    others = [each for number in range(2) for each in taken(scene, new_poll_id and f"{new_poll_id}-{number}")]
    assert sorted(others) == ["b", "c"]
    if reopened:
        scene.reopen()

    assert give_back(scene, mine[1], "p1") == {}
    assert give_back(scene, mine[2], "p1") == {}

    assert taken(scene, "p3") == []
    assert "ActivityTaskFailed" not in scene.types(execution)


def test_the_poll_that_has_got_it_may_give_it_back_too(scene: Scene) -> None:
    backlog(scene)
    mine = tasks(scene, begin(scene, "p1"))
    give_back(scene, mine[2], "p1")
    (task,) = tasks(scene, begin(scene, "p2"))

    assert give_back(scene, task, "p2") == {}

    assert taken(scene, "p3") == ["c"]


def test_a_task_that_has_closed_is_not_given_back(scene: Scene) -> None:
    execution = backlog(scene)
    mine = tasks(scene, begin(scene, "p1"))
    complete(scene, mine[1])

    give_back(scene, mine[1], "p1")

    assert taken(scene, "p2") == []
    scene.call("TerminateWorkflowExecution", domain=DOMAIN, **execution)
    give_back(scene, mine[2], "p1")
    assert taken(scene, "p3") == []


def test_a_give_back_that_is_acknowledged_after_a_failed_turn_is_known_to_the_next_engine(
    scene: Scene,
) -> None:
    backlog(scene)
    mine = tasks(scene, begin(scene, "p1"))
    scene.service.checkpoint()
    failing_turn(scene, of_not_begun(mine[2], "p1"))
    give_back(scene, mine[2], "p1")

    scene.service.checkpoint()
    with sqlite3.connect(scene.database) as connection:
        assert connection.execute("SELECT count(*) FROM hand_out").fetchone()[0] == len(mine)
    scene.reopen()

    assert taken(scene, "p2") == ["c"]


@pytest.mark.parametrize("is_full", [False, True])
def test_a_give_back_of_a_failed_turn_may_be_sent_again(scene: Scene, is_full: bool) -> None:
    backlog(scene)
    mine = tasks(scene, begin(scene, "p1"))
    scene.service.checkpoint()
    given = of_not_begun(mine[2], "p1")
    if is_full:
        failing_turn(scene, given)
        assert isinstance(scene.answers[given], InternalFailure)
    else:
        failing_turn(scene)

    assert give_back(scene, mine[2], "p1") == {}
    assert taken(scene, "p2") == ["c"]
    assert give_back(scene, mine[2], "p1") == {}
    assert taken(scene, "p3") == []
    scene.reopen()
    assert give_back(scene, mine[2], "p1") == {}
    assert taken(scene, "p4") == []


def go_round(scene: Scene, polls: int, *, prefix: str) -> None:
    """So many hand-outs to others; the caller has nothing that they could get."""
    for number in range(polls):
        scene.start(f"{prefix}{number}", taskList={"name": "others"})
        call = scene.make("PollForDecisionTask", domain=DOMAIN, taskList={"name": "others"})
        call.poll_id = f"{prefix}{number}"
        scene.turn(call)
        scene.answer(call)


def test_a_task_may_be_given_back_after_the_ring_of_hand_outs_has_gone_round(scene: Scene) -> None:
    backlog(scene)
    mine = tasks(scene, begin(scene, "p1"))
    go_round(scene, PLACES + 1, prefix="w")

    assert give_back(scene, mine[1], "p1") == {}

    assert taken(scene, "p2") == ["b"]


def test_one_that_nothing_is_known_of_any_more_fails_with_its_reason(scene: Scene) -> None:
    execution = backlog(scene)
    mine = tasks(scene, begin(scene, "p1"))
    go_round(scene, PLACES + 1, prefix="w")
    scene.reopen()

    assert give_back(scene, mine[1], "p1") == {}

    assert scene.last(execution, "ActivityTaskFailed")["reason"] == "not begun"
    assert taken(scene, "p2") == []
    with pytest.raises(UnknownResourceFault):
        give_back(scene, mine[1], "p1")


@pytest.mark.parametrize("new_poll_id", ["p2", ""])
def test_what_another_poll_has_got_is_known_for_long(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, new_poll_id: str
) -> None:
    monkeypatch.setattr(hand_outs, "_REMEMBERED", 8)
    execution = backlog(scene)
    leased = begin(scene, "p1")
    scene.service.offer_rest(leased)
    others = begin(scene, new_poll_id)
    go_round(scene, PLACES + 1, prefix="w")

    assert give_back(scene, tasks(scene, leased)[1], "p1") == {}

    assert taken(scene, "p3") == ([] if new_poll_id else ["c"])
    complete(scene, tasks(scene, others)[0])
    assert "ActivityTaskFailed" not in scene.types(execution)


def test_a_task_that_came_by_no_such_poll_stays_where_it_is(scene: Scene) -> None:
    execution = backlog(scene)
    mine = tasks(scene, begin(scene, "p1"))

    assert give_back(scene, mine[1], "p7") == {}

    assert taken(scene, "p2") == []
    complete(scene, mine[1])
    assert "ActivityTaskFailed" not in scene.types(execution)


def test_a_wrong_token_is_refused(scene: Scene) -> None:
    backlog(scene)
    begin(scene, "p1")
    decision: dict[str, Any] = {"taskToken": "nonsense"}

    with pytest.raises(Exception, match="Invalid token"):
        give_back(scene, decision, "p1")


# Turns that are held


def wait(scene: Scene) -> None:
    scene.note(scene.service.durable(wait=True))


def begin_and_wait(scene: Scene, call: Call) -> Answer:
    scene.turn(call)
    wait(scene)
    return scene.answer(call)


@pytest.mark.usefixtures("slow_disk")
@pytest.mark.parametrize("how", ["given back", "lease over"])
def test_what_lost_turns_had_handed_out_again_is_handed_out_by_the_next(busy: Scene, how: str) -> None:
    poll = busy.make("PollForDecisionTask", domain=DOMAIN, taskList={"name": "tl"})
    token = begin_and_wait(busy, poll)["taskToken"]
    decisions = [schedule(name) for name in "abc"]
    begin_and_wait(busy, busy.make("RespondDecisionTaskCompleted", taskToken=token, decisions=decisions))
    leased, other = poll_of("p1", 8), poll_of("p2", 8)
    begin_and_wait(busy, leased)
    mine = tasks(busy, leased)
    if how == "given back":
        for task in mine[1:]:
            begin_and_wait(busy, of_not_begun(task, "p1"))

    with no_file_grows():
        if how == "lease over":
            busy.service.offer_rest(leased)
        busy.turn(other)
        assert other not in busy.answers
        wait(busy)
    busy.pass_time(2)
    again = poll_of("p2", 8)
    begin_and_wait(busy, again)

    assert sorted(ids(busy, again)) == ["b", "c"]
    for task in mine[1:]:
        begin_and_wait(busy, of_not_begun(task, "p1"))
    last = poll_of("p3", 8)
    busy.turn(last)
    wait(busy)
    assert ids(busy, last) == []

"""Decision tasks that are handed out before they are durable: to whom, and what becomes of lost ones."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree

import pytest

from flowyd.engine.calls import Call
from flowyd.engine.overlap import GATHERING_S
from flowyd.swf.faults import InternalFailure, UnknownResourceFault
from tests.conftest import Disk
from tests.unit.engine_service.engine_service_scene import COMPLETE, DOMAIN, TYPE, Scene, schedule
from tests.unit.engine_service.no_space import no_file_grows

pytestmark = pytest.mark.usefixtures("slow_disk")


@pytest.fixture
def lonely(busy: Scene) -> Scene:
    """A service to which calls come one at a time; what is written in the background takes the disk long."""
    busy.service.more_waits = lambda: False
    return busy


def poll(scene: Scene, poll_id: str = "p", *, is_of_ours: bool = True, kind: str = "Decision") -> Call:
    call = scene.make(f"PollFor{kind}Task", domain=DOMAIN, taskList={"name": "tl"})
    call.poll_id = poll_id
    if is_of_ours:
        call.trust(1)
    return call


def start(scene: Scene, workflow_id: str) -> Call:
    return scene.make("StartWorkflowExecution", domain=DOMAIN, workflowId=workflow_id, workflowType=TYPE)


def make_durable(scene: Scene) -> None:
    scene.note(scene.service.durable(wait=True))


def decided(scene: Scene, task: Call, *decisions: dict[str, object]) -> Call:
    """The answer to the task that the poll got."""
    token = scene.answer(task)["taskToken"]
    return scene.make("RespondDecisionTaskCompleted", taskToken=token, decisions=list(decisions))


def completed(scene: Scene, task: Call, result: str = "", next_poll_id: str = "next") -> Call:
    """The answer to the activity task that the poll got, with the next poll."""
    token = scene.answer(task)["taskToken"]
    call = scene.make("RespondActivityTaskCompleted", taskToken=token, result=result)
    call.next_poll = poll(scene, next_poll_id, kind="Activity")
    return call


def working(scene: Scene, activities: str = "a") -> list[Call]:
    """The first execution has these activities in hand, whose polls these are, and everything is durable."""
    task = poll(scene, "first")
    scene.turn(task)
    scene.turn(decided(scene, task, *(schedule(name) for name in activities)))
    polls = [poll(scene, f"work {name}", kind="Activity") for name in activities]
    for each in polls:
        scene.turn(each)
    make_durable(scene)
    return polls


@contextmanager
def as_after_a_kill(scene: Scene, folder: Path) -> Iterator[Scene]:
    """The next engine over what is on disk now."""
    after = folder / "after"
    copytree(scene.database.parent, after, ignore=lambda *_: ["after", f"{scene.database.name}.lock"])
    copy = Scene.over(after / scene.database.name, scene)
    try:
        yield copy
    finally:
        copy.service.close()


def test_a_decider_of_ours_has_its_task_before_the_start_is_durable_and_the_caller_waits(
    lonely: Scene,
) -> None:
    working(lonely)
    waiting, begin = poll(lonely), start(lonely, "w")
    lonely.turn(waiting)

    lonely.turn(begin)

    assert lonely.answer(waiting)["workflowExecution"]["workflowId"] == "w"
    assert begin not in lonely.answers
    make_durable(lonely)
    assert lonely.answer(begin)["runId"] == lonely.answer(waiting)["workflowExecution"]["runId"]


@pytest.mark.parametrize("kind", ["Decision", "Activity"])
def test_others_and_activities_get_their_tasks_when_they_are_durable(busy: Scene, kind: str) -> None:
    working(busy)
    waiting = poll(busy, is_of_ours=kind == "Activity", kind=kind)
    busy.turn(waiting)
    if kind == "Decision":
        busy.turn(start(busy, "w"))
    else:
        task = poll(busy, "another")
        busy.turn(task, start(busy, "w"))
        busy.turn(decided(busy, task, schedule("a")))
    assert waiting not in busy.answers

    make_durable(busy)

    assert busy.answer(waiting)["workflowExecution"]["workflowId"] == "w"


def test_a_poll_that_came_with_an_answer_waits_until_that_is_durable(busy: Scene) -> None:
    [work] = working(busy)
    task = poll(busy)
    busy.turn(task)
    busy.turn(completed(busy, work))
    answer = decided(busy, task, schedule("b"))
    answer.next_poll = poll(busy, "q")

    busy.turn(answer)
    busy.turn(start(busy, "w"))

    assert answer.next_poll not in busy.answers
    make_durable(busy)
    assert busy.answer(answer.next_poll)["workflowExecution"]["workflowId"] == "w"


def test_a_step_of_a_chain_is_one_write(lonely: Scene, tmp_path: Path) -> None:
    [work] = working(lonely)
    task = poll(lonely)
    lonely.turn(task)
    done = completed(lonely, work)

    lonely.turn(done)
    assert done not in lonely.answers
    with as_after_a_kill(lonely, tmp_path) as after:
        assert "ActivityTaskCompleted" not in after.types(after.open_run("first"))
    answer = decided(lonely, task, schedule("b"))
    lonely.turn(answer)

    assert lonely.answer(done) == lonely.answer(answer) == {}
    assert done.next_poll is not None
    assert lonely.answer(done.next_poll)["activityId"] == "b"


def test_what_is_to_be_written_with_the_next_turn_is_written_soon_if_none_comes(
    lonely: Scene, slow_disk: Disk
) -> None:
    [work] = working(lonely)
    task = poll(lonely)
    lonely.turn(task)
    done = completed(lonely, work)
    lonely.turn(done)
    wake_at = lonely.service.next_wake_at()
    assert wake_at is not None
    assert wake_at <= lonely.clock.now() + GATHERING_S

    slow_disk.is_slow = False
    lonely.pass_time(GATHERING_S)

    written = lonely.service.fileno()
    assert select.select([written], [], [], 10) == ([written], [], [])
    lonely.note(lonely.service.durable())
    assert lonely.answer(done) == {}


def test_a_read_does_not_wait_for_turns_that_are_to_be_written_with_the_next(lonely: Scene) -> None:
    [work] = working(lonely)
    lonely.turn(completed(lonely, work))

    read = lonely.make("DescribeWorkflowExecution", domain=DOMAIN, execution=lonely.open_run("first"))
    lonely.turn(read)

    assert lonely.answer(read)["openCounts"]["openActivityTasks"] == 0


def test_a_refused_answer_does_not_wait_for_turns_that_are_to_be_written_with_the_next(lonely: Scene) -> None:
    [work] = working(lonely)
    lonely.turn(completed(lonely, work))
    again = completed(lonely, work)
    lonely.turn(again)

    assert isinstance(lonely.answers[again], UnknownResourceFault)


# The turn is lost


def test_a_decision_on_a_lost_history_is_refused_though_another_has_come_as_far(lonely: Scene) -> None:
    one, other = working(lonely, "ab")
    task = poll(lonely)
    lonely.turn(task)
    lost = completed(lonely, one)
    with no_file_grows():
        lonely.turn(lost)
        early = lonely.answer(task)
        make_durable(lonely)
    assert isinstance(lonely.answers[lost], InternalFailure)
    lonely.pass_time(2)

    again = poll(lonely, "q")
    lonely.turn(again)
    lonely.turn(completed(lonely, other, next_poll_id="n"))
    stale = decided(lonely, task, COMPLETE)
    lonely.turn(stale)
    make_durable(lonely)

    now = lonely.answer(again)
    assert early["startedEventId"] == now["startedEventId"]
    assert [event["eventType"] for event in early["events"]] == [
        event["eventType"] for event in now["events"]
    ]
    assert isinstance(lonely.answers[stale], UnknownResourceFault)
    good = decided(lonely, again, COMPLETE)
    lonely.turn(good)
    make_durable(lonely)
    assert lonely.answer(good) == {}


def test_who_got_a_task_early_that_is_lost_does_not_wait_for_another(lonely: Scene) -> None:
    working(lonely)
    task = poll(lonely)
    lonely.turn(task)
    with no_file_grows():
        lonely.turn(start(lonely, "lost"))
        assert lonely.answer(task)["workflowExecution"]["workflowId"] == "lost"
        make_durable(lonely)
    lonely.pass_time(2)

    lonely.turn(start(lonely, "w"))
    make_durable(lonely)

    other = poll(lonely, "q")
    lonely.turn(other)
    assert lonely.answer(other)["workflowExecution"]["workflowId"] == "w"


def test_an_early_answer_found_unread_after_the_loss_puts_nothing_on_offer(lonely: Scene) -> None:
    one, other = working(lonely, "ab")
    task = poll(lonely)
    lonely.turn(task)
    with no_file_grows():
        lonely.turn(completed(lonely, one))
        make_durable(lonely)
    lonely.pass_time(2)
    lonely.turn(poll(lonely, "q"))
    lonely.turn(completed(lonely, other, next_poll_id="n"))

    lonely.service.offer_again(task)

    third = poll(lonely, "r")
    lonely.turn(third)
    make_durable(lonely)
    assert third not in lonely.answers


@pytest.mark.parametrize("is_durable", [True, False])
def test_the_next_engine_takes_an_early_decision_if_what_it_was_made_of_is_there(
    lonely: Scene, tmp_path: Path, is_durable: bool
) -> None:
    one, other = working(lonely, "ab")
    task = poll(lonely)
    lonely.turn(task)
    lonely.turn(completed(lonely, one))
    if is_durable:
        make_durable(lonely)

    with as_after_a_kill(lonely, tmp_path) as after:
        after.answers = {task: lonely.answers[task], other: lonely.answers[other]}
        if not is_durable:
            after.turn(poll(after, "q"))
            after.turn(completed(after, other))
        answer = decided(after, task, schedule("c"))
        after.turn(answer)
        make_durable(after)

        if is_durable:
            assert after.answer(answer) == {}
        else:
            assert isinstance(after.answers[answer], UnknownResourceFault)

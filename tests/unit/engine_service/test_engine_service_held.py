"""Turns held until they are durable: who is answered when, and what becomes of those that are lost."""

from __future__ import annotations

import pytest

from flowyd.engine.calls import Call
from flowyd.swf.faults import InternalFailure, UnknownResourceFault
from tests.unit.engine_service.engine_service_scene import COMPLETE, DOMAIN, TYPE, Scene, schedule
from tests.unit.engine_service.no_space import no_file_grows


def signal(scene: Scene, name: str = "s", workflow_id: str = "first", text: str = "") -> Call:
    return scene.make(
        "SignalWorkflowExecution", domain=DOMAIN, workflowId=workflow_id, signalName=name, input=text
    )


def start(scene: Scene, workflow_id: str) -> Call:
    return scene.make("StartWorkflowExecution", domain=DOMAIN, workflowId=workflow_id, workflowType=TYPE)


def poll(scene: Scene, kind: str = "Decision", poll_id: str = "") -> Call:
    call = scene.make(f"PollFor{kind}Task", domain=DOMAIN, taskList={"name": "tl"})
    call.poll_id = poll_id
    return call


def wait_for_close(scene: Scene, execution: dict[str, str]) -> Call:
    call = scene.make("DescribeWorkflowExecution", domain=DOMAIN, execution=execution)
    call.waits_for_close = True
    return call


def first(scene: Scene) -> dict[str, str]:
    """The execution that each of these scenes begins with."""
    return scene.open_run("first")


def make_durable(scene: Scene) -> None:
    scene.note(scene.service.durable(wait=True))


def signals(scene: Scene) -> list[str]:
    """The signals that the first execution has got."""
    member = "workflowExecutionSignaledEventAttributes"
    scene.service.more_waits = lambda: False
    make_durable(scene)
    return [e[member]["signalName"] for e in scene.history(first(scene)) if member in e]


def has_failed(scene: Scene, call: Call) -> bool:
    return isinstance(scene.answers.get(call), InternalFailure)


def test_an_answer_comes_only_when_its_turn_is_durable(busy: Scene) -> None:
    one = signal(busy)
    busy.turn(one)
    assert one not in busy.answers

    make_durable(busy)

    assert busy.answer(one) == {}


@pytest.mark.usefixtures("slow_disk")
def test_turns_are_answered_in_their_order_when_the_disk_has_them(busy: Scene) -> None:
    calls = [signal(busy, f"{number}") for number in range(5)]
    for call in calls:
        busy.turn(call)
    busy.note(busy.service.durable())
    assert not busy.answers.keys() & set(calls)

    make_durable(busy)

    assert list(busy.answers)[-5:] == calls
    assert signals(busy) == ["0", "1", "2", "3", "4"]


@pytest.mark.usefixtures("slow_disk")
def test_what_a_later_turn_reads_from_memory_is_held_with_what_it_has_read(busy: Scene) -> None:
    execution = first(busy)
    one = signal(busy)
    read = busy.make("DescribeWorkflowExecution", domain=DOMAIN, execution=execution)
    busy.turn(one)

    busy.turn(read)

    assert one not in busy.answers
    assert read not in busy.answers
    make_durable(busy)
    assert list(busy.answers)[-2:] == [one, read]


@pytest.mark.usefixtures("slow_disk")
def test_a_read_from_the_database_makes_what_is_held_durable_and_both_are_answered(busy: Scene) -> None:
    one = signal(busy)
    read = busy.make("ListDomains", registrationStatus="REGISTERED")
    busy.turn(one)

    busy.turn(read)

    assert list(busy.answers)[-2:] == [one, read]


@pytest.mark.usefixtures("slow_disk")
def test_a_run_that_began_and_closed_in_held_turns_is_known(busy: Scene) -> None:
    busy.turn(signal(busy))
    begin = start(busy, "w")
    busy.turn(begin)
    busy.turn(busy.make("TerminateWorkflowExecution", domain=DOMAIN, workflowId="w"))
    waiting = busy.make("CountPendingDecisionTasks", domain=DOMAIN, taskList={"name": "other"})
    make_durable(busy)
    run = {"workflowId": "w", "runId": busy.answer(begin)["runId"]}
    busy.turn(waiting)

    read = busy.make("DescribeWorkflowExecution", domain=DOMAIN, execution=run)
    busy.turn(read)
    make_durable(busy)

    assert busy.answer(read)["executionInfo"]["closeStatus"] == "TERMINATED"


@pytest.mark.usefixtures("slow_disk")
def test_a_task_handed_out_in_a_held_turn_can_be_answered_once_it_is_durable(busy: Scene) -> None:
    waiting = poll(busy)
    busy.turn(waiting)
    assert waiting not in busy.answers
    make_durable(busy)
    activity = poll(busy, "Activity")
    answer = busy.make(
        "RespondDecisionTaskCompleted",
        taskToken=busy.answer(waiting)["taskToken"],
        decisions=[schedule("a")],
    )
    answer.next_poll = activity

    busy.turn(answer)
    make_durable(busy)
    assert busy.answer(answer) == {}
    assert busy.answer(activity)["activityId"] == "a"


@pytest.mark.usefixtures("slow_disk")
def test_a_held_answer_that_nobody_waits_for_puts_the_task_on_offer_again(busy: Scene) -> None:
    gone, other = poll(busy), poll(busy)
    busy.turn(gone)
    assert not busy.service.withdraw(gone), "it has been answered, though nobody has the answer"
    make_durable(busy)

    busy.service.offer_again(gone)
    busy.turn(other)
    make_durable(busy)

    assert busy.answer(other)["startedEventId"] == busy.answer(gone)["startedEventId"]


@pytest.mark.usefixtures("slow_disk")
def test_a_poll_repeated_while_its_answer_is_held_gets_the_same_task(busy: Scene) -> None:
    one, again = poll(busy, poll_id="p"), poll(busy, poll_id="p")
    busy.turn(one)
    busy.turn(again)
    make_durable(busy)

    assert busy.answer(again)["startedEventId"] == busy.answer(one)["startedEventId"] == 3


@pytest.mark.usefixtures("slow_disk")
def test_a_checkpoint_makes_held_turns_durable_and_their_answers_come_next(busy: Scene) -> None:
    one, two = signal(busy), signal(busy)
    busy.turn(one)
    busy.turn(two)

    busy.service.checkpoint()

    busy.note(busy.service.durable())
    assert list(busy.answers)[-2:] == [one, two]


# The store fails


@pytest.mark.usefixtures("slow_disk")
@pytest.mark.parametrize("way", ["durable", "turn", "checkpoint"])
def test_all_calls_of_lost_turns_get_a_fault_and_had_no_effect(busy: Scene, way: str) -> None:
    kept = signal(busy, "kept")
    busy.turn(kept)
    make_durable(busy)
    lost = [signal(busy, f"lost {number}") for number in range(3)]
    read = busy.make("ListDomains", registrationStatus="REGISTERED")

    with no_file_grows():
        for call in lost:
            busy.turn(call)
        if way == "turn":
            busy.turn(read)
        elif way == "checkpoint":
            busy.service.checkpoint()
        make_durable(busy)

    assert all(has_failed(busy, call) for call in lost)
    assert busy.service.trouble
    assert signals(busy) == ["kept"]
    assert way != "turn" or busy.answer(read)["domainInfos"]


@pytest.mark.usefixtures("slow_disk")
def test_held_turns_that_became_durable_before_the_store_failed_are_answered(busy: Scene) -> None:
    kept, lost = signal(busy, "kept"), signal(busy, "lost")
    busy.turn(kept)
    with no_file_grows():
        busy.turn(lost)
        make_durable(busy)

    assert busy.answer(kept) == {}
    assert has_failed(busy, lost)
    assert signals(busy) == ["kept"]


@pytest.mark.usefixtures("slow_disk")
def test_a_store_that_fails_after_it_has_made_a_turn_durable_is_still_in_trouble(busy: Scene) -> None:
    kept = signal(busy, "kept")
    busy.turn(kept)

    with no_file_grows():
        busy.service.checkpoint()
        busy.note(busy.service.durable())

    assert busy.answer(kept) == {}
    assert "cannot be written" in busy.service.trouble
    busy.pass_time(2)
    assert signals(busy) == ["kept"]
    assert busy.service.trouble == ""


@pytest.mark.usefixtures("slow_disk")
def test_polls_of_earlier_turns_wait_again_if_the_turn_that_answered_them_is_lost(busy: Scene) -> None:
    busy.service.more_waits = lambda: False
    busy.decide(schedule("a"))
    busy.service.more_waits = lambda: True
    waiting = poll(busy)
    busy.turn(waiting)
    with no_file_grows():
        one = signal(busy)
        busy.turn(one)
        make_durable(busy)
    assert has_failed(busy, one)
    assert waiting not in busy.answers

    busy.pass_time(2)
    busy.turn(signal(busy, "another"))
    make_durable(busy)

    assert busy.answer(waiting)["workflowExecution"]["workflowId"] == "first"
    assert signals(busy) == ["another"]


def test_a_poll_that_was_answered_does_not_wait_again_when_a_checkpoint_fails(busy: Scene) -> None:
    busy.service.more_waits = lambda: False
    answered = busy.begin_poll()
    assert busy.answer(answered)["startedEventId"] == 3

    with no_file_grows():
        busy.service.checkpoint()
    busy.note(busy.service.durable())
    busy.pass_time(2)

    start_again = start(busy, "second")
    busy.turn(start_again)
    assert busy.poll()["workflowExecution"]["workflowId"] == "second"


@pytest.mark.usefixtures("slow_disk")
def test_waits_for_an_end_go_on_if_the_turn_that_told_it_is_lost(busy: Scene) -> None:
    execution = first(busy)
    waiting = wait_for_close(busy, execution)
    busy.turn(waiting)
    terminate = busy.make("TerminateWorkflowExecution", domain=DOMAIN, workflowId="first")
    with no_file_grows():
        busy.turn(terminate)
        make_durable(busy)
    assert has_failed(busy, terminate)
    assert waiting not in busy.answers

    busy.service.more_waits = lambda: False
    busy.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="first")

    assert busy.answer(waiting)["executionInfo"]["closeStatus"] == "TERMINATED"


@pytest.mark.usefixtures("slow_disk")
def test_a_wait_for_the_end_of_an_execution_that_is_lost_is_refused(busy: Scene) -> None:
    begin = start(busy, "w")
    waiting = busy.make(
        "DescribeWorkflowExecution", domain=DOMAIN, execution={"workflowId": "w", "runId": "?"}
    )
    waiting.waits_for_close = True
    with no_file_grows():
        busy.turn(begin, waiting)
        make_durable(busy)

    assert has_failed(busy, begin)
    assert isinstance(busy.answers[waiting], UnknownResourceFault)


@pytest.mark.usefixtures("slow_disk")
@pytest.mark.parametrize("poll_id", ["p", ""])
def test_a_poll_repeated_after_a_lost_turn_gets_its_task(busy: Scene, poll_id: str) -> None:
    one = poll(busy, poll_id=poll_id)
    with no_file_grows():
        busy.turn(one)
        make_durable(busy)
    assert has_failed(busy, one)
    busy.pass_time(2)
    busy.service.more_waits = lambda: False

    again = poll(busy, poll_id=poll_id)
    busy.turn(again)

    assert busy.answer(again)["startedEventId"] == 3


@pytest.mark.usefixtures("slow_disk")
@pytest.mark.parametrize("poll_id", ["p", ""])
def test_an_answer_found_unread_after_a_loss_still_brings_its_task_back(busy: Scene, poll_id: str) -> None:
    unread, lost, other = poll(busy, poll_id=poll_id), signal(busy), poll(busy)
    busy.turn(unread)
    with no_file_grows():
        busy.turn(lost)
        make_durable(busy)
    assert has_failed(busy, lost)

    busy.service.offer_again(unread)
    busy.pass_time(2)
    busy.service.more_waits = lambda: False
    busy.turn(other)

    assert busy.answer(other)["startedEventId"] == busy.answer(unread)["startedEventId"]


@pytest.mark.usefixtures("slow_disk")
@pytest.mark.parametrize("poll_id", ["p", ""])
def test_a_task_offered_again_in_a_turn_that_is_lost_is_still_on_offer(busy: Scene, poll_id: str) -> None:
    unread, lost, other = poll(busy, poll_id=poll_id), signal(busy), poll(busy)
    busy.turn(unread)
    make_durable(busy)
    with no_file_grows():
        busy.service.offer_again(unread)
        busy.turn(lost)
        make_durable(busy)
    assert has_failed(busy, lost)

    busy.pass_time(2)
    busy.service.more_waits = lambda: False
    busy.turn(other)

    assert busy.answer(other)["startedEventId"] == busy.answer(unread)["startedEventId"]


@pytest.mark.usefixtures("slow_disk")
def test_a_task_that_a_lost_turn_handed_out_is_not_brought_back_by_the_poll_it_went_to(busy: Scene) -> None:
    waiting = poll(busy, "Activity")
    busy.turn(waiting)
    with no_file_grows():
        task = poll(busy)
        busy.turn(task)
        make_durable(busy)
    assert has_failed(busy, task)

    busy.service.offer_again(task)
    busy.pass_time(2)
    busy.service.more_waits = lambda: False

    assert busy.poll()["startedEventId"] == 3
    busy.turn(empty := poll(busy))
    assert empty not in busy.answers


# A bug in a turn


@pytest.mark.usefixtures("slow_disk")
def test_a_bug_in_a_turn_loses_nothing_of_the_one_that_is_being_written(busy: Scene) -> None:
    sound = signal(busy, "sound")
    no_bytes_has_this = signal(busy, "\ud800")
    another = signal(busy, "another")
    busy.turn(sound)

    busy.turn(no_bytes_has_this, another)
    make_durable(busy)

    assert busy.answer(sound) == {}
    assert has_failed(busy, no_bytes_has_this)
    assert busy.answer(another) == {}
    busy.pass_time(2)
    assert signals(busy) == ["sound", "another"]


# The end


@pytest.mark.usefixtures("slow_disk")
def test_a_service_that_is_closed_leaves_all_held_turns_in_its_database(busy: Scene) -> None:
    for number in range(3):
        busy.turn(signal(busy, f"{number}"))

    busy.reopen()

    assert signals(busy) == ["0", "1", "2"]


def test_a_whole_life_in_held_turns_comes_to_the_same(busy: Scene) -> None:
    held = poll(busy)
    busy.turn(held)
    make_durable(busy)
    for decision in (schedule("a"), COMPLETE):
        answer = busy.make(
            "RespondDecisionTaskCompleted", taskToken=busy.answer(held)["taskToken"], decisions=[decision]
        )
        busy.turn(answer)
        if decision is COMPLETE:
            break
        work = poll(busy, "Activity")
        busy.turn(work)
        make_durable(busy)
        busy.turn(
            busy.make("RespondActivityTaskCompleted", taskToken=busy.answer(work)["taskToken"]),
            held := poll(busy),
        )
        make_durable(busy)
    make_durable(busy)
    busy.reopen()

    closed = busy.call("CountClosedWorkflowExecutions", domain=DOMAIN, closeTimeFilter={"oldestDate": 0})[
        "count"
    ]
    assert closed == 1

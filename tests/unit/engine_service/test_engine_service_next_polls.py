"""A call and the poll that came with it: in one turn, in order, and no poll where the call was a fault."""

from __future__ import annotations

from typing import Any

import pytest

from flowyd.engine.calls import Answered, Call
from flowyd.swf.faults import InternalFailure, LimitExceededFault, SwfFault, UnknownResourceFault
from tests.unit.engine_service.engine_service_scene import COMPLETE, DOMAIN, Scene, schedule
from tests.unit.engine_service.test_engine_service_store import damage_history, full_disk_found_out

LIST = {"name": "tl"}


def both(
    scene: Scene,
    action: str,
    poll: str = "Decision",
    *,
    poll_domain: str = DOMAIN,
    poll_id: str = "",
    **request: Any,
) -> Call:
    """A call with a poll behind it."""
    call = scene.make(action, **request)
    call.next_poll = scene.make(f"PollFor{poll}Task", domain=poll_domain, taskList=LIST)
    call.next_poll.poll_id = poll_id
    return call


def completed(scene: Scene, task: dict[str, Any], *decisions: dict[str, Any], **options: Any) -> Call:
    """The answer of a decision task with the next poll."""
    token = task["taskToken"]
    return both(scene, "RespondDecisionTaskCompleted", taskToken=token, decisions=list(decisions), **options)


def behind(call: Call) -> Call:
    """The poll behind a call."""
    assert call.next_poll is not None
    return call.next_poll


def waiting_polls(scene: Scene) -> int:
    return len(scene.service._dealing.polls)


def test_what_follows_from_an_answer_goes_to_its_poll_in_the_same_turn(scene: Scene) -> None:
    scene.start()
    call = completed(scene, scene.poll(), schedule("a"), poll="Activity")

    scene.turn(call)

    assert scene.answer(call) == {}
    assert scene.answer(behind(call))["activityId"] == "a"


def test_the_task_leaves_before_the_answer_that_it_follows_from(scene: Scene) -> None:
    scene.start()
    call = completed(scene, scene.poll(), schedule("a"), poll="Activity")

    answered = scene.service.turn([call])

    assert [each.call for each in answered] == [behind(call), call]


def test_a_poll_without_a_task_waits_and_its_call_is_answered(scene: Scene) -> None:
    scene.start()
    call = completed(scene, scene.poll(), COMPLETE)

    scene.turn(call)

    assert scene.answer(call) == {}
    assert behind(call) not in scene.answers
    scene.start("other")
    assert scene.answer(behind(call))["workflowExecution"]["workflowId"] == "other"


def test_a_poll_without_a_task_is_answered_empty_after_a_while(scene: Scene) -> None:
    scene.start()
    call = completed(scene, scene.poll(), COMPLETE)

    scene.turn(call)
    scene.pass_time(61)

    assert not scene.answer(behind(call)).get("taskToken")


def test_a_call_that_is_refused_begins_no_poll(scene: Scene) -> None:
    scene.start()
    task = scene.poll()
    scene.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[schedule("a")])
    late = completed(scene, task, poll="Activity")

    scene.turn(late)

    with pytest.raises(UnknownResourceFault):
        scene.answer(late)
    assert not waiting_polls(scene)
    assert scene.has_task("Activity")


def test_a_poll_that_is_refused_takes_nothing_from_its_call(scene: Scene) -> None:
    execution = scene.start()
    call = completed(scene, scene.poll(), COMPLETE, poll_domain="nowhere")

    scene.turn(call)

    assert scene.answer(call) == {}
    with pytest.raises(UnknownResourceFault):
        scene.answer(behind(call))
    assert scene.types(execution)[-1] == "WorkflowExecutionCompleted"


def test_polls_behind_calls_count_among_the_pollers_of_a_list(scene: Scene) -> None:
    execution = scene.start()
    most = scene.settings.quotas.pollers
    for _ in range(most):
        scene.begin_poll("Activity")
    call = completed(scene, scene.poll(), COMPLETE, poll="Activity")

    scene.turn(call)

    assert scene.types(execution)[-1] == "WorkflowExecutionCompleted"
    with pytest.raises(LimitExceededFault):
        scene.answer(behind(call))


def test_the_poll_behind_a_call_is_served_before_older_ones(scene: Scene) -> None:
    scene.start()
    task = scene.poll()
    older = scene.begin_poll("Activity")
    call = completed(scene, task, schedule("a"), schedule("b"), poll="Activity")

    scene.turn(call)

    assert [scene.answer(poll)["activityId"] for poll in (behind(call), older)] == ["a", "b"]


def test_of_polls_behind_calls_the_last_is_served_first(scene: Scene) -> None:
    scene.start("v")
    scene.start("w")
    first, second = scene.poll(), scene.poll()
    calls = [
        completed(scene, first, schedule("a"), poll="Activity"),
        completed(scene, second, schedule("b"), poll="Activity"),
    ]

    scene.turn(*calls)

    assert [scene.answer(behind(call))["activityId"] for call in calls] == ["b", "a"]


def test_a_repeated_poll_behind_a_refused_answer_is_answered_when_it_is_sent_alone(scene: Scene) -> None:
    """As a worker does whose engine died under the first message: the answer again, then the poll again."""
    scene.start()
    task = scene.poll()
    unread = completed(scene, task, schedule("a"), poll="Activity", poll_id="p")
    scene.turn(unread)
    handed_out = scene.answer(behind(unread))

    scene.reopen()
    again = completed(scene, task, schedule("a"), poll="Activity", poll_id="p")
    scene.turn(again)
    alone = behind(completed(scene, task, poll="Activity", poll_id="p"))
    scene.turn(alone)

    with pytest.raises(UnknownResourceFault):
        scene.answer(again)
    assert behind(again) not in scene.answers
    assert scene.answer(alone)["activityId"] == handed_out["activityId"] == "a"


def test_a_repeated_poll_behind_another_call_gets_its_task_of_before(scene: Scene) -> None:
    execution = scene.start()
    task = scene.poll()
    unread = completed(scene, task, schedule("a"), poll="Activity", poll_id="p")
    scene.turn(unread)

    signal = both(
        scene,
        "SignalWorkflowExecution",
        "Activity",
        poll_id="p",
        domain=DOMAIN,
        workflowId="w",
        signalName="s",
    )
    scene.turn(signal)

    assert scene.answer(behind(signal))["activityId"] == "a"
    assert scene.types(execution).count("ActivityTaskStarted") == 1


def test_a_store_that_fails_takes_back_both(scene: Scene) -> None:
    execution = scene.start()
    task = scene.poll()
    call = completed(scene, task, schedule("a", input="x" * 30_000), poll="Activity")

    with full_disk_found_out(scene):
        scene.turn(call)

        with pytest.raises(InternalFailure, match="cannot write its database"):
            scene.answer(call)
        assert behind(call) not in scene.answers
        assert not waiting_polls(scene)
    scene.pass_time(2)
    assert "DecisionTaskCompleted" not in scene.types(execution)
    again = completed(scene, task, schedule("a"), poll="Activity")
    scene.turn(again)
    assert scene.answer(behind(again))["activityId"] == "a"


def test_a_commit_that_fails_takes_back_a_poll_that_was_begun(scene: Scene) -> None:
    scene.start()
    call = both(scene, "RegisterDomain", "Activity", name="other", workflowExecutionRetentionPeriodInDays="1")

    with full_disk_found_out(scene):
        scene.turn(call)

        with pytest.raises(InternalFailure):
            scene.answer(call)
        assert not waiting_polls(scene)


def test_a_poll_whose_call_was_answered_waits_on_when_the_store_fails_later(scene: Scene) -> None:
    scene.start()
    first = completed(scene, scene.poll(), poll="Activity")
    scene.turn(first)
    scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")
    task = scene.poll()
    failing = completed(scene, task, schedule("a", input="x" * 30_000))

    with full_disk_found_out(scene):
        scene.turn(failing)
        with pytest.raises(InternalFailure):
            scene.answer(failing)
        assert behind(first) not in scene.answers

    scene.pass_time(2)
    scene.turn(completed(scene, task, schedule("a")))
    assert scene.answer(behind(first))["activityId"] == "a"


def test_a_bug_in_one_request_costs_no_other_its_poll(scene: Scene) -> None:
    damaged = scene.start("damaged")
    scene.start("sound")
    first, second = scene.poll(), scene.poll()
    by_workflow = {task["workflowExecution"]["workflowId"]: task for task in (first, second)}
    damage_history(scene, damaged)
    calls = [
        completed(scene, by_workflow["damaged"], schedule("a"), poll="Activity"),
        completed(scene, by_workflow["sound"], schedule("b"), poll="Activity"),
    ]

    scene.turn(*calls)

    with pytest.raises(InternalFailure):
        scene.answer(calls[0])
    assert scene.answer(behind(calls[1]))["activityId"] == "b"
    assert not waiting_polls(scene)


def test_a_held_answer_and_its_task_leave_together(scene: Scene) -> None:
    scene.start()
    call = completed(scene, scene.poll(), schedule("a"), poll="Activity")
    scene.service.more_waits = lambda: True

    answered: list[Answered] = [*scene.service.turn([call]), *scene.service.durable(wait=True)]

    assert [each.call for each in answered] == [behind(call), call]
    assert not any(isinstance(each.result, SwfFault) for each in answered)


def test_a_poll_withdrawn_while_its_call_is_held_leaves_the_task_to_others(scene: Scene) -> None:
    scene.start()
    call = completed(scene, scene.poll(), COMPLETE)
    scene.service.more_waits = lambda: True
    answered = [*scene.service.turn([call])]

    assert scene.service.withdraw(behind(call))

    scene.start("other")
    answered += scene.service.durable(wait=True)
    assert [each.call for each in answered] == [call]
    assert scene.has_task()

"""Polls and tasks: who gets what, when, and with which answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowyd.engine.calls import Call
from flowyd.engine.rules.settings import Quotas
from flowyd.engine.settings import ServiceSettings
from flowyd.swf.faults import LimitExceededFault, UnknownResourceFault, ValidationException
from tests.unit.engine_service.engine_service_scene import (
    COMPLETE,
    DOMAIN,
    TYPE,
    Scene,
    decision,
    schedule,
)


def test_a_waiting_poll_gets_its_task_in_the_turn_that_makes_it(scene: Scene) -> None:
    poll = scene.begin_poll()
    assert poll not in scene.answers

    execution = scene.start()

    answer = scene.answer(poll)
    assert answer["workflowExecution"] == execution
    assert answer["workflowType"] == TYPE
    assert (answer["startedEventId"], answer["previousStartedEventId"]) == (3, 0)
    assert [event["eventId"] for event in answer["events"]] == [1, 2, 3]


def test_a_completed_task_and_the_decision_it_causes_are_one_turn(scene: Scene) -> None:
    scene.start()
    scene.decide(schedule("a"))
    task = scene.poll("Activity")
    poll = scene.begin_poll()

    scene.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])

    assert scene.answer(poll)["startedEventId"] == 9


def test_an_activity_task_shows_its_input_only_if_it_has_one(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a", input="", control="c"), schedule("b"))

    first, second = scene.poll("Activity", identity="me"), scene.poll("Activity")

    assert {name: value for name, value in first.items() if name != "taskToken"} == {
        "activityId": "a",
        "activityType": TYPE,
        "input": "",
        "startedEventId": 7,
        "workflowExecution": execution,
    }
    assert "input" not in second
    assert scene.history(execution)[6]["activityTaskStartedEventAttributes"] == {
        "identity": "me",
        "scheduledEventId": 5,
    }


@pytest.mark.parametrize(
    ("kind", "empty"),
    [
        ("Decision", {"previousStartedEventId": 0, "startedEventId": 0}),
        ("Activity", {"startedEventId": 0}),
    ],
)
def test_a_poll_is_answered_empty_after_a_minute(scene: Scene, kind: str, empty: dict[str, int]) -> None:
    poll = scene.begin_poll(kind)
    scene.pass_time(59.9)
    assert poll not in scene.answers

    scene.pass_time(0.2)

    assert scene.answer(poll) == empty


def test_polls_are_served_in_the_order_they_came(scene: Scene) -> None:
    polls = [scene.begin_poll() for _ in range(3)]

    executions = [scene.start(name) for name in "abc"]

    assert [scene.answer(poll)["workflowExecution"] for poll in polls] == executions


def test_tasks_are_handed_out_by_priority_and_then_by_age(scene: Scene) -> None:
    for workflow_id, priority in [("a", "0"), ("b", "5"), ("c", "-5"), ("d", "5")]:
        scene.start(workflow_id, taskPriority=priority)

    order = [scene.poll()["workflowExecution"]["workflowId"] for _ in range(4)]

    assert order == ["b", "d", "a", "c"]


def test_activity_and_decision_lists_of_one_name_are_separate(scene: Scene) -> None:
    scene.start()

    assert scene.begin_poll("Activity") not in scene.answers


def test_more_tasks_than_memory_takes_keep_their_order(scene: Scene) -> None:
    calls = [
        scene.make(
            "StartWorkflowExecution",
            domain=DOMAIN,
            workflowId=f"w{number}",
            workflowType=TYPE,
            taskPriority=str(number % 2),
        )
        for number in range(2_500)
    ]
    scene.begin_poll()
    scene.turn(*calls)
    polls = [scene.make("PollForDecisionTask", domain=DOMAIN, taskList={"name": "tl"}) for _ in calls]
    for first in range(0, 2_500, 500):
        scene.turn(*polls[first : first + 500])

    order = [int(scene.answer(poll)["workflowExecution"]["workflowId"][1:]) for poll in polls[:-1]]

    expected = list(range(3, 2_500, 2)) + list(range(0, 2_500, 2))
    assert order == expected


def test_too_many_polls_at_one_list_are_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "e.db", settings=ServiceSettings(quotas=Quotas(pollers=1)))
    scene.begin_poll()
    scene.begin_poll(task_list="other")

    with pytest.raises(LimitExceededFault, match="Limit on maximum concurrent poll requests per task list"):
        scene.poll()


def test_a_withdrawn_poll_gets_nothing(scene: Scene) -> None:
    first, second = scene.begin_poll(), scene.begin_poll()
    scene.service.withdraw(first)

    scene.start()

    assert first not in scene.answers
    assert second in scene.answers


def again(task: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in task.items() if name != "taskToken"}


@pytest.mark.parametrize("kind", ["Decision", "Activity"])
def test_a_task_whose_answer_was_not_read_goes_to_the_next_poll_unchanged(scene: Scene, kind: str) -> None:
    execution = scene.start()
    if kind == "Activity":
        scene.decide(schedule("a", input="x"))
    lost = scene.begin_poll(kind)

    scene.service.offer_again(lost)
    task = scene.poll(kind)

    assert again(task) == again(scene.answer(lost))
    assert scene.types(execution).count(f"{kind}TaskStarted") == 1
    scene.call(f"Respond{kind}TaskCompleted", taskToken=task["taskToken"])


def test_a_task_offered_again_is_gone_once_it_has_closed(scene: Scene) -> None:
    scene.start()
    lost = scene.begin_poll()
    scene.service.offer_again(lost)
    scene.call("RespondDecisionTaskCompleted", taskToken=scene.answer(lost)["taskToken"])

    assert scene.begin_poll() not in scene.answers


def test_a_task_is_offered_again_to_a_poll_that_waits(scene: Scene) -> None:
    scene.start()
    lost, waiting = scene.begin_poll(), scene.begin_poll()

    scene.service.offer_again(lost)
    scene.turn()

    assert scene.answer(waiting)["startedEventId"] == 3


def test_tasks_of_a_closed_execution_are_not_handed_out(scene: Scene) -> None:
    scene.start()
    scene.decide(schedule("a"))
    scene.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="w")

    assert not scene.has_task("Activity")
    assert not scene.has_task()
    assert scene.begin_poll("Activity") not in scene.answers


def test_pending_tasks_are_counted_until_they_are_started(scene: Scene) -> None:
    scene.start()
    scene.decide(schedule("a"), schedule("b"))
    scene.poll("Activity")

    answer = scene.call("CountPendingActivityTasks", domain=DOMAIN, taskList={"name": "tl"})

    assert answer == {"count": 1, "truncated": False}


def test_previous_started_event_is_that_of_the_last_completed_task(scene: Scene) -> None:
    scene.start(taskStartToCloseTimeout="10")
    scene.decide()
    scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")
    scene.poll()
    scene.pass_time(11)

    task = scene.poll(startAtPreviousStartedEvent=True)

    assert task["previousStartedEventId"] == 3
    assert [event["eventId"] for event in task["events"]] == list(range(3, task["startedEventId"] + 1))


def test_a_decision_task_is_read_in_pages_without_becoming_another_task(scene: Scene) -> None:
    execution = scene.start()
    for _ in range(3):
        scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")
    request: dict[str, Any] = {"maximumPageSize": 4}
    first = scene.poll(**request)
    scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="late")

    second = scene.poll(**request, nextPageToken=first["nextPageToken"])

    assert [event["eventId"] for event in first["events"] + second["events"]] == [1, 2, 3, 4, 5, 6]
    assert "nextPageToken" not in second
    assert (second["startedEventId"], second["workflowExecution"]) == (6, execution)
    assert second["taskToken"] != first["taskToken"]
    scene.call("RespondDecisionTaskCompleted", taskToken=first["taskToken"])


def test_reverse_order_pages_a_decision_task_from_its_end(scene: Scene) -> None:
    scene.start()
    request: dict[str, Any] = {"maximumPageSize": 2, "reverseOrder": True}

    first = scene.poll(**request)
    second = scene.poll(**request, nextPageToken=first["nextPageToken"])

    assert [event["eventId"] for event in first["events"] + second["events"]] == [3, 2, 1]


def test_a_page_that_is_exactly_full_has_no_token(scene: Scene) -> None:
    scene.start()

    assert "nextPageToken" not in scene.poll(maximumPageSize=3)


def test_a_token_of_the_other_kind_of_task_is_invalid(scene: Scene) -> None:
    scene.start()
    token = scene.poll()["taskToken"]

    with pytest.raises(ValidationException, match="Invalid token"):
        scene.call("RespondActivityTaskCompleted", taskToken=token)


def closed_activity(scene: Scene) -> tuple[str, str]:
    return scene.work()["taskToken"], "Unknown activity, scheduledEventId = 5"


def closed_execution(scene: Scene) -> tuple[str, str]:
    task = scene.poll("Activity")
    scene.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="w")
    execution = task["workflowExecution"]
    return task["taskToken"], (
        f"Unknown execution: WorkflowExecution=[workflowId=w, runId={execution['runId']}]"
    )


@pytest.mark.parametrize("close", [closed_activity, closed_execution])
@pytest.mark.parametrize(
    "action",
    [
        "RecordActivityTaskHeartbeat",
        "RespondActivityTaskCanceled",
        "RespondActivityTaskCompleted",
        "RespondActivityTaskFailed",
    ],
)
def test_a_closed_activity_task_is_unknown(scene: Scene, close: Any, action: str) -> None:
    scene.start()
    scene.decide(schedule("a"))
    token, message = close(scene)

    with pytest.raises(UnknownResourceFault) as raised:
        scene.call(action, taskToken=token)

    assert raised.value.message == message


def test_a_decision_task_is_answered_once(scene: Scene) -> None:
    scene.start()
    token = scene.decide()["taskToken"]

    with pytest.raises(UnknownResourceFault, match="Unknown decision task, scheduledEventId = 2"):
        scene.call("RespondDecisionTaskCompleted", taskToken=token)


def test_a_refused_decision_list_changes_nothing(scene: Scene) -> None:
    execution = scene.start()
    token = scene.poll()["taskToken"]

    with pytest.raises(ValidationException, match="Close must be last decision in list"):
        scene.call("RespondDecisionTaskCompleted", taskToken=token, decisions=[COMPLETE, schedule("a")])

    assert len(scene.history(execution)) == 3
    scene.call("RespondDecisionTaskCompleted", taskToken=token, decisions=[COMPLETE])


def test_a_heartbeat_tells_of_a_cancel_request(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a"))
    token = scene.poll("Activity")["taskToken"]
    assert scene.call("RecordActivityTaskHeartbeat", taskToken=token) == {"cancelRequested": False}
    scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")
    scene.decide(decision("RequestCancelActivityTask", activityId="a"))

    assert scene.call("RecordActivityTaskHeartbeat", taskToken=token) == {"cancelRequested": True}
    scene.call("RespondActivityTaskCanceled", taskToken=token, details="d")

    assert scene.last(execution, "ActivityTaskCanceled") == {
        "details": "d",
        "latestCancelRequestedEventId": 11,
        "scheduledEventId": 5,
        "startedEventId": 6,
    }


def test_heartbeats_survive_a_restart(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a", heartbeatTimeout="10"))
    token = scene.poll("Activity")["taskToken"]
    for number in range(3):
        scene.pass_time(9)
        scene.call("RecordActivityTaskHeartbeat", taskToken=token, details=str(number))

    scene.reopen()
    scene.pass_time(9)
    assert "ActivityTaskTimedOut" not in scene.types(execution)
    scene.pass_time(1.1)

    assert scene.last(execution, "ActivityTaskTimedOut")["details"] == "2"


def test_a_sticky_list_gets_the_next_task_and_the_new_events(scene: Scene) -> None:
    scene.start()
    scene.decide(schedule("a"), taskList={"name": "mine"}, taskListScheduleToStartTimeout="5")
    scene.work()

    task = scene.poll(task_list="mine", startAtPreviousStartedEvent=True)

    assert task["events"][0]["eventId"] == 3
    assert task["startedEventId"] == 9


def test_a_sticky_list_that_nobody_polls_falls_back_to_the_own_list(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a"), taskList={"name": "mine"}, taskListScheduleToStartTimeout="5")
    scene.work()
    poll = scene.begin_poll()

    scene.pass_time(5.1)

    assert scene.answer(poll)["workflowExecution"] == execution
    assert scene.types(execution)[-3:] == [
        "DecisionTaskTimedOut",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
    ]
    assert not scene.has_task(task_list="mine")


def test_a_poll_finds_a_task_that_a_later_call_of_the_same_turn_makes(scene: Scene) -> None:
    calls = [
        Call(
            action="StartWorkflowExecution",
            request={"domain": DOMAIN, "workflowId": name, "workflowType": TYPE},
        )
        for name in "ab"
    ]
    poll = scene.make("PollForDecisionTask", domain=DOMAIN, taskList={"name": "tl"})

    scene.turn(poll, *calls)

    assert scene.answer(poll)["workflowExecution"]["workflowId"] == "a"

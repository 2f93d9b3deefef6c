"""What holds for every block: decision tasks that follow, coalescing, timestamps, the limit of a history."""

from __future__ import annotations

from typing import Any

import pytest

from flowyd.engine.rules.block import terminated
from flowyd.engine.rules.effects import ApplyChildPolicy, OfferTask, ReportToParent, WithdrawTask
from flowyd.engine.rules.events import ATTRIBUTES_MEMBER, EVENT_TYPES, TRIGGERS, attributes_of
from flowyd.engine.rules.evolve import EVOLVE, fold
from flowyd.engine.rules.requests import require_open
from flowyd.swf.faults import UnknownResourceFault
from tests.unit.engine_rules.engine_rules_script import Script, decision

SIGNALED = ("WorkflowExecutionSignaled", {"externalInitiatedEventId": 0, "signalName": "s"})
ACTIVITY = decision("ScheduleActivityTask", activityId="a", activityType={"name": "act", "version": "1"})


def test_there_are_54_event_types_and_the_tables_know_no_others() -> None:
    assert len(EVENT_TYPES) == len(set(EVENT_TYPES)) == 54
    assert set(EVENT_TYPES) >= TRIGGERS | set(EVOLVE)
    assert ATTRIBUTES_MEMBER["TimerFired"] == "timerFiredEventAttributes"


def test_a_start_is_followed_by_a_decision_task_with_the_same_timestamp() -> None:
    script = Script(now=1000.5).starts(taskPriority="4")

    assert script.types == ["WorkflowExecutionStarted", "DecisionTaskScheduled"]
    assert {event["eventTimestamp"] for event in script.events} == {1000.5}
    assert attributes_of(script.events[1]) == {
        "scheduleToStartTimeout": "NONE",
        "startToCloseTimeout": "30",
        "taskList": {"name": "own"},
        "taskPriority": "4",
    }


def test_triggers_before_the_task_is_started_are_coalesced() -> None:
    script = Script().starts().happens(SIGNALED).happens(SIGNALED)

    assert script.types.count("DecisionTaskScheduled") == 1


def test_a_started_task_does_not_delay_the_next_scheduling() -> None:
    script = Script().starts().polled().happens(SIGNALED).happens(SIGNALED)

    script.decides()

    assert script.types[3:] == [
        "WorkflowExecutionSignaled",
        "DecisionTaskScheduled",
        "WorkflowExecutionSignaled",
        "DecisionTaskCompleted",
    ]


def test_a_task_scheduled_meanwhile_is_offered_only_when_the_started_one_closed() -> None:
    script = Script().starts().polled().happens(SIGNALED)
    offered = [effect for effect in script.effects if isinstance(effect, OfferTask)]
    assert [effect.scheduled_event_id for effect in offered] == [2]

    script.decides()

    offered = [effect for effect in script.effects if isinstance(effect, OfferTask)]
    assert [effect.scheduled_event_id for effect in offered] == [2, 5]


def test_a_completion_without_failures_schedules_nothing() -> None:
    script = Script().starts()

    assert script.decides() == []


def test_timestamps_do_not_go_back_when_the_clock_did() -> None:
    script = Script(now=1000.0).starts()
    script.now = 900.0

    script.happens(SIGNALED)

    assert script.events[-1]["eventTimestamp"] == 1000.0


def test_a_history_at_its_limit_is_terminated() -> None:
    script = Script().limited(history_events=6).starts().polled()

    script.happens(SIGNALED).happens(SIGNALED)

    assert script.types[-1] == "WorkflowExecutionTerminated"
    assert attributes_of(script.events[-1]) == {"cause": "EVENT_LIMIT_EXCEEDED", "childPolicy": "TERMINATE"}


def test_closing_takes_all_waiting_tasks_back() -> None:
    script = Script().starts()
    script.decides(ACTIVITY)
    script.happens(SIGNALED)
    script.effects.clear()

    script.happens(terminated(script.state, cause="OPERATOR_INITIATED"))

    assert script.effects == [WithdrawTask(scheduled_event_id=5), WithdrawTask(scheduled_event_id=7)]


@pytest.mark.parametrize(
    ("closing", "applied"),
    [
        (("WorkflowExecutionTimedOut", {"childPolicy": "TERMINATE", "timeoutType": "START_TO_CLOSE"}), True),
        (("WorkflowExecutionTerminated", {"childPolicy": "REQUEST_CANCEL", "cause": "x"}), True),
        (("WorkflowExecutionCompleted", {"decisionTaskCompletedEventId": 4}), False),
        (("WorkflowExecutionFailed", {"decisionTaskCompletedEventId": 4}), False),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_child_policy_is_applied_on_termination_and_timeout_only(
    closing: tuple[str, dict[str, Any]], applied: bool
) -> None:
    script = Script().starts()
    child = {"workflowId": "c", "workflowType": {"name": "flow", "version": "1"}}
    script.decides(decision("StartChildWorkflowExecution", **child))

    script.happens(closing)

    policies = [effect for effect in script.effects if isinstance(effect, ApplyChildPolicy)]
    expected = [
        ApplyChildPolicy(
            parent={"workflowId": "w", "runId": "run"},
            policy=closing[1].get("childPolicy", ""),
            children=(("c", 5),),
        )
    ]
    assert policies == (expected if applied else [])


def test_a_child_reports_its_close_but_not_its_continuation() -> None:
    parent = {"workflowId": "p", "runId": "pr"}
    continued = Script().starts(parentWorkflowExecution=parent, parentInitiatedEventId=5)
    completed = Script().starts(parentWorkflowExecution=parent, parentInitiatedEventId=5)

    continued.decides(decision("ContinueAsNewWorkflowExecution"))
    completed.decides(decision("CompleteWorkflowExecution", result="r"))

    assert not [effect for effect in continued.effects if isinstance(effect, ReportToParent)]
    assert [
        effect.initiated_event_id for effect in completed.across if isinstance(effect, ReportToParent)
    ] == [5]


def test_a_closed_execution_is_unknown_to_requests_that_need_an_open_one() -> None:
    script = Script().starts()
    script.decides(decision("CompleteWorkflowExecution"))

    with pytest.raises(UnknownResourceFault) as raised:
        require_open(script.state)

    assert raised.value.message == "Unknown execution: WorkflowExecution=[workflowId=w, runId=run]"


def test_a_history_from_before_2023_can_be_folded() -> None:
    script = Script().starts()
    scheduled = script.events[1]["decisionTaskScheduledEventAttributes"]
    del scheduled["scheduleToStartTimeout"]

    state = fold(script.events, workflow_id="w", run_id="run")

    assert state == script.state


LAMBDA_ENDS = {
    "LambdaFunctionCompleted": {"result": "r"},
    "LambdaFunctionFailed": {"reason": "r"},
    "LambdaFunctionTimedOut": {"timeoutType": "START_TO_CLOSE"},
    "StartLambdaFunctionFailed": {"cause": "ASSUME_ROLE_FAILED", "message": "m"},
}


@pytest.mark.parametrize("ending", LAMBDA_ENDS)
def test_lambda_functions_of_a_foreign_history_open_and_close(ending: str) -> None:
    script = Script().starts().polled()
    scheduled = {"decisionTaskCompletedEventId": 4, "id": "l", "name": "f", "startToCloseTimeout": "5"}
    script.happens(("LambdaFunctionScheduled", scheduled), ("LambdaFunctionStarted", {"scheduledEventId": 4}))
    assert script.state.lambdas[4].started_event_id == 5

    script.happens((ending, {"scheduledEventId": 4, "startedEventId": 5, **LAMBDA_ENDS[ending]}))

    assert script.state.lambdas == {}
    assert script.types[-1] == "DecisionTaskScheduled"

"""Each decision type: the event it becomes, and every cause with which it fails."""

from __future__ import annotations

from typing import Any

import pytest

from flowyd.engine.rules.effects import CancelExternal, SignalExternal, StartChild, StartNextRun
from tests.unit.engine_rules.engine_rules_script import (
    ACTIVITY,
    ACTIVITY_DEFAULTS,
    WORKFLOW,
    WORKFLOW_DEFAULTS,
    KnownType,
    Script,
    decision,
)

SCHEDULE = decision("ScheduleActivityTask", activityId="a", activityType=ACTIVITY)
TIMER = decision("StartTimer", timerId="t", startToFireTimeout="7")
CHILD = decision("StartChildWorkflowExecution", workflowId="c", workflowType=WORKFLOW)
SIGNAL_SENT = ("WorkflowExecutionSignaled", {"externalInitiatedEventId": 0, "signalName": "s"})


def without(defaults: dict[str, Any], *names: str) -> KnownType:
    return KnownType({name: value for name, value in defaults.items() if name not in names})


def test_an_activity_is_scheduled_with_every_value_resolved_and_zero_kept() -> None:
    script = Script().starts()

    events = script.decides(
        decision("ScheduleActivityTask", activityId="a", activityType=ACTIVITY, input="", taskPriority="-3")
    )

    assert events == [
        (
            "ActivityTaskScheduled",
            {
                "activityId": "a",
                "activityType": ACTIVITY,
                "decisionTaskCompletedEventId": 4,
                "heartbeatTimeout": "NONE",
                "input": "",
                "scheduleToCloseTimeout": "60",
                "scheduleToStartTimeout": "0",
                "startToCloseTimeout": "50",
                "taskList": {"name": "default"},
                "taskPriority": "-3",
            },
        )
    ]


SCHEDULE_FAILURES = [
    ("no such type", {"activity_types": {}}, "ACTIVITY_TYPE_DOES_NOT_EXIST"),
    (
        "deprecated",
        {"activity_types": {"act": KnownType(ACTIVITY_DEFAULTS, "DEPRECATED")}},
        "ACTIVITY_TYPE_DEPRECATED",
    ),
    (
        "all four timeouts missing",
        {"activity_types": {"act": KnownType({"defaultTaskList": {"name": "x"}})}},
        "DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED",
    ),
    *(
        (name, {"activity_types": {"act": without(ACTIVITY_DEFAULTS, name)}}, cause)
        for name, cause in {
            "defaultTaskList": "DEFAULT_TASK_LIST_UNDEFINED",
            "defaultTaskScheduleToStartTimeout": "DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED",
            "defaultTaskScheduleToCloseTimeout": "DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED",
            "defaultTaskStartToCloseTimeout": "DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED",
            "defaultTaskHeartbeatTimeout": "DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED",
        }.items()
    ),
]


@pytest.mark.parametrize(
    ("around", "cause"), [case[1:] for case in SCHEDULE_FAILURES], ids=[case[0] for case in SCHEDULE_FAILURES]
)
def test_an_activity_that_cannot_be_scheduled_gives_its_cause(around: dict[str, Any], cause: str) -> None:
    script = Script(**around).starts()

    events = script.decides(SCHEDULE)

    assert events[0] == (
        "ScheduleActivityTaskFailed",
        {"activityId": "a", "activityType": ACTIVITY, "cause": cause, "decisionTaskCompletedEventId": 4},
    )


def causes(events: list[tuple[str, dict[str, Any]]]) -> list[str | None]:
    return [attributes.get("cause") for name, attributes in events if name != "DecisionTaskScheduled"]


def test_an_activity_id_is_taken_while_its_task_is_open() -> None:
    assert causes(Script().starts().decides(SCHEDULE, SCHEDULE)) == [None, "ACTIVITY_ID_ALREADY_IN_USE"]


def test_an_activity_id_is_free_again_once_its_task_has_closed() -> None:
    cancel = decision("RequestCancelActivityTask", activityId="a")

    events = Script().starts().decides(SCHEDULE, cancel, SCHEDULE)

    assert [name for name, _ in events] == [
        "ActivityTaskScheduled",
        "ActivityTaskCancelRequested",
        "ActivityTaskCanceled",
        "ActivityTaskScheduled",
        "DecisionTaskScheduled",
    ]


@pytest.mark.parametrize(
    ("quota", "repeated", "cause"),
    [
        ("open_activities", ("ScheduleActivityTask", "activityId"), "OPEN_ACTIVITIES_LIMIT_EXCEEDED"),
        ("open_timers", ("StartTimer", "timerId"), "OPEN_TIMERS_LIMIT_EXCEEDED"),
        ("open_children", ("StartChildWorkflowExecution", "workflowId"), "OPEN_CHILDREN_LIMIT_EXCEEDED"),
    ],
)
def test_open_items_are_limited(quota: str, repeated: tuple[str, str], cause: str) -> None:
    decision_type, id_member = repeated
    attributes = {"activityType": ACTIVITY, "workflowType": WORKFLOW, "startToFireTimeout": "1"}
    script = Script().limited(**{quota: 2}).starts()

    events = script.decides(*(decision(decision_type, **attributes, **{id_member: name}) for name in "abc"))

    assert causes(events) == [None, None, cause]


def test_canceling_an_unstarted_activity_closes_it_at_once() -> None:
    script = Script().starts()

    events = script.decides(SCHEDULE, decision("RequestCancelActivityTask", activityId="a"))

    assert events[1:3] == [
        ("ActivityTaskCancelRequested", {"activityId": "a", "decisionTaskCompletedEventId": 4}),
        (
            "ActivityTaskCanceled",
            {"latestCancelRequestedEventId": 6, "scheduledEventId": 5, "startedEventId": 0},
        ),
    ]


def test_canceling_a_started_activity_only_asks() -> None:
    script = Script().starts()
    script.decides(SCHEDULE)
    script.happens(("ActivityTaskStarted", {"scheduledEventId": 5})).happens(SIGNAL_SENT)

    events = script.decides(decision("RequestCancelActivityTask", activityId="a"))

    assert [name for name, _ in events] == ["ActivityTaskCancelRequested"]


def test_canceling_an_unknown_activity_fails() -> None:
    events = Script().starts().decides(decision("RequestCancelActivityTask", activityId="x"))

    assert events[0] == (
        "RequestCancelActivityTaskFailed",
        {"activityId": "x", "cause": "ACTIVITY_ID_UNKNOWN", "decisionTaskCompletedEventId": 4},
    )


def test_a_timer_can_be_started_canceled_and_started_again_in_one_list() -> None:
    cancel = decision("CancelTimer", timerId="t")

    events = Script().starts().decides(TIMER, cancel, TIMER)

    assert events == [
        ("TimerStarted", {"decisionTaskCompletedEventId": 4, "startToFireTimeout": "7", "timerId": "t"}),
        ("TimerCanceled", {"decisionTaskCompletedEventId": 4, "startedEventId": 5, "timerId": "t"}),
        ("TimerStarted", {"decisionTaskCompletedEventId": 4, "startToFireTimeout": "7", "timerId": "t"}),
    ]


def test_a_timer_id_is_taken_while_its_timer_is_open() -> None:
    assert causes(Script().starts().decides(TIMER, TIMER)) == [None, "TIMER_ID_ALREADY_IN_USE"]


def test_canceling_an_unknown_timer_fails() -> None:
    events = Script().starts().decides(decision("CancelTimer", timerId="t"))

    assert events[0] == (
        "CancelTimerFailed",
        {"cause": "TIMER_ID_UNKNOWN", "decisionTaskCompletedEventId": 4, "timerId": "t"},
    )


def test_a_marker_is_recorded_and_schedules_nothing() -> None:
    events = Script().starts().decides(decision("RecordMarker", markerName="m", details=""))

    assert events == [
        ("MarkerRecorded", {"decisionTaskCompletedEventId": 4, "details": "", "markerName": "m"})
    ]


def test_a_child_is_initiated_with_its_own_defaults_and_started_outside() -> None:
    script = Script().starts(taskPriority="9")

    events = script.decides(CHILD)

    initiated = {
        "childPolicy": "ABANDON",
        "decisionTaskCompletedEventId": 4,
        "executionStartToCloseTimeout": "500",
        "taskList": {"name": "default"},
        "taskStartToCloseTimeout": "20",
        "workflowId": "c",
        "workflowType": WORKFLOW,
    }
    assert events == [("StartChildWorkflowExecutionInitiated", initiated)]
    assert script.across == [
        StartChild(parent={"workflowId": "w", "runId": "run"}, initiated=initiated, initiated_event_id=5)
    ]


WORKFLOW_VALUES = {
    "defaultExecutionStartToCloseTimeout": "DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED",
    "defaultTaskList": "DEFAULT_TASK_LIST_UNDEFINED",
    "defaultTaskStartToCloseTimeout": "DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED",
    "defaultChildPolicy": "DEFAULT_CHILD_POLICY_UNDEFINED",
}
CHILD_FAILURES = [
    ("no such type", {"workflow_types": {}}, "WORKFLOW_TYPE_DOES_NOT_EXIST"),
    (
        "deprecated",
        {"workflow_types": {"flow": KnownType(WORKFLOW_DEFAULTS, "DEPRECATED")}},
        "WORKFLOW_TYPE_DEPRECATED",
    ),
    ("too many open", {"open_executions": 100_000}, "OPEN_WORKFLOWS_LIMIT_EXCEEDED"),
    *(
        (name, {"workflow_types": {"flow": without(WORKFLOW_DEFAULTS, name)}}, cause)
        for name, cause in WORKFLOW_VALUES.items()
    ),
]


@pytest.mark.parametrize(
    ("around", "cause"), [case[1:] for case in CHILD_FAILURES], ids=[case[0] for case in CHILD_FAILURES]
)
def test_a_child_that_cannot_be_initiated_gives_its_cause(around: dict[str, Any], cause: str) -> None:
    events = Script(**around).starts().decides(CHILD)

    assert events[0] == (
        "StartChildWorkflowExecutionFailed",
        {
            "cause": cause,
            "decisionTaskCompletedEventId": 4,
            "initiatedEventId": 0,
            "workflowId": "c",
            "workflowType": WORKFLOW,
        },
    )


def test_an_external_signal_and_cancel_are_initiated_here_and_delivered_outside() -> None:
    script = Script().starts()

    events = script.decides(
        decision("SignalExternalWorkflowExecution", workflowId="o", signalName="s", runId="", input=""),
        decision("RequestCancelExternalWorkflowExecution", workflowId="o", runId="r", control="k"),
    )

    assert events == [
        (
            "SignalExternalWorkflowExecutionInitiated",
            {"decisionTaskCompletedEventId": 4, "input": "", "signalName": "s", "workflowId": "o"},
        ),
        (
            "RequestCancelExternalWorkflowExecutionInitiated",
            {"control": "k", "decisionTaskCompletedEventId": 4, "runId": "r", "workflowId": "o"},
        ),
    ]
    assert [(type(effect), effect.initiated_event_id) for effect in script.across] == [
        (SignalExternal, 5),
        (CancelExternal, 6),
    ]


CLOSES = [
    ("CompleteWorkflowExecution", {"result": ""}, "WorkflowExecutionCompleted", "COMPLETED"),
    ("FailWorkflowExecution", {"reason": "r", "details": "d"}, "WorkflowExecutionFailed", "FAILED"),
    ("CancelWorkflowExecution", {"details": "d"}, "WorkflowExecutionCanceled", "CANCELED"),
]


@pytest.mark.parametrize(("decision_type", "attributes", "event_type", "status"), CLOSES)
def test_a_close_decision_closes_although_things_are_open(
    decision_type: str, attributes: dict[str, Any], event_type: str, status: str
) -> None:
    script = Script().starts()
    script.decides(SCHEDULE, TIMER)
    script.happens(SIGNAL_SENT)

    events = script.decides(decision(decision_type, **attributes))

    assert events == [(event_type, {**attributes, "decisionTaskCompletedEventId": 10})]
    assert script.state.close_status == status
    assert (len(script.state.activities), len(script.state.timers)) == (1, 1)


@pytest.mark.parametrize("decision_type", [*(case[0] for case in CLOSES), "ContinueAsNewWorkflowExecution"])
def test_closing_decision_is_refused_while_a_signal_is_unread(decision_type: str) -> None:
    script = Script().starts().polled().happens(SIGNAL_SENT)

    events = script.decides(decision("RecordMarker", markerName="m"), decision(decision_type))

    verb = decision_type.removesuffix("WorkflowExecution")
    failed = {"cause": "UNHANDLED_DECISION", "decisionTaskCompletedEventId": 6}
    assert events[1] == (f"{verb}WorkflowExecutionFailed", failed)
    assert [name for name, _ in events] == ["MarkerRecorded", f"{verb}WorkflowExecutionFailed"]
    assert script.state.is_open


def test_continuing_as_new_takes_values_from_the_type_and_keeps_the_parent() -> None:
    parent = {"workflowId": "p", "runId": "pr"}
    script = Script().starts(parentWorkflowExecution=parent, parentInitiatedEventId=5, input="old")

    events = script.decides(decision("ContinueAsNewWorkflowExecution", workflowTypeVersion="2"))

    continued = {
        "childPolicy": "ABANDON",
        "decisionTaskCompletedEventId": 4,
        "executionStartToCloseTimeout": "500",
        "newExecutionRunId": "next-run",
        "taskList": {"name": "default"},
        "taskStartToCloseTimeout": "20",
        "workflowType": {"name": "flow", "version": "2"},
    }
    assert events == [("WorkflowExecutionContinuedAsNew", continued)]
    assert script.across == [
        StartNextRun(
            workflow_id="w",
            continued=continued,
            continued_run_id="run",
            parent=parent,
            parent_initiated_event_id=5,
        )
    ]


@pytest.mark.parametrize(
    ("around", "cause"),
    [case[1:] for case in CHILD_FAILURES if case[0] != "too many open"],
    ids=[case[0] for case in CHILD_FAILURES if case[0] != "too many open"],
)
def test_continuing_as_new_fails_with_its_cause(around: dict[str, Any], cause: str) -> None:
    script = Script(**around).starts()

    events = script.decides(decision("ContinueAsNewWorkflowExecution"))

    failed = {"cause": cause, "decisionTaskCompletedEventId": 4}
    assert events[0] == ("ContinueAsNewWorkflowExecutionFailed", failed)
    assert script.state.is_open


def test_a_lambda_function_fails_as_in_a_region_without_lambda() -> None:
    events = Script().starts().decides(decision("ScheduleLambdaFunction", id="l", name="f", input="x"))

    assert events[0] == (
        "ScheduleLambdaFunctionFailed",
        {
            "cause": "LAMBDA_SERVICE_NOT_AVAILABLE_IN_REGION",
            "decisionTaskCompletedEventId": 4,
            "id": "l",
            "name": "f",
        },
    )


def test_failed_decisions_are_followed_by_one_decision_task_after_the_whole_block() -> None:
    unknown = decision("CancelTimer", timerId="x")

    events = Script().starts().decides(unknown, decision("RecordMarker", markerName="m"), unknown)

    assert [name for name, _ in events] == [
        "CancelTimerFailed",
        "MarkerRecorded",
        "CancelTimerFailed",
        "DecisionTaskScheduled",
    ]

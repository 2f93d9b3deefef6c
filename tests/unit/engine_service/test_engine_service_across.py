"""Executions among themselves: children, child policies, continued runs, signals and cancels from outside."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.engine_service.engine_service_scene import (
    COMPLETE,
    DOMAIN,
    TYPE,
    Scene,
    child,
    decision,
)

CONTINUE = decision("ContinueAsNewWorkflowExecution", input="again")


def parent_of(scene: Scene, *decisions: dict[str, Any]) -> dict[str, str]:
    """A parent on a list of its own that has made these decisions."""
    parent = scene.start("p", taskList={"name": "parents"})
    scene.decide(*decisions, task_list="parents")
    return parent


def terminate(scene: Scene, workflow_id: str, **request: Any) -> None:
    scene.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId=workflow_id, **request)


def test_a_child_starts_and_its_parent_learns_of_it(scene: Scene) -> None:
    parent = parent_of(scene, child("c", input="i", control="k"))

    started = scene.open_run("c")

    assert scene.types(parent)[4:] == [
        "StartChildWorkflowExecutionInitiated",
        "ChildWorkflowExecutionStarted",
        "DecisionTaskScheduled",
    ]
    assert scene.last(parent, "ChildWorkflowExecutionStarted") == {
        "initiatedEventId": 5,
        "workflowExecution": started,
        "workflowType": TYPE,
    }
    first = scene.last(started, "WorkflowExecutionStarted")
    assert (first["parentInitiatedEventId"], first["parentWorkflowExecution"]) == (5, parent)
    assert (first["input"], "control" in first) == ("i", False)
    assert scene.describe(parent)["openCounts"]["openChildWorkflowExecutions"] == 1
    assert scene.describe(started)["executionInfo"]["parent"] == parent


ENDINGS = [
    (decision("CompleteWorkflowExecution", result="r"), "Completed", {"result": "r"}),
    (
        decision("FailWorkflowExecution", reason="r", details=""),
        "Failed",
        {"reason": "r", "details": ""},
    ),
    (decision("CancelWorkflowExecution", details="d"), "Canceled", {"details": "d"}),
]


@pytest.mark.parametrize(("ending", "suffix", "copied"), ENDINGS, ids=[case[1] for case in ENDINGS])
def test_a_parent_learns_how_its_child_closed(
    scene: Scene, ending: dict[str, Any], suffix: str, copied: dict[str, str]
) -> None:
    parent = parent_of(scene, child("c"))
    started = scene.open_run("c")

    scene.decide(ending)

    assert scene.last(parent, f"ChildWorkflowExecution{suffix}") == {
        **copied,
        "initiatedEventId": 5,
        "startedEventId": 6,
        "workflowExecution": started,
        "workflowType": TYPE,
    }
    assert scene.describe(parent)["openCounts"]["openChildWorkflowExecutions"] == 0


def test_a_parent_learns_of_a_terminated_and_of_a_timed_out_child(scene: Scene) -> None:
    parent = parent_of(scene, child("c1"), child("c2", executionStartToCloseTimeout="5"))

    terminate(scene, "c1")
    scene.pass_time(5.1)

    assert "workflowExecution" in scene.last(parent, "ChildWorkflowExecutionTerminated")
    assert scene.last(parent, "ChildWorkflowExecutionTimedOut")["timeoutType"] == "START_TO_CLOSE"


def test_a_child_with_a_taken_workflow_id_fails_after_it_was_initiated(scene: Scene) -> None:
    scene.start("c")
    parent = parent_of(scene, child("c", control="k"))

    assert scene.types(parent)[4:] == [
        "StartChildWorkflowExecutionInitiated",
        "StartChildWorkflowExecutionFailed",
        "DecisionTaskScheduled",
    ]
    assert scene.last(parent, "StartChildWorkflowExecutionFailed") == {
        "cause": "WORKFLOW_ALREADY_RUNNING",
        "control": "k",
        "decisionTaskCompletedEventId": 4,
        "initiatedEventId": 5,
        "workflowId": "c",
        "workflowType": TYPE,
    }


def test_a_parent_that_closed_first_gets_no_event_and_the_child_goes_on(scene: Scene) -> None:
    parent = parent_of(scene, child("c"), COMPLETE)

    assert scene.types(parent)[-2:] == ["StartChildWorkflowExecutionInitiated", "WorkflowExecutionCompleted"]
    started = scene.open_run("c")
    scene.decide(COMPLETE)

    assert scene.types(started)[-1] == "WorkflowExecutionCompleted"
    assert scene.types(parent)[-1] == "WorkflowExecutionCompleted"


def test_child_policy_terminate_reaches_grandchildren(scene: Scene) -> None:
    parent_of(scene, child("c", taskList={"name": "middle"}, childPolicy="TERMINATE"))
    scene.decide(child("g", childPolicy="ABANDON"), task_list="middle")
    middle, grandchild = scene.open_run("c"), scene.open_run("g")

    terminate(scene, "p")

    assert scene.last(middle, "WorkflowExecutionTerminated") == {
        "cause": "CHILD_POLICY_APPLIED",
        "childPolicy": "TERMINATE",
    }
    assert scene.last(grandchild, "WorkflowExecutionTerminated") == {
        "cause": "CHILD_POLICY_APPLIED",
        "childPolicy": "ABANDON",
    }


def test_child_policy_request_cancel_asks_the_child(scene: Scene) -> None:
    parent_of(scene, child("c"))
    started = scene.open_run("c")

    terminate(scene, "p", childPolicy="REQUEST_CANCEL")

    assert scene.last(started, "WorkflowExecutionCancelRequested") == {
        "cause": "CHILD_POLICY_APPLIED",
        "externalInitiatedEventId": 0,
    }


def test_child_policy_abandon_leaves_the_child_alone(scene: Scene) -> None:
    parent_of(scene, child("c"))
    started = scene.open_run("c")
    before = scene.types(started)

    terminate(scene, "p", childPolicy="ABANDON")

    assert scene.types(started) == before


def test_a_timed_out_parent_applies_its_own_policy(scene: Scene) -> None:
    scene.start("p", taskList={"name": "parents"}, executionStartToCloseTimeout="5", childPolicy="TERMINATE")
    scene.decide(child("c"), task_list="parents")
    started = scene.open_run("c")

    scene.pass_time(5.1)

    assert scene.types(started)[-1] == "WorkflowExecutionTerminated"


def test_a_run_continues_as_a_new_one(scene: Scene) -> None:
    first = scene.start()
    scene.decide(CONTINUE)
    second = scene.open_run("w")

    assert scene.last(first, "WorkflowExecutionContinuedAsNew")["newExecutionRunId"] == second["runId"]
    started = scene.last(second, "WorkflowExecutionStarted")
    assert started["continuedExecutionRunId"] == first["runId"]
    assert (started["input"], started["parentInitiatedEventId"]) == ("again", 0)
    assert scene.describe(first)["executionInfo"]["closeStatus"] == "CONTINUED_AS_NEW"
    assert scene.types(second) == ["WorkflowExecutionStarted", "DecisionTaskScheduled"]


def test_a_child_does_not_take_the_workflow_id_of_the_run_that_continues(scene: Scene) -> None:
    first = scene.start()

    scene.decide(child("w"), CONTINUE)

    second = scene.open_run("w")
    assert scene.last(second, "WorkflowExecutionStarted")["continuedExecutionRunId"] == first["runId"]
    assert scene.types(first)[-1] == "WorkflowExecutionContinuedAsNew"


def test_the_parent_of_a_continued_child_sees_only_its_last_run(scene: Scene) -> None:
    parent = parent_of(scene, child("c"))
    before = scene.types(parent)
    scene.decide(CONTINUE)
    last = scene.open_run("c")
    assert scene.types(parent) == before
    assert scene.last(last, "WorkflowExecutionStarted")["parentWorkflowExecution"] == parent

    scene.decide(COMPLETE)

    assert scene.last(parent, "ChildWorkflowExecutionCompleted")["workflowExecution"] == last


def test_child_policy_reaches_the_run_that_a_child_continued_as(scene: Scene) -> None:
    parent_of(scene, child("c"))
    scene.decide(CONTINUE)
    last = scene.open_run("c")

    terminate(scene, "p")

    assert scene.types(last)[-1] == "WorkflowExecutionTerminated"


def test_child_policy_spares_a_stranger_of_the_same_workflow_id(scene: Scene) -> None:
    parent_of(scene, child("c"), child("d"))
    terminate(scene, "c")
    stranger = scene.start("c")

    terminate(scene, "p")

    assert scene.types(stranger) == ["WorkflowExecutionStarted", "DecisionTaskScheduled"]


def test_a_signal_goes_from_one_execution_to_another(scene: Scene) -> None:
    target = scene.start("target", taskList={"name": "elsewhere"})
    source = scene.start()

    scene.decide(decision("SignalExternalWorkflowExecution", workflowId="target", signalName="s", input="i"))

    assert scene.last(target, "WorkflowExecutionSignaled") == {
        "externalInitiatedEventId": 5,
        "externalWorkflowExecution": source,
        "input": "i",
        "signalName": "s",
    }
    assert scene.last(source, "ExternalWorkflowExecutionSignaled") == {
        "initiatedEventId": 5,
        "workflowExecution": target,
    }
    assert scene.types(source)[-1] == "DecisionTaskScheduled"


def test_an_execution_signals_itself(scene: Scene) -> None:
    execution = scene.start()

    scene.decide(decision("SignalExternalWorkflowExecution", **execution, signalName="s"))

    assert scene.types(execution)[4:] == [
        "SignalExternalWorkflowExecutionInitiated",
        "WorkflowExecutionSignaled",
        "DecisionTaskScheduled",
        "ExternalWorkflowExecutionSignaled",
    ]


def test_a_cancel_request_goes_from_one_execution_to_another(scene: Scene) -> None:
    target = scene.start("target", taskList={"name": "elsewhere"})
    source = scene.start()

    scene.decide(decision("RequestCancelExternalWorkflowExecution", workflowId="target"))

    assert scene.last(target, "WorkflowExecutionCancelRequested") == {
        "externalInitiatedEventId": 5,
        "externalWorkflowExecution": source,
    }
    assert scene.last(source, "ExternalWorkflowExecutionCancelRequested") == {
        "initiatedEventId": 5,
        "workflowExecution": target,
    }


@pytest.mark.parametrize("why", ["unknown", "closed", "another run"])
@pytest.mark.parametrize(
    ("decision_type", "failed", "members"),
    [
        (
            "SignalExternalWorkflowExecution",
            "SignalExternalWorkflowExecutionFailed",
            {"signalName": "s"},
        ),
        ("RequestCancelExternalWorkflowExecution", "RequestCancelExternalWorkflowExecutionFailed", {}),
    ],
)
def test_a_target_that_is_not_there_is_reported(
    scene: Scene, why: str, decision_type: str, failed: str, members: dict[str, str]
) -> None:
    if why != "unknown":
        scene.start("target", taskList={"name": "elsewhere"})
    if why == "closed":
        terminate(scene, "target")
    if why == "another run":
        members = {**members, "runId": "no-such-run"}
    source = scene.start()

    scene.decide(decision(decision_type, workflowId="target", control="k", **members))

    expected = {
        "cause": "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
        "control": "k",
        "decisionTaskCompletedEventId": 4,
        "initiatedEventId": 5,
        "workflowId": "target",
    }
    if "runId" in members:
        expected["runId"] = members["runId"]
    assert scene.last(source, failed) == expected
    assert scene.types(source)[-1] == "DecisionTaskScheduled"

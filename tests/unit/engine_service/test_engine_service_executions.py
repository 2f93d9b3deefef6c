"""Executions from start to close: starts and their faults, signals, cancels, termination, descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowyd.engine.rules.settings import Quotas
from flowyd.engine.settings import ServiceSettings
from flowyd.swf.faults import (
    DefaultUndefinedFault,
    DomainDeprecatedFault,
    LimitExceededFault,
    SwfFault,
    TypeDeprecatedFault,
    UnknownResourceFault,
    ValidationException,
    WorkflowExecutionAlreadyStartedFault,
)
from tests.unit.engine_service.engine_service_scene import (
    COMPLETE,
    DOMAIN,
    TYPE,
    WORKFLOW_DEFAULTS,
    Scene,
    decision,
    schedule,
    timer,
)


def test_a_start_is_written_with_resolved_values_and_zeros_kept(scene: Scene) -> None:
    execution = scene.start(input="", tagList=["x"], executionStartToCloseTimeout="5", taskPriority="0")

    started = scene.history(execution)[0]

    assert started == {
        "eventId": 1,
        "eventTimestamp": scene.clock.now(),
        "eventType": "WorkflowExecutionStarted",
        "workflowExecutionStartedEventAttributes": {
            "childPolicy": "TERMINATE",
            "executionStartToCloseTimeout": "5",
            "input": "",
            "parentInitiatedEventId": 0,
            "tagList": ["x"],
            "taskList": {"name": "tl"},
            "taskPriority": "0",
            "taskStartToCloseTimeout": "30",
            "workflowType": TYPE,
        },
    }
    assert len(execution["runId"]) == 46


def start_faults(scene: Scene, **request: Any) -> SwfFault:
    with pytest.raises(SwfFault) as raised:
        scene.start(**request)
    return raised.value


def test_a_workflow_id_has_one_open_run(scene: Scene) -> None:
    first = scene.start()
    assert isinstance(start_faults(scene), WorkflowExecutionAlreadyStartedFault)
    scene.decide(COMPLETE)

    second = scene.start()

    assert first["runId"] != second["runId"]


def test_a_workflow_id_is_free_in_the_turn_in_which_its_run_closes(scene: Scene) -> None:
    scene.start()
    start = scene.make("StartWorkflowExecution", domain=DOMAIN, workflowId="w", workflowType=TYPE)
    scene.turn(scene.make("TerminateWorkflowExecution", domain=DOMAIN, workflowId="w"), start)

    assert "runId" in scene.answer(start)


@pytest.mark.parametrize(
    "missing",
    ["executionStartToCloseTimeout", "taskList", "taskStartToCloseTimeout", "childPolicy"],
)
def test_an_undefined_value_is_named(scene: Scene, missing: str) -> None:
    name = "default" + missing[0].upper() + missing[1:]
    defaults = {key: value for key, value in WORKFLOW_DEFAULTS.items() if key != name}
    scene.call("RegisterWorkflowType", domain=DOMAIN, name="bare", version="1", **defaults)

    with pytest.raises(DefaultUndefinedFault) as raised:
        scene.call(
            "StartWorkflowExecution",
            domain=DOMAIN,
            workflowId="w",
            workflowType={"name": "bare", "version": "1"},
        )

    assert raised.value.message == missing


def test_a_start_of_an_unknown_type_is_refused(scene: Scene) -> None:
    with pytest.raises(UnknownResourceFault) as raised:
        scene.call(
            "StartWorkflowExecution",
            domain=DOMAIN,
            workflowId="w",
            workflowType={"name": "no", "version": "2"},
        )

    assert raised.value.message == "Unknown type: WorkflowType=[name=no, version=2]"


def test_a_deprecated_type_and_domain_start_nothing(scene: Scene) -> None:
    scene.call("DeprecateWorkflowType", domain=DOMAIN, workflowType=TYPE)
    fault = start_faults(scene)
    assert (type(fault), fault.message) == (TypeDeprecatedFault, "WorkflowType=[name=t, version=1]")

    scene.call("DeprecateDomain", name=DOMAIN)

    assert (type(start_faults(scene)), start_faults(scene).message) == (DomainDeprecatedFault, DOMAIN)


def test_open_executions_of_a_domain_are_limited(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "e.db", settings=ServiceSettings(quotas=Quotas(open_executions=2)))
    scene.start("a")
    scene.start("b")
    assert isinstance(start_faults(scene, workflow_id="c"), LimitExceededFault)
    scene.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="a")

    scene.start("c")

    scene.reopen()
    assert isinstance(start_faults(scene, workflow_id="d"), LimitExceededFault)


def test_a_signal_from_the_api_has_external_event_id_0(scene: Scene) -> None:
    execution = scene.start()
    scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")

    assert scene.last(execution, "WorkflowExecutionSignaled") == {
        "externalInitiatedEventId": 0,
        "signalName": "s",
    }


def test_a_cancel_request_is_an_event_and_shows_while_the_execution_is_open(scene: Scene) -> None:
    execution = scene.start()
    scene.call("RequestCancelWorkflowExecution", domain=DOMAIN, workflowId="w")

    assert scene.last(execution, "WorkflowExecutionCancelRequested") == {"externalInitiatedEventId": 0}
    listed = scene.call("ListOpenWorkflowExecutions", domain=DOMAIN, startTimeFilter={"oldestDate": 0})
    assert listed["executionInfos"][0]["cancelRequested"] is True
    assert scene.describe(execution)["executionInfo"]["cancelRequested"] is True

    scene.decide(decision("CancelWorkflowExecution"))

    assert scene.describe(execution)["executionInfo"]["cancelRequested"] is False
    listed = scene.call("ListClosedWorkflowExecutions", domain=DOMAIN, closeTimeFilter={"oldestDate": 0})
    assert listed["executionInfos"][0]["cancelRequested"] is False


def test_termination_closes_with_the_given_policy_and_cause(scene: Scene) -> None:
    execution = scene.start()
    scene.call(
        "TerminateWorkflowExecution",
        domain=DOMAIN,
        workflowId="w",
        runId=execution["runId"],
        reason="",
        childPolicy="ABANDON",
    )

    assert scene.last(execution, "WorkflowExecutionTerminated") == {
        "cause": "OPERATOR_INITIATED",
        "childPolicy": "ABANDON",
        "reason": "",
    }


NEED_OPEN = [
    ("SignalWorkflowExecution", {"signalName": "s"}),
    ("RequestCancelWorkflowExecution", {}),
    ("TerminateWorkflowExecution", {}),
]


@pytest.mark.parametrize(("action", "members"), NEED_OPEN, ids=[action for action, _ in NEED_OPEN])
def test_a_closed_execution_is_unknown(scene: Scene, action: str, members: dict[str, str]) -> None:
    execution = scene.start()
    scene.decide(COMPLETE)

    with pytest.raises(UnknownResourceFault) as with_run:
        scene.call(action, domain=DOMAIN, **execution, **members)
    with pytest.raises(UnknownResourceFault) as without_run:
        scene.call(action, domain=DOMAIN, workflowId="w", **members)

    assert with_run.value.message == (
        f"Unknown execution: WorkflowExecution=[workflowId=w, runId={execution['runId']}]"
    )
    assert without_run.value.message == "Unknown execution, workflowId = w"


def test_the_run_id_of_an_older_run_does_not_reach_the_open_one(scene: Scene) -> None:
    older = scene.start()
    scene.decide(COMPLETE)
    newer = scene.start()

    with pytest.raises(UnknownResourceFault):
        scene.call("SignalWorkflowExecution", domain=DOMAIN, **older, signalName="s")

    assert "WorkflowExecutionSignaled" not in scene.types(newer)


def test_an_unknown_domain_is_named(scene: Scene) -> None:
    with pytest.raises(UnknownResourceFault, match="Unknown domain: nowhere"):
        scene.call("PollForActivityTask", domain="nowhere", taskList={"name": "x"})


def test_a_description_counts_what_is_open_and_goes_on_doing_so_after_the_close(scene: Scene) -> None:
    execution = scene.start()
    assert scene.describe(execution)["openCounts"]["openDecisionTasks"] == 1
    task = scene.poll()
    assert scene.describe(execution)["openCounts"]["openDecisionTasks"] == 0
    scene.call(
        "RespondDecisionTaskCompleted",
        taskToken=task["taskToken"],
        decisions=[schedule("a"), timer("t", 100)],
        executionContext="",
    )
    scene.clock.advance(1.25)
    scene.poll("Activity")
    scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")
    scene.decide(COMPLETE)

    described = scene.describe(execution)

    assert described["openCounts"] == {
        "openActivityTasks": 1,
        "openChildWorkflowExecutions": 0,
        "openDecisionTasks": 0,
        "openLambdaFunctions": 0,
        "openTimers": 1,
    }
    assert described["latestExecutionContext"] == ""
    assert described["latestActivityTaskTimestamp"] == scene.clock.now()
    assert described["executionInfo"]["closeStatus"] == "COMPLETED"
    assert described["executionConfiguration"] == {
        "childPolicy": "TERMINATE",
        "executionStartToCloseTimeout": "1000",
        "taskList": {"name": "tl"},
        "taskStartToCloseTimeout": "30",
    }


def test_an_execution_context_is_kept_by_completions_without_one(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(executionContext="kept")
    scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")
    scene.decide()

    assert scene.describe(execution)["latestExecutionContext"] == "kept"


def test_histories_are_read_in_pages_both_ways(scene: Scene) -> None:
    execution = scene.start()
    for _ in range(5):
        scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")

    for reverse in (False, True):
        ids, request = [], {"reverseOrder": reverse, "maximumPageSize": 3}
        while True:
            page = scene.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution, **request)
            ids.append([event["eventId"] for event in page["events"]])
            if "nextPageToken" not in page:
                break
            request["nextPageToken"] = page["nextPageToken"]
        expected = [[7, 6, 5], [4, 3, 2], [1]] if reverse else [[1, 2, 3], [4, 5, 6], [7]]
        assert ids == expected


def test_a_page_token_of_another_execution_is_invalid(scene: Scene) -> None:
    one, other = scene.start("a"), scene.start("b")
    page = scene.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=one, maximumPageSize=1)

    with pytest.raises(ValidationException, match="Invalid token"):
        scene.history(other, nextPageToken=page["nextPageToken"])


def test_an_answer_ends_before_it_becomes_too_long(scene: Scene) -> None:
    execution = scene.start()
    signal = {"domain": DOMAIN, "workflowId": "w", "signalName": "s", "input": "x" * 32_768}
    scene.turn(*(scene.make("SignalWorkflowExecution", **signal) for _ in range(200)))

    page = scene.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution)

    assert 100 < len(page["events"]) < 200
    assert "nextPageToken" in page


def test_an_execution_at_the_limit_of_its_history_is_terminated(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "e.db", settings=ServiceSettings(quotas=Quotas(history_events=10)))
    execution = scene.start()

    for _ in range(8):
        scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")

    assert scene.last(execution, "WorkflowExecutionTerminated")["cause"] == "EVENT_LIMIT_EXCEEDED"

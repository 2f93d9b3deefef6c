"""An errand gives back what a dead worker had not begun; where it cannot, that is failed, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowyd.config.records import Backend, Swf
from flowyd.control.in_hand import GivenAnswer
from flowyd.swf.lean import LeanClient
from flowyd.worker.activity_worker import task_in_hand
from flowyd.worker.errand import run_errand
from flowyd.worker.spec import NOT_BEGUN, Errand, Obituary, ServiceSpec
from tests.contract.engine_process import EngineProcess
from tests.contract.test_contract_answering import event_types, fresh_domain, schedule_and_poll
from tests.contract.test_contract_clients import activities, decisions, start

pytestmark = pytest.mark.usefixtures("logs_as_before")


REASON = f"{NOT_BEGUN}: killed by SIGKILL (pool images, pid 4711)"


@pytest.fixture
def lean(engine: EngineProcess) -> LeanClient:
    return LeanClient(engine.unix)


@pytest.fixture
def domain(lean: LeanClient, request: pytest.FixtureRequest) -> str:
    return fresh_domain(lean, request.node.name)


def task_of(lean: LeanClient, domain: str, poll_id: str) -> dict[str, Any]:
    """An activity task that this poll was given."""
    start(lean, domain)
    token = lean.call("PollForDecisionTask", decisions(domain))["taskToken"]
    task = schedule_and_poll(lean, domain, token, poll_id).finish()
    assert task is not None
    return task


def not_begun(task: dict[str, Any], came_with: str) -> Obituary:
    return Obituary(task=task_in_hand(task), reason=REASON, came_with=came_with)


def test_a_task_that_is_given_back_is_handed_out_again_as_it_was(
    engine: EngineProcess, lean: LeanClient, domain: str
) -> None:
    task = task_of(lean, domain, "p1")

    service = ServiceSpec(domain=domain, engine_socket=engine.socket)
    code = run_errand(Errand(service=service, obituaries=(not_begun(task, "p1"),)))
    again = lean.call("PollForActivityTask", activities(domain))

    assert code == 0
    assert {**again, "taskToken": ""} == {**task, "taskToken": ""}
    types = event_types(lean, domain, task)
    assert types[-2:] == ["ActivityTaskScheduled", "ActivityTaskStarted"]
    # Dead workers' files tell hand-outs apart by it.
    assert again["taskToken"] != task["taskToken"]


@pytest.mark.parametrize("was_read", [False, True])
def test_a_task_is_answered_as_its_worker_had_answered_it(
    engine: EngineProcess, lean: LeanClient, domain: str, was_read: bool
) -> None:
    task = task_of(lean, domain, "p5")
    answer = GivenAnswer(
        action="RespondActivityTaskCompleted", request={"taskToken": task["taskToken"], "result": "7"}
    )
    if was_read:
        lean.call(answer.action, answer.request)

    service = ServiceSpec(domain=domain, engine_socket=engine.socket)
    obituary = Obituary(task=task_in_hand(task), reason="worker died", answer=answer)
    code = run_errand(Errand(service=service, obituaries=(obituary,)))

    assert code == 0
    types = event_types(lean, domain, task)
    assert types.count("ActivityTaskCompleted") == 1
    assert "ActivityTaskFailed" not in types


def test_a_poll_whose_task_was_given_back_may_be_repeated(
    engine: EngineProcess, lean: LeanClient, domain: str
) -> None:
    task = task_of(lean, domain, "p3")
    service = ServiceSpec(domain=domain, engine_socket=engine.socket)
    run_errand(Errand(service=service, obituaries=(not_begun(task, "p3"),)))

    again = lean.begin_poll("PollForActivityTask", activities(domain), "p3").finish()

    assert again is not None
    assert again["startedEventId"] == task["startedEventId"]


def test_a_task_that_another_poll_has_meanwhile_is_left_to_it(
    engine: EngineProcess, lean: LeanClient, domain: str
) -> None:
    task = task_of(lean, domain, "p2")

    service = ServiceSpec(domain=domain, engine_socket=engine.socket)
    code = run_errand(Errand(service=service, obituaries=(not_begun(task, "p1"),)))
    lean.call("RespondActivityTaskCompleted", {"taskToken": task["taskToken"]})

    assert code == 0
    assert "ActivityTaskFailed" not in event_types(lean, domain, task)


def test_a_task_is_failed_where_it_cannot_be_given_back(
    engine: EngineProcess, lean: LeanClient, domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at Amazon SWF, whose client has its own operations only."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    task = task_of(lean, domain, "p4")

    swf = Swf(backend=Backend.AWS, region="us-east-1", endpoint_url=engine.http)
    service = ServiceSpec(domain=domain, engine_socket=Path("none"), swf=swf)
    code = run_errand(Errand(service=service, obituaries=(not_begun(task, "p4"),)))

    assert code == 0
    request = {"domain": domain, "execution": task["workflowExecution"]}
    events = lean.call("GetWorkflowExecutionHistory", request)["events"]
    [failed] = [each for each in events if each["eventType"] == "ActivityTaskFailed"]
    assert failed["activityTaskFailedEventAttributes"]["reason"] == REASON

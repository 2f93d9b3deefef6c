"""The decision worker against a real engine, through every client: what becomes of code that it gives up."""

from __future__ import annotations

import pytest

from flowyd import Workflow, workflow
from flowyd.sdk.registry import WorkflowRegistration, registration_of
from flowyd.swf.client import PollingClient
from flowyd.worker.decision_worker import DecisionWorker
from flowyd.worker.reporting import Reporter
from flowyd.worker.stopping import StopSignal

#: What the code under test tells of itself.
told: list[str] = []


@workflow("workflow", 1, "decisions")
class Waiting(Workflow):
    def run(self) -> object:
        try:
            return self.signal("never").result()
        finally:
            told.append("left")


def decide(client: PollingClient, domain: str) -> None:
    """One decision task, decided by a worker."""
    registration = registration_of(Waiting)
    assert isinstance(registration, WorkflowRegistration)
    DecisionWorker(
        client,
        {("workflow", "1"): registration},
        domain=domain,
        task_list="decisions",
        sticky_list=None,
        identity="test",
        title="test",
        reporter=Reporter(None),
        stop=StopSignal(),
    ).run(most_tasks=1)


def test_code_that_does_not_fit_its_history_is_left_at_once(
    client: PollingClient, domain: str, caplog: pytest.LogCaptureFixture
) -> None:
    told.clear()
    execution = {"workflowId": "unfit", "workflowType": {"name": "workflow", "version": "1"}}
    client.call("StartWorkflowExecution", {"domain": domain, "input": "[[], {}]", **execution})
    poll = {"domain": domain, "taskList": {"name": "decisions"}}
    token = client.call("PollForDecisionTask", poll)["taskToken"]
    activity = {"activityId": "other", "activityType": {"name": "activity", "version": "1"}}
    decision = {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": activity,
    }
    client.call("RespondDecisionTaskCompleted", {"taskToken": token, "decisions": [decision]})
    client.call("SignalWorkflowExecution", {"domain": domain, "workflowId": "unfit", "signalName": "other"})

    decide(client, domain)

    assert "nothing of the kind any more" in caplog.text
    assert told == ["left"]


def test_code_that_waits_tells_for_what_and_is_left_when_its_worker_ends(
    client: PollingClient, domain: str
) -> None:
    told.clear()
    execution = {"workflowId": "fit", "workflowType": {"name": "workflow", "version": "1"}}
    client.call("StartWorkflowExecution", {"domain": domain, "input": "[[], {}]", **execution})

    decide(client, domain)

    history = client.call("DescribeWorkflowExecution", {"domain": domain, "execution": _open(client, domain)})
    assert "signal never-0" in history["latestExecutionContext"]
    assert told == ["left"]


def _open(client: PollingClient, domain: str) -> dict[str, str]:
    request = {"domain": domain, "startTimeFilter": {"oldestDate": 0}}
    (found,) = client.call("ListOpenWorkflowExecutions", request)["executionInfos"]
    execution: dict[str, str] = found["execution"]
    return execution

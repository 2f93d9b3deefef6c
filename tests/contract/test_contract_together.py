"""A decision worker answers several tasks in one message to an engine that is killed in the middle of it.

Whatever the engine had read, carried out and answered by then: each execution has its one decision, made
once, and no task waits for its timeout.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from flowyd import Workflow, workflow
from flowyd.sdk.registry import WorkflowRegistration, registration_of
from flowyd.swf.lean import LeanClient
from flowyd.worker.decision_worker import DecisionWorker
from flowyd.worker.reporting import Reporter
from flowyd.worker.stopping import StopSignal
from tests.contract.cutting import CuttingProxy
from tests.contract.engine_process import EngineProcess
from tests.contract.test_contract_clients import lean_domain, start

#: How many tasks come in each message to a worker whose decisions take no time, and those of them all.
MESSAGES = (1, 1, 1, 2, 3, 4)
NAMES = [f"w{number}" for number in range(sum(MESSAGES))]
#: The message that is cut: the answers to the tasks of that before the last, and a poll for the last ones.
CUT = 3

ONCE = [
    "WorkflowExecutionStarted",
    "DecisionTaskScheduled",
    "DecisionTaskStarted",
    "DecisionTaskCompleted",
    "WorkflowExecutionCompleted",
]

MOMENTS = [(requests, answers) for requests in range(CUT + 1) for answers in range(requests + 1)]


@pytest.mark.parametrize(
    ("requests", "answers"), MOMENTS, ids=[f"{r} carried out, {a} told" for r, a in MOMENTS]
)
def test_each_task_is_decided_once_whenever_the_engine_is_killed(
    own_engine: EngineProcess, tmp_path: Path, requests: int, answers: int
) -> None:
    client = LeanClient(own_engine.unix)
    lean_domain(client, "d")
    for name in NAMES:
        start(client, "d", name, input=f'[["{name}"], {{}}]')

    def kill() -> None:
        own_engine.kill()
        own_engine.start()

    proxy = CuttingProxy(
        tmp_path / "proxy.sock", own_engine.socket, at=CUT, requests=requests, answers=answers, cut=kill
    )
    with proxy:
        decided = decide_all(LeanClient(proxy.endpoint))

    assert proxy.has_cut
    assert decided == dict.fromkeys(NAMES, 1)
    assert closed(client) == dict.fromkeys(NAMES, ONCE)


def decide_all(client: LeanClient) -> Counter[str]:
    """How often each execution was decided by a worker that ends when it has seen all."""
    decided: Counter[str] = Counter()
    stop = StopSignal()

    @workflow("workflow", 1, "decisions")
    class Once(Workflow):
        def run(self, name: str) -> str:
            decided[name] += 1
            if len(decided) == len(NAMES):
                stop.request()
            return name

    registration = registration_of(Once)
    assert isinstance(registration, WorkflowRegistration)
    DecisionWorker(
        client,
        {("workflow", "1"): registration},
        domain="d",
        task_list="decisions",
        sticky_list="own",
        identity="test",
        title="test",
        reporter=Reporter(None),
        stop=stop,
        now=lambda: 0.0,
    ).run()
    return decided


def closed(client: LeanClient) -> dict[str, list[str]]:
    """The event types of closed executions."""
    listing = {"domain": "d", "startTimeFilter": {"oldestDate": 0}}
    found = {}
    for info in client.call("ListClosedWorkflowExecutions", listing)["executionInfos"]:
        request = {"domain": "d", "execution": info["execution"]}
        events = client.call("GetWorkflowExecutionHistory", request)["events"]
        found[info["execution"]["workflowId"]] = [event["eventType"] for event in events]
    return found

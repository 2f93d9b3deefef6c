"""One engine for the contract suite, and both clients to it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowyd.swf.boto import BotoClient
from flowyd.swf.client import PollingClient
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine whose polls end after two seconds."""
    engine = EngineProcess(
        tmp_path_factory.mktemp("engine"), ("--any-credentials", "--limit", "poll=2s")
    ).start()
    yield engine
    assert engine.stop() == 0


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine that the test may kill."""
    engine = EngineProcess(tmp_path).start()
    yield engine
    if engine.is_running:
        engine.kill()


@pytest.fixture(params=["lean", "lean over TCP", "boto"])
def client(
    request: pytest.FixtureRequest, engine: EngineProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PollingClient]:
    """A client of that engine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    made: PollingClient
    if request.param == "boto":
        made = BotoClient(region="us-east-1", endpoint_url=engine.http)
    else:
        made = LeanClient(engine.unix if request.param == "lean" else engine.http)
    yield made
    made.close()


@pytest.fixture
def domain(client: PollingClient) -> str:
    """A fresh domain with a workflow type and an activity type."""
    name = f"domain-{uuid.uuid4()}"
    client.call("RegisterDomain", {"name": name, "workflowExecutionRetentionPeriodInDays": "1"})
    client.call(
        "RegisterWorkflowType",
        {
            "domain": name,
            "name": "workflow",
            "version": "1",
            "defaultTaskList": {"name": "decisions"},
            "defaultChildPolicy": "TERMINATE",
            "defaultTaskStartToCloseTimeout": "60",
            "defaultExecutionStartToCloseTimeout": "600",
        },
    )
    client.call(
        "RegisterActivityType",
        {
            "domain": name,
            "name": "activity",
            "version": "1",
            "defaultTaskList": {"name": "activities"},
            "defaultTaskScheduleToStartTimeout": "60",
            "defaultTaskScheduleToCloseTimeout": "NONE",
            "defaultTaskStartToCloseTimeout": "60",
            "defaultTaskHeartbeatTimeout": "NONE",
        },
    )
    return name

"""A disk that is really full: a tiny file system for the database of a real engine.

Needs leave to mount a tmpfs; the same rules without it are in the unit tests of the store.
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowyd.swf.faults import InternalFailure
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess

_DOMAIN = "disk"
_SIZE = "8m"
#: More than two thirds: what is written must fit three times, in both logs and the file, once this is gone.
_BALLAST_BYTES = 6 * 2**20
_INPUT = "x" * 16_000

Calling = Callable[..., dict[str, Any]]
_TIMEOUT = "600"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no leave to mount a tmpfs: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def engine(disk: Path) -> Iterator[EngineProcess]:
    """An engine whose files are all on that disk."""
    engine = EngineProcess(disk).start()
    yield engine
    if engine.is_running:
        engine.kill()


@pytest.fixture
def call(engine: EngineProcess) -> Iterator[Calling]:
    """Calls the engine; it has a domain, a workflow type and an open execution `w`."""
    client = LeanClient(engine.unix)

    def call(action: str, **request: Any) -> dict[str, Any]:
        return client.call(action, request)

    call("RegisterDomain", name=_DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    call(
        "RegisterWorkflowType",
        domain=_DOMAIN,
        name="workflow",
        version="1",
        defaultTaskList={"name": "decisions"},
        defaultChildPolicy="TERMINATE",
        defaultTaskStartToCloseTimeout=_TIMEOUT,
        defaultExecutionStartToCloseTimeout=_TIMEOUT,
    )
    yield call
    client.close()


def start(call: Calling) -> dict[str, str]:
    workflow_type = {"name": "workflow", "version": "1"}
    started = call("StartWorkflowExecution", domain=_DOMAIN, workflowId="w", workflowType=workflow_type)
    return {"workflowId": "w", "runId": started["runId"]}


def signal(call: Calling, name: str) -> None:
    call("SignalWorkflowExecution", domain=_DOMAIN, workflowId="w", signalName=name, input=_INPUT)


def signals(call: Calling, execution: dict[str, str]) -> list[str]:
    """Names of the signals in the history, in order."""
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = call("GetWorkflowExecutionHistory", domain=_DOMAIN, execution=execution, **more)
        found += [
            event["workflowExecutionSignaledEventAttributes"]["signalName"]
            for event in page["events"]
            if event["eventType"] == "WorkflowExecutionSignaled"
        ]
        if "nextPageToken" not in page:
            return found
        more = {"nextPageToken": page["nextPageToken"]}


@contextlib.contextmanager
def filled(call: Calling, disk: Path, acknowledged: list[str]) -> Iterator[None]:
    """The engine fills what something else has left; that goes away at the end."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(_BALLAST_BYTES))
    try:
        signal_until_refused(call, acknowledged)
        yield
    finally:
        ballast.unlink()


def signal_until_refused(call: Calling, acknowledged: list[str]) -> None:
    """Signals one after the other until the disk is full."""
    for number in range(len(acknowledged), 10_000):
        try:
            signal(call, f"s{number}")
        except InternalFailure:
            return
        acknowledged.append(f"s{number}")
    raise AssertionError("the disk does not get full")


def test_on_a_full_disk_writes_get_the_fault_and_reads_go_on(call: Calling, disk: Path) -> None:
    execution = start(call)
    acknowledged: list[str] = []

    with filled(call, disk, acknowledged):
        with pytest.raises(InternalFailure, match="cannot write its database"):
            signal(call, "refused")
        assert signals(call, execution) == acknowledged
        everything = {"oldestDate": 0}
        counted = call("CountOpenWorkflowExecutions", domain=_DOMAIN, startTimeFilter=everything)
        assert counted == {"count": 1, "truncated": False}
        listed = call("ListOpenWorkflowExecutions", domain=_DOMAIN, startTimeFilter=everything)
        assert listed["executionInfos"][0]["execution"] == execution
        described = call("DescribeWorkflowExecution", domain=_DOMAIN, execution=execution)
        assert described["executionInfo"]["executionStatus"] == "OPEN"


def test_an_engine_that_filled_its_disk_goes_on_when_space_returns(
    call: Calling, engine: EngineProcess, disk: Path
) -> None:
    execution = start(call)
    acknowledged: list[str] = []
    with filled(call, disk, acknowledged):
        pass

    signal_until_refused(call, acknowledged)

    assert signals(call, execution) == acknowledged
    engine.kill()
    engine.start()
    assert signals(call, execution) == acknowledged


def test_after_a_full_disk_the_file_is_sound_and_the_log_is_gone(
    call: Calling, engine: EngineProcess, disk: Path
) -> None:
    execution = start(call)
    acknowledged: list[str] = []
    with filled(call, disk, acknowledged):
        pass

    assert engine.stop() == 0

    assert not (disk / "engine.db-wal").exists()
    with contextlib.closing(sqlite3.connect(disk / "engine.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    engine.start()
    assert signals(call, execution) == acknowledged


def test_an_engine_killed_on_a_full_disk_starts_there_and_answers_reads(
    call: Calling, engine: EngineProcess, disk: Path
) -> None:
    execution = start(call)
    acknowledged: list[str] = []

    with filled(call, disk, acknowledged):
        engine.kill()
        engine.start()
        assert signals(call, execution) == acknowledged
        with pytest.raises(InternalFailure, match="cannot write its database"):
            signal_some(call)

    signal(call, "after")
    assert signals(call, execution)[-1] == "after"


def signal_some(call: Calling) -> None:
    """A new engine may find room for a little in what its files have already."""
    for _ in range(100):
        signal(call, "more")


def test_a_timer_that_runs_out_while_the_disk_is_full_fires_when_space_returns(
    call: Calling, disk: Path
) -> None:
    start(call)
    decisions = {"domain": _DOMAIN, "taskList": {"name": "decisions"}, "reverseOrder": True}
    task = call("PollForDecisionTask", **decisions)
    timer = {"timerId": "t", "startToFireTimeout": "1"}
    decision = {"decisionType": "StartTimer", "startTimerDecisionAttributes": timer}
    call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[decision])

    with filled(call, disk, []):
        # What is read meanwhile shows that the engine lives on with a deadline that it cannot meet.
        while time.time() < task["events"][0]["eventTimestamp"] + 2.5:
            assert call("CountPendingDecisionTasks", domain=_DOMAIN, taskList=decisions["taskList"])
            time.sleep(0.1)
    fired = types_until(call, decisions, "TimerFired")

    assert fired.count("TimerFired") == 1


def types_until(call: Calling, decisions: dict[str, Any], event_type: str) -> list[str]:
    """Types of the events of the next decision tasks, until one of this type is among them."""
    while True:
        task = call("PollForDecisionTask", **decisions)
        types = [event["eventType"] for event in task["events"]]
        if event_type in types:
            return types
        call("RespondDecisionTaskCompleted", taskToken=task["taskToken"])

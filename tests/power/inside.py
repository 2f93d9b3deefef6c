"""Runs on the machine whose power is cut: `inside.py write DURABILITY` before it, `inside.py check` after.

`write` starts an engine and calls it until the power is gone, and says `acknowledged N` after the n-th
execution was started and signalled. `check` starts the engine on what the disk kept and says `kept N`: the
executions are there with their signals, without a gap, and SQLite's own check finds the file sound.
"""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "libraries"))

from flowyd.swf.faults import UnknownResourceFault
from flowyd.swf.lean import LeanClient

_FOLDER = Path("/var/lib/flowyd-power")
_DOMAIN = "power"
_TYPE = {"name": "power", "version": "1"}
_DECISION = {"decisionType": "RecordMarker", "recordMarkerDecisionAttributes": {"markerName": "decided"}}
_EVENTS = [
    "WorkflowExecutionStarted",
    "DecisionTaskScheduled",
    "WorkflowExecutionSignaled",
    "DecisionTaskStarted",
    "DecisionTaskCompleted",
    "MarkerRecorded",
]


def engine(durability: str) -> tuple[subprocess.Popen[str], LeanClient]:
    """An engine that is ready, and a client to it."""
    command = [sys.executable, "-m", "flowyd", "engine", "--socket", str(_FOLDER / "engine.sock")]
    command += ["--database", str(_FOLDER / "engine.db"), "--durability", durability]
    libraries = str(Path(__file__).resolve().parent / "libraries")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": libraries})
    assert process.stdout is not None
    line = process.stdout.readline()
    assert " ready on " in line, line
    return process, LeanClient(f"unix://{_FOLDER / 'engine.sock'}")


def write(durability: str) -> None:
    """Starts executions, signals them and decides them once, until the power is gone.

    The decision task is handed out before it is on disk, and is written together with the answer to it.
    """
    _FOLDER.mkdir(parents=True)
    _, client = engine(durability)
    client.call("RegisterDomain", {"name": _DOMAIN, "workflowExecutionRetentionPeriodInDays": "1"})
    client.call(
        "RegisterWorkflowType",
        {
            "domain": _DOMAIN,
            **_TYPE,
            "defaultTaskList": {"name": "decisions"},
            "defaultChildPolicy": "TERMINATE",
            "defaultTaskStartToCloseTimeout": "600",
            "defaultExecutionStartToCloseTimeout": "86400",
        },
    )
    for number in itertools.count(1):
        of_run = {"domain": _DOMAIN, "workflowId": f"w{number}"}
        client.call("StartWorkflowExecution", {**of_run, "workflowType": _TYPE, "input": "x" * 500})
        client.call("SignalWorkflowExecution", {**of_run, "signalName": f"s{number}"})
        task = client.call("PollForDecisionTask", {"domain": _DOMAIN, "taskList": {"name": "decisions"}})
        client.call(
            "RespondDecisionTaskCompleted", {"taskToken": task["taskToken"], "decisions": [_DECISION]}
        )
        print("acknowledged", number, flush=True)


def check() -> None:
    """Says what is there."""
    process, client = engine("full")
    kept = next(number for number in itertools.count(1) if not is_whole(client, number)) - 1
    process.terminate()
    assert process.wait(timeout=120) == 0
    with closing(sqlite3.connect(_FOLDER / "engine.db")) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchall()
        count = connection.execute("SELECT count(*) FROM execution").fetchone()[0]
    assert found == [("ok",)], found
    # The last one may be started and not decided.
    assert count - kept in (0, 1), (count, kept)
    print("kept", kept, flush=True)


def is_whole(client: LeanClient, number: int) -> bool:
    """Whether the n-th execution is there with its signal and its decision."""
    named = {"domain": _DOMAIN, "executionFilter": {"workflowId": f"w{number}"}}
    try:
        found = client.call("ListOpenWorkflowExecutions", {**named, "startTimeFilter": {"oldestDate": 0}})
    except UnknownResourceFault:
        return False
    if not found["executionInfos"]:
        return False
    execution = found["executionInfos"][0]["execution"]
    history = client.call("GetWorkflowExecutionHistory", {"domain": _DOMAIN, "execution": execution})
    types = [event["eventType"] for event in history["events"]]
    return types == _EVENTS


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2])
    else:
        check()

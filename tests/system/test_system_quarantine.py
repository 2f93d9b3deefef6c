"""A task that kills its workers, on a real daemon: held, then released, failed, or given a higher limit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from running_daemon import RunningDaemon, until

POISON = """
import os, signal
from pathlib import Path
from flowyd import Activity, activity

@activity("poison", 1, "work", start_to_close=60)
class Poison(Activity):
    def run(self, folder):
        with open(Path(folder, "tries"), "a") as tries:
            tries.write("x")
        if not Path(folder, "cured").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return "cured"
"""

FLOW = """
from flowyd import ActivityProxy, RetryPolicy, Workflow, workflow

@workflow("poisoned", 1, "decide")
class Poisoned(Workflow):
    again = RetryPolicy(maximum_attempts=9, first_interval_s=0, jitter=0)
    poison = ActivityProxy("poison", 1, retry_policy=again)

    def run(self, folder):
        return self.poison(folder)
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    daemon = RunningDaemon(tmp_path)
    (tmp_path / "activities" / "poison.py").write_text(POISON)
    (tmp_path / "workflows" / "poisoned.py").write_text(FLOW)
    daemon.configure(more="quarantine_deaths = 2\n")
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.destroy()


def quarantined(daemon: RunningDaemon) -> Any:
    """The one quarantined task, once an attempt of it is held."""
    return until(lambda: next((task for task in daemon.status().quarantined if task.held), None))


def tries(folder: Path) -> int:
    return len((folder / "tries").read_text())


def flowyd(daemon: RunningDaemon, *words: str) -> str:
    command = [sys.executable, "-m", "flowyd", "--config", str(daemon.config), "quarantine", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


def test_an_attempt_beyond_the_limit_is_held_and_runs_when_it_is_released(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    execution = daemon.begin("poisoned", str(tmp_path))
    task = quarantined(daemon)
    assert (task.type_name, task.deaths, task.last_death) == ("poison", 2, "killed by SIGKILL")
    assert tries(tmp_path) == 2
    assert "poison 1" in flowyd(daemon)

    (tmp_path / "cured").touch()
    printed = flowyd(daemon, "release", task.key[:6])

    assert "1 open attempt" in printed
    result = daemon.close_of(execution)["workflowExecutionCompletedEventAttributes"]["result"]
    assert json.loads(result) == "cured"
    assert tries(tmp_path) == 3
    assert daemon.status().quarantined == ()


def test_a_failed_one_ends_by_the_workflows_own_rules(daemon: RunningDaemon, tmp_path: Path) -> None:
    execution = daemon.begin("poisoned", str(tmp_path))
    task = quarantined(daemon)

    daemon.ask("quarantine-fail", key=task.key)

    closed = daemon.close_of(execution)
    assert closed["eventType"] == "WorkflowExecutionFailed"
    reasons = [
        event["activityTaskFailedEventAttributes"]["reason"]
        for event in daemon.history(execution)
        if event["eventType"] == "ActivityTaskFailed"
    ]
    assert reasons[2:] == ["quarantined: killed its worker 2 times"] * 7
    assert tries(tmp_path) == 2


def test_a_held_attempt_outlives_the_daemon(daemon: RunningDaemon, tmp_path: Path) -> None:
    execution = daemon.begin("poisoned", str(tmp_path))
    key = quarantined(daemon).key
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    daemon.start()

    (tmp_path / "cured").touch()
    daemon.ask("quarantine-raise", key=key, limit=3)

    assert daemon.close_of(execution)["eventType"] == "WorkflowExecutionCompleted"


def test_the_stop_report_tells_each_tasks_fate(daemon: RunningDaemon, tmp_path: Path) -> None:
    done, killed = tmp_path / "done", tmp_path / "killed"
    for folder in (done, killed):
        folder.mkdir()
        daemon.begin("through", str(folder), 1, workflow_id=folder.name)
    until(lambda: (done / "begun").exists() and (killed / "begun").exists())
    # An activity may begin before its decider has told that the decision is done.
    until(lambda: [worker.state for worker in daemon.workers("deciders")] == ["polling"])

    daemon.signal(signal.SIGTERM)
    (done / "open").touch()
    until(lambda: not os.path.exists(f"/proc/{(done / 'begun').read_text()}"))
    os.kill(int((killed / "begun").read_text()), signal.SIGKILL)
    assert daemon.wait() == 0

    report = daemon.log.read_text().partition("the stop: 2 tasks were in flight")[2]
    assert "gate gate-0-0 of done (workers[" in report
    assert "finished after" in report.partition(" of done ")[2].splitlines()[0]
    killed_line = report.partition(" of killed ")[2].splitlines()[0]
    assert "killed by SIGKILL after" in killed_line
    assert killed_line.endswith("failed with that reason")

"""The storm's daemon: a folder that is disturbed, a mark by which all its processes are found, its API."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from bench.demo_daemon import Daemon, DemoError
from flowyd.control.client import ask
from flowyd.control.status import DaemonStatus
from flowyd.errors import UnreachableError
from flowyd.swf.faults import UnknownResourceFault, WorkflowExecutionAlreadyStartedFault
from flowyd.swf.lean import LeanClient

DOMAIN = "storm"
MODULES = Path(__file__).parent / "storm_modules"
#: The pools and their sizes in quiet times.
PROCESSES = {"decisions": 2, "activities": 4}
#: Longer than any timeout of a task (60 s), twice.
PATIENCE_S = 150.0

_CONFIG = """\
[flowyd]
domain = "storm"
activities = ["activities"]
workflows = ["workflows"]
state_dir = "state"
runtime_dir = "run"
log_level = "{log_level}"

[[pool]]
name = "decisions"
kind = "decision"
task_list = "decide"
processes = 2
nice = {nice}

[[pool]]
name = "activities"
kind = "activity"
task_list = "work"
processes = 4
recycle_tasks = {recycle_tasks}
stop_timeout = "{stop_timeout}"
# The storm kills workers, not their tasks.
quarantine_deaths = "never"
environment = {{ STORM_LEDGER = "{ledger}", STORM_EDITION = "{edition}" }}
"""
#: What the configuration says in quiet times.
QUIET: Mapping[str, object] = {
    "log_level": "info",
    "nice": 0,
    "recycle_tasks": '"never"',
    "stop_timeout": "20s",
    "edition": 0,
}


class StormDaemon:
    """One daemon under the storm."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self._daemon = Daemon(folder)
        self._mark = f"FLOWYD_STORM={uuid.uuid4().hex}"

    # Its life.

    def lay_out(self) -> None:
        """Writes modules, configuration and folders."""
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("activities", "workflows"):
            shutil.copytree(MODULES / name, self.folder / name, ignore=ignore)
        for name in ("state", "run"):
            (self.folder / name).mkdir(mode=0o700)
        self.ledger.touch()
        self.configure(QUIET)

    def start(self) -> None:
        """Starts it; see `wait_until`."""
        name, _, value = self._mark.partition("=")
        # SPT_NOENV: process titles must not overwrite the environment that `processes` reads.
        self._daemon.start({name: value, "SPT_NOENV": "1"})

    def stop(self) -> float:
        """Stops it as systemd would; the seconds that took.

        Raises:
            DemoError: it did not end well, or left a process behind.
        """
        code, took_s = self._daemon.stop()
        if code != 0:
            raise DemoError(f"the daemon ended with exit code {code}")
        if left := self.processes():
            raise DemoError(f"the daemon left processes behind: {left}")
        return took_s

    def end(self) -> None:
        """Makes sure that nothing of it runs any more."""
        self._daemon.end()
        self.kill(self.processes())

    def kill(self, pids: list[int]) -> None:
        """SIGKILL to each, in this order."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def restart_killed(self) -> None:
        """Starts the daemon after its supervisor was killed, as systemd would; returns when it serves."""
        assert self._daemon.process is not None
        self._daemon.process.wait()
        self.start()
        self.wait_until_running()

    def wait_until_running(self) -> DaemonStatus:
        """Its status once it is running.

        Raises:
            DemoError: it ended, or took too long.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            status = self.status()
            if status is not None and status.state == "running":
                return status
            time.sleep(0.05)
        raise DemoError(f"the daemon is not running after {PATIENCE_S:g} s")

    def wait_until_quiet(self) -> DaemonStatus:
        """Its status once every pool has its quiet size and every worker polls.

        Raises:
            DemoError: it ended, or took too long.
        """
        deadline = time.monotonic() + PATIENCE_S
        status = None
        while time.monotonic() < deadline:
            status = self.status()
            if status is not None and is_quiet(status) and len(self.processes()) == quiet_processes():
                return status
            time.sleep(0.1)
        raise DemoError(
            f"not quiet after {PATIENCE_S:g} s: {len(self.processes())} processes, "
            f"{quiet_processes()} expected; {status}"
        )

    # What it says.

    def status(self) -> DaemonStatus | None:
        """What it says about itself; None while nobody answers.

        Raises:
            DemoError: it ended without being told to.
        """
        if self._daemon.ended_with is not None:
            raise DemoError(f"the daemon ended with exit code {self._daemon.ended_with}")
        return self._daemon.status()

    def ask(self, command: str, *, timeout_s: float = 30.0, **arguments: object) -> dict[str, Any]:
        """A control command's answer.

        Raises:
            FlowydError: it was refused, or nobody answered in time.
        """
        return ask(self.folder / "run" / "control.sock", command, dict(arguments), timeout_s=timeout_s)

    def signal(self, number: int) -> None:
        """A signal to the supervisor."""
        assert self._daemon.process is not None
        self._daemon.process.send_signal(number)

    def processes(self) -> list[int]:
        """All its processes, whoever their parent is now; the supervisor first."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError):
                if self._mark.encode() in Path(f"/proc/{process.pid}/environ").read_bytes():
                    found.append(process.pid)
        assert self._daemon.process is not None
        supervisor = self._daemon.process.pid
        return sorted(found, key=lambda pid: (pid != supervisor, pid))

    # What operators write.

    def configure(self, values: Mapping[str, object]) -> None:
        """Writes the configuration."""
        text = _CONFIG.format(**{**QUIET, **values}, ledger=self.ledger)
        self.write("flowyd.toml", text)

    def write(self, name: str, text: str) -> None:
        """Writes a file of the folder, as `cp` would: in its place."""
        (self.folder / name).write_text(text)

    # Executions.

    def call(self, action: str, request: Mapping[str, object]) -> dict[str, Any]:
        """One call of the SWF API.

        Raises:
            FlowydError: a fault, or nobody answered.
        """
        # Patience is the caller's: the engine may be resting, and need waking.
        client = LeanClient(f"unix://{self.folder / 'run' / 'engine.sock'}", read_timeout_s=5.0)
        try:
            return dict(client.call(action, {"domain": DOMAIN, **request}))
        finally:
            client.close()

    def start_execution(self, workflow_type: str, workflow_id: str, number: int) -> bool:
        """Whether it stands; not if nobody answers, or the type is not there yet.

        A start whose answer got lost stands when it is asked for again.
        """
        request = {
            "workflowId": workflow_id,
            "workflowType": {"name": workflow_type, "version": "1"},
            "input": json.dumps([[number], {}]),
        }
        try:
            with contextlib.suppress(WorkflowExecutionAlreadyStartedFault):
                self.call("StartWorkflowExecution", request)
        except (UnknownResourceFault, UnreachableError):
            return False
        return True

    def open_executions(self) -> int | None:
        """How many are open; None while nobody answers."""
        try:
            answer = self.call("CountOpenWorkflowExecutions", {"startTimeFilter": {"oldestDate": 0}})
        except UnreachableError:
            return None
        return int(answer["count"])

    def is_closed(self, workflow_id: str) -> bool:
        """Whether it has closed; False while nobody answers."""
        request = {
            "startTimeFilter": {"oldestDate": 0},
            "executionFilter": {"workflowId": workflow_id},
        }
        try:
            return bool(self.call("ListClosedWorkflowExecutions", request)["executionInfos"])
        except UnreachableError:
            return False

    def closed(self) -> Iterator[dict[str, Any]]:
        """All closed executions."""
        request: dict[str, Any] = {"startTimeFilter": {"oldestDate": 0}}
        while True:
            page = self.call("ListClosedWorkflowExecutions", request)
            yield from page["executionInfos"]
            if "nextPageToken" not in page:
                return
            request["nextPageToken"] = page["nextPageToken"]


def is_quiet(status: DaemonStatus) -> bool:
    """Whether nothing is under way and nothing is missing."""
    return status.state == "running" and all(
        pool.processes == PROCESSES[pool.name] == len(pool.workers)
        and not pool.draining
        and all(worker.state == "polling" for worker in pool.workers)
        for pool in status.pools
    )


def quiet_processes() -> int:
    """Supervisor, engine and workers."""
    return 2 + sum(PROCESSES.values())


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))

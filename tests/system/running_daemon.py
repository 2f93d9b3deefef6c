"""A real daemon in a temporary folder: started, asked, hurt and stopped by the system tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from flowyd.control.client import ask
from flowyd.control.status import DaemonStatus, decode_status
from flowyd.errors import FlowydError
from flowyd.swf.lean import LeanClient

DOMAIN = "default"

# Limits are short: a task that an engine had handed out on disk but not yet sent when it was killed
# comes again by its timeout.
ACTIVITIES = '''
import os, subprocess, sys, time
from pathlib import Path
from flowyd import Activity, activity

@activity("double", 1, "work", start_to_close=4)
class Double(Activity):
    def run(self, number):
        return number * 2

@activity("join", 1, "work", start_to_close=4)
class Join(Activity):
    def run(self, *parts):
        return "-".join(str(part) for part in parts)

@activity("gate", 1, "work", heartbeat=60)
class Gate(Activity):
    """Says that it has begun, then waits until it is let through."""
    def run(self, folder, value):
        Path(folder, "begun").write_text(str(os.getpid()))
        while not Path(folder, "open").exists():
            time.sleep(0.01)
            self.heartbeat()
        return value

@activity("tree", 1, "work")
class Tree(Activity):
    def run(self, folder):
        below = subprocess.Popen(["sleep", "600"])
        Path(folder, "below").write_text(str(below.pid))
        print("last words", file=sys.stderr, flush=True)
        time.sleep(600)

@activity("stuck", 1, "work", start_to_close=1)
class Stuck(Activity):
    def run(self):
        time.sleep(600)
'''

WORKFLOWS = '''
import os, time
from pathlib import Path
from flowyd import ActivityProxy, RetryPolicy, Workflow, workflow

AGAIN = RetryPolicy(maximum_attempts=20, first_interval_s=0, jitter=0)

@workflow("tutorial", 1, "decide", decision_duration=4)
class Tutorial(Workflow):
    """Two activities at once, then one that needs both."""
    left = ActivityProxy("double", 1, retry_policy=AGAIN)
    right = ActivityProxy("double", 1, retry_policy=AGAIN)
    last = ActivityProxy("join", 1, retry_policy=AGAIN)

    def run(self, number):
        left = self.left(number)
        right = self.right(number + 1)
        return self.last(left, right.result())

@workflow("chain", 1, "decide")
class Chain(Workflow):
    """One activity after the other."""
    double = ActivityProxy("double", 1, retry_policy=AGAIN)

    def run(self, length):
        number = 1
        for _ in range(length):
            number = self.double(number).result()
        return number

@workflow("pair", 1, "decide")
class Pair(Workflow):
    """As the tutorial's, but each of the two first activities waits until it is let through."""
    left = ActivityProxy("gate", 1)
    right = ActivityProxy("gate", 1)
    last = ActivityProxy("join", 1)

    def run(self, one, other):
        left = self.left(one, "a")
        right = self.right(other, "b")
        return self.last(left, right.result())

@workflow("through", 1, "decide")
class Through(Workflow):
    gate = ActivityProxy("gate", 1, retry=0)

    def run(self, folder, value):
        return self.gate(folder, value)

@workflow("again", 1, "decide")
class Again(Workflow):
    gate = ActivityProxy("gate", 1, retry_policy=AGAIN)

    def run(self, folder, value):
        return self.gate(folder, value)

@workflow("branches", 1, "decide")
class Branches(Workflow):
    tree = ActivityProxy("tree", 1, retry=0)

    def run(self, folder):
        return self.tree(folder)

@workflow("waits", 1, "decide")
class Waits(Workflow):
    stuck = ActivityProxy("stuck", 1, retry=0)

    def run(self):
        return self.stuck()

@workflow("slowly", 1, "decide")
class Slowly(Workflow):
    """Its decision lasts until it is let through."""
    def run(self, folder):
        Path(folder, "deciding").touch()
        while not Path(folder, "open").exists():
            time.sleep(0.01)
        return "decided"

@workflow("deadly", 1, "decide")
class Deadly(Workflow):
    """Kills whoever decides it."""
    def run(self):
        os.kill(os.getpid(), 9)

@workflow("quick", 1, "decide")
class Quick(Workflow):
    """Decided at once."""
    def run(self):
        return "decided"
'''

Found = TypeVar("Found")


def until(look: Callable[[], Found], *, within_s: float = 15.0, what: str = "") -> Found:
    """The first true answer of `look`; the test fails if there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within_s} s: {what or look}"
        time.sleep(0.01)


class RunningDaemon:
    """One daemon process and everything it started."""

    def __init__(self, folder: Path, *, processes: int = 2, stop_timeout: str = "10s") -> None:
        self.folder = folder
        self.config = folder / "flowyd.toml"
        self.log = folder / "log.txt"
        self.marker = uuid.uuid4().hex
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "activities").mkdir()
        (folder / "workflows").mkdir()
        (folder / "activities" / "tasks.py").write_text(ACTIVITIES)
        (folder / "workflows" / "flows.py").write_text(WORKFLOWS)
        self.configure(processes=processes, stop_timeout=stop_timeout)

    def configure(self, *, processes: int = 2, stop_timeout: str = "10s", more: str = "") -> None:
        """Writes the configuration file."""
        self.config.write_text(
            '[flowyd]\nactivities = ["activities"]\nworkflows = ["workflows"]\n'
            'state_dir = "state"\nruntime_dir = "run"\nlog_level = "debug"\n'
            '[[pool]]\nname = "deciders"\nkind = "decision"\ntask_list = "decide"\n'
            '[[pool]]\nname = "workers"\nkind = "activity"\ntask_list = "work"\n'
            f'processes = {processes}\nstop_timeout = "{stop_timeout}"\n{more}'
        )

    @property
    def runtime(self) -> Path:
        return self.folder / "run"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flowyd", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
                # SPT_NOENV: process titles must not overwrite the environment that `left_over` reads.
                env={**os.environ, "FLOWYD_TEST": self.marker, "SPT_NOENV": "1"},
            )
        until(self._is_ready, what=f"daemon ready; log:\n{self.log.read_text()}")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.status().state == "running"
        except FlowydError:
            return False

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self, *, within_s: float = 20.0) -> int:
        """Sends SIGTERM and waits; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(within_s=within_s)

    def wait(self, *, within_s: float = 20.0) -> int:
        assert self.process is not None
        return self.process.wait(within_s)

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        return ask(self.runtime / "control.sock", command, arguments)

    def status(self) -> DaemonStatus:
        return decode_status(self.ask("status"))

    def workers(self, pool: str) -> list[Any]:
        return list(next(p for p in self.status().pools if p.name == pool).workers)

    def client(self) -> LeanClient:
        return LeanClient(f"unix://{self.runtime / 'engine.sock'}")

    def begin(self, name: str, *arguments: Any, workflow_id: str = "") -> tuple[str, str]:
        """Starts an execution; workflow id and run id."""
        from flowyd import workflow_starter

        workflow_id = workflow_id or f"{name}-{uuid.uuid4().hex[:8]}"
        run_id = workflow_starter(DOMAIN, name, 1, layer1=self.client()).with_id(workflow_id)(*arguments)
        assert run_id is not None
        return workflow_id, run_id

    def history(self, execution: tuple[str, str]) -> list[dict[str, Any]]:
        workflow_id, run_id = execution
        request = {"domain": DOMAIN, "execution": {"workflowId": workflow_id, "runId": run_id}}
        events: list[dict[str, Any]] = self.client().call("GetWorkflowExecutionHistory", request)["events"]
        return events

    def close_of(self, execution: tuple[str, str], *, within_s: float = 30.0) -> dict[str, Any]:
        """The event that closed the execution, waited for."""

        def closing() -> dict[str, Any] | None:
            try:
                last = self.history(execution)[-1]
            except FlowydError:
                return None
            closes = last["eventType"].startswith("WorkflowExecution") and "closed" not in last
            ended = ("Completed", "Failed", "TimedOut", "Terminated", "Canceled")
            return last if closes and last["eventType"].endswith(ended) else None

        return until(closing, within_s=within_s, what=f"{execution} closed")  # type: ignore[return-value]

    def left_over(self) -> list[int]:
        """Processes of this daemon, whoever their parent is now."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if f"FLOWYD_TEST={self.marker}".encode() in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return found

    def kill_everything(self) -> None:
        """Kills every process at once, the supervisor first, so that nobody answers for anybody."""
        for pid in [self.pid, *self.left_over()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait()

    def destroy(self) -> None:
        """Ends whatever still runs, by pid."""
        for pid in self.left_over():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(10)


@contextlib.contextmanager
def daemon_in(folder: Path, **settings: Any) -> Iterator[RunningDaemon]:
    """A ready daemon; whatever is left of it at the end is ended."""
    daemon = RunningDaemon(folder, **settings)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.destroy()

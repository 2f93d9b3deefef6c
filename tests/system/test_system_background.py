"""`flowyd run --daemon` as a real process: it leaves the terminal and is steered by its pid file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from running_daemon import RunningDaemon, until

from flowyd.errors import FlowydError


class DetachedDaemon(RunningDaemon):
    """The daemon in the background; its log is the one it keeps itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.log = folder / "state" / "flowyd.log"
        self.pid_file = folder / "run" / "flowyd.pid"

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text())

    def launch(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flowyd", "run", "--daemon", "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=20,
            env={**os.environ, "FLOWYD_TEST": self.marker, "SPT_NOENV": "1"},
        )

    def is_ready(self) -> bool:
        try:
            return self.status().state == "running"
        except FlowydError:
            return False


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DetachedDaemon]:
    daemon = DetachedDaemon(tmp_path)
    try:
        launched = daemon.launch()
        assert launched.returncode == 0, launched.stderr
        until(daemon.is_ready)
        yield daemon
    finally:
        daemon.destroy()


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_it_serves_from_a_session_of_its_own_and_logs_to_its_file(daemon: DetachedDaemon) -> None:
    closing = daemon.close_of(daemon.begin("tutorial", 1))

    assert json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"]) == "2-4"
    assert daemon.status().pid == daemon.pid
    assert os.getsid(daemon.pid) not in (os.getsid(0), 0)
    assert os.readlink(f"/proc/{daemon.pid}/cwd") == "/"
    assert "ready: 3/3 workers" in daemon.log.read_text()


def test_its_signals_are_those_of_the_foreground(daemon: DetachedDaemon) -> None:
    pid = daemon.pid
    daemon.configure(processes=3)
    daemon.signal(signal.SIGHUP)
    until(lambda: len([w for w in daemon.workers("workers") if w.state == "polling"]) == 3)

    daemon.signal(signal.SIGTERM)

    until(lambda: is_gone(pid), within_s=20)
    assert not daemon.pid_file.exists()
    assert not list(daemon.runtime.glob("*.sock"))
    assert daemon.left_over() == []
    assert "all children are gone" in daemon.log.read_text()


def test_a_second_start_is_refused_where_it_was_typed(daemon: DetachedDaemon) -> None:
    pid = daemon.pid

    second = daemon.launch()

    assert second.returncode == 1
    assert f"another flowyd (pid {pid}) runs with runtime_dir" in second.stderr
    assert daemon.pid == pid
    assert daemon.status().state == "running"


def test_what_a_killed_one_left_behind_hinders_nobody(daemon: DetachedDaemon) -> None:
    pid = daemon.pid
    daemon.signal(signal.SIGKILL)
    until(lambda: is_gone(pid))
    assert daemon.pid_file.exists()

    assert daemon.launch().returncode == 0

    until(lambda: daemon.pid != pid and daemon.is_ready())


def test_a_log_that_cannot_be_written_is_said_where_it_was_typed(tmp_path: Path) -> None:
    daemon = DetachedDaemon(tmp_path)
    command = [sys.executable, "-m", "flowyd", "run", "--daemon", "--config", str(daemon.config)]

    refused = subprocess.run(
        [*command, "--log-file", str(tmp_path / "missing" / "log")],
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert refused.returncode == 1
    assert "missing/log: cannot be written: No such file or directory" in refused.stderr

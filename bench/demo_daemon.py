"""The demo's daemon: a real `flowyd run` on a folder of its own, and the command line that talks to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from flowyd.control.client import ask
from flowyd.control.status import DaemonStatus, decode_status
from flowyd.errors import FlowydError

ROOT = Path(__file__).resolve().parent.parent
FLOWYD = (sys.executable, "-m", "flowyd")

#: A daemon that is not ready, or not gone, after so long is a failure of the demo.
READY_S = 30.0
STOP_S = 30.0
COMMAND_S = 30.0

CONFIG = """\
[flowyd]
domain = "demo"
activities = ["activities"]
workflows = ["workflows"]
state_dir = "state"
runtime_dir = "run"

[[pool]]
name = "decisions"
kind = "decision"
task_list = "image_processing"
processes = 1

[[pool]]
name = "images"
kind = "activity"
task_list = "image_processing"
processes = {processes}
environment = {{ IMAGES_DIR = "{images}" }}
"""


class DemoError(Exception):
    """Raised when something did not go as it must; the text says what."""


class Daemon:
    """One daemon, its folder and its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "flowyd.toml"
        self.pictures = folder / "pictures"
        self.log = folder / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None
        #: Every process it ever had, as far as we saw.
        self._seen: set[psutil.Process] = set()

    @property
    def endpoint(self) -> str:
        """Where its engine answers."""
        return f"unix://{self.folder / 'run' / 'engine.sock'}"

    @property
    def ended_with(self) -> int | None:
        """Its exit code, a signal as a negative number; None while it runs or before it was started."""
        return self.process.poll() if self.process is not None else None

    def lay_out(self, *, processes: int) -> None:
        """Writes the folder: configuration, modules, and where state and pictures go."""
        for name in ("activities", "workflows"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("state", "run", "pictures"):
            (self.folder / name).mkdir(mode=0o700)
        self.config.write_text(CONFIG.format(processes=processes, images=self.pictures))

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Starts `flowyd run`, away from our terminal so that Ctrl-C reaches only us."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*FLOWYD, "run", "--config", str(self.config)],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> DaemonStatus:
        """Its status once every worker polls.

        Raises:
            DemoError: it ended, or took too long.
        """
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            self._check_alive()
            status = self.status()
            if status is not None and _is_ready(status):
                return status
            time.sleep(0.05)
        raise DemoError(f"the daemon was not ready after {READY_S:g} s")

    def status(self) -> DaemonStatus | None:
        """What it says about itself; None while nobody answers."""
        self.look()
        try:
            return decode_status(ask(self.folder / "run" / "control.sock", "status"))
        except FlowydError:
            return None

    def command(self, *words: str) -> Any:
        """What a flowyd command with --json printed.

        Raises:
            DemoError: it failed.
        """
        done = subprocess.run(
            [*FLOWYD, "--config", str(self.config), "--json", *words],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        if done.returncode:
            raise DemoError(f"flowyd {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def stop(self) -> tuple[int, float]:
        """Stops it as systemd would; its exit code, and how long that took.

        Raises:
            DemoError: it would not end, or left a process behind.
        """
        assert self.process is not None
        self.look()
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"the daemon had not stopped {STOP_S:g} s after SIGTERM") from error
        if left := [process for process in self._seen if _runs(process)]:
            raise DemoError(f"the daemon left processes behind: {', '.join(map(str, left))}")
        return code, time.monotonic() - began

    def end(self) -> None:
        """Makes sure that no process of it is left, however the demo ended."""
        if self.process is not None and self.process.poll() is None:
            self.look()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for process in self._seen:
            if _runs(process):
                process.kill()

    def look(self) -> None:
        """Takes note of its processes; psutil tells them from others that get the same pid later."""
        if self.process is not None and self.process.poll() is None:
            self._seen.update(psutil.Process(self.process.pid).children(recursive=True))

    def log_tail(self, lines: int = 20) -> list[str]:
        """The last lines of its log."""
        return self.log.read_text(errors="replace").splitlines()[-lines:] if self.log.exists() else []

    def _check_alive(self) -> None:
        if self.ended_with is not None:
            raise DemoError("it was not ready yet")


def _runs(process: psutil.Process) -> bool:
    """Whether it is there and more than an entry that nobody has reaped yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_ready(status: DaemonStatus) -> bool:
    workers = [worker for pool in status.pools for worker in pool.workers]
    return status.state == "running" and all(worker.state == "polling" for worker in workers)


def new_folder() -> Path:
    """A new folder for one demo; its path is short, as paths of unix sockets must be."""
    return Path(tempfile.mkdtemp(prefix="flowyd-demo-"))

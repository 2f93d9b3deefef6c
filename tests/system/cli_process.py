"""The command `flowyd` as a real process, without a terminal or in one."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

COMMAND = [sys.executable, "-m", "flowyd"]


@dataclass(frozen=True)
class Ended:
    """What a process said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def flowyd(*words: str, **environment: str) -> Ended:
    """Runs a command with pipes."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWYD_", "COLUMNS"))}
    process = subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=60, env={**known, **environment}
    )
    return Ended(process.returncode, process.stdout, process.stderr)


def on_a_terminal(*words: str, within_s: float = 30.0) -> tuple[int, str]:
    """Runs a command on a terminal of 24 lines; exit code and all it wrote there."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", LINES="24", COLUMNS="80")
        os.execv(sys.executable, [*COMMAND, *words])
    written, deadline = b"", time.monotonic() + within_s
    while True:
        assert time.monotonic() < deadline, written.decode(errors="replace")
        if not select.select([fd], [], [], 0.5)[0]:
            continue
        try:
            chunk = os.read(fd, 65_536)
        except OSError:
            # Linux's way to say that the other end of a terminal is closed.
            break
        if not chunk:
            break
        written += chunk
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written.decode()

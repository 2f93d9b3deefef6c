"""A real engine process, started and ended by its pid."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass
class EngineProcess:
    """`flowyd engine` on a unix socket and, with any credentials, on a loopback port."""

    folder: Path
    #: Further options.
    options: tuple[str, ...] = ("--any-credentials",)
    #: Where it logs; None: where the tests do.
    log: IO[str] | None = None

    def __post_init__(self) -> None:
        self.socket = self.folder / "engine.sock"
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def unix(self) -> str:
        return f"unix://{self.socket}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def https(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> EngineProcess:
        """Starts it and waits until it is ready; a second start takes the same port."""
        command = [sys.executable, "-m", "flowyd", "engine", "--listen", f"127.0.0.1:{self.port}"]
        command += ["--socket", str(self.socket), "--database", str(self.folder / "engine.db")]
        self._process = subprocess.Popen(
            [*command, *self.options], stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert " ready on " in line, line
        self.port = int(line.partition("://127.0.0.1:")[2].partition(",")[0])
        return self

    def kill(self) -> None:
        """Ends it without warning."""
        assert self._process is not None
        self._process.kill()
        self._end()

    def stop(self) -> int:
        """Ends it in order; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._end()

    def _end(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        code = self._process.wait(timeout=20)
        self._process.stdout.close()
        self._process = None
        return code

    @property
    def is_running(self) -> bool:
        return self._process is not None

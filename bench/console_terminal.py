"""A program in a pseudo-terminal of ours: keys in, and when which output came."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from bench.demo_daemon import DemoError

#: Lines and columns: a wide screen, as more is drawn on it.
SIZE = (48, 160)
#: Output that pauses for so long is one picture.
PAUSE_S = 0.008
#: What has not been drawn by then is not drawn any more.
PATIENCE_S = 30.0


class ConsoleTerminal:
    """Runs the command while its context is open."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        self._command = list(command)
        self._environment = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.pid = 0
        self.began_at = 0.0
        self._fd = -1

    def __enter__(self) -> ConsoleTerminal:
        self.began_at = time.monotonic()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
            os.execvpe(self._command[0], self._command, self._environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._fd)

    def press(self, keys: str) -> float:
        """Writes the keys; when that was, monotonic seconds."""
        began_at = time.monotonic()
        os.write(self._fd, keys.encode())
        return began_at

    def until(self, sign: str, *, began_at: float | None = None) -> float:
        """Seconds from `began_at` to the end of the first burst of output that holds the sign.

        Raises:
            DemoError: nothing like it came.
        """
        began_at = time.monotonic() if began_at is None else began_at
        wanted, seen, last_at = sign.encode(), b"", 0.0
        while time.monotonic() < began_at + PATIENCE_S:
            found = wanted in seen and seen
            chunk = self._read(PAUSE_S if found else 0.5)
            if chunk:
                seen, last_at = seen + chunk, time.monotonic()
            elif found:
                return last_at - began_at
        raise DemoError(f"the console never drew {sign!r}; it drew {seen[-2000:]!r}")

    def settle(self, seconds: float) -> None:
        """Drinks what is drawn during that time."""
        deadline = time.monotonic() + seconds
        while (rest := deadline - time.monotonic()) > 0:
            self._read(rest)

    def _read(self, within_s: float) -> bytes:
        ready, _, _ = select.select([self._fd], [], [], within_s)
        if not ready:
            return b""
        try:
            return os.read(self._fd, 65_536)
        except OSError as error:
            raise DemoError("the console has ended") from error

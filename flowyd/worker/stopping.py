"""How a worker learns that it must stop: a byte on a pipe that polls wait for, and a flag between tasks.

SIGTERM never interrupts a running task; it only takes the poll back. A worker whose supervisor is gone gets
SIGTERM from the kernel; it too finishes its task, but nobody is left to enforce the limit, so it does itself.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType


class HandedOn(BaseException):
    """Raised to end a worker that was told to stop with a task in hand that only its successor can run."""


class StopSignal:
    """Set by SIGTERM and SIGINT once installed; `select` may wait for it."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        #: No new task may be begun.
        self.requested = False
        #: The supervisor is gone.
        self.orphaned = False

    def fileno(self) -> int:
        """Readable once a stop is requested."""
        return self._reader

    def request(self) -> None:
        """Asks for the stop; safe in a signal handler."""
        self.requested = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"x")

    def wait(self, seconds: float) -> bool:
        """Waits so long or until a stop is requested; whether it is."""
        select.select([self._reader], [], [], seconds)
        return self.requested

    def install(self, *, limit_s: float) -> None:
        """Takes SIGTERM; SIGINT is the supervisor's. An orphan's process group is killed after the limit."""
        parent = os.getppid()

        def terminate(_number: int, _frame: FrameType | None) -> None:
            self.request()
            if os.getppid() != parent and not self.orphaned:
                self.orphaned = True
                signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
                signal.setitimer(signal.ITIMER_REAL, max(0.1, limit_s))

        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

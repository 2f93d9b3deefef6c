"""A worker's reports to its supervisor, written by the thread that does the work, one per change of state."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence

from flowyd.control.reports import Report, TaskInHand, WorkerState, encode_report
from flowyd.swf.limits import POLL_READ_TIMEOUT_S
from flowyd.worker.hand import Hand

#: Longer than any poll: past it the worker counts as hung.
POLLING_LIMIT_S = POLL_READ_TIMEOUT_S + 45.0


class Reporter:
    """Writes reports to a pipe; without one (a script's worker) it only counts."""

    def __init__(self, fd: int | None, hand: Hand | None = None) -> None:
        self._fd = fd
        #: What the worker has in hand, written down before it is reported.
        self.hand = hand or Hand()
        self._done = 0
        self._failed = 0
        self._running: tuple[float, float | None, tuple[TaskInHand, ...]] | None = None

    def report(
        self,
        state: WorkerState,
        *,
        until: float | None,
        broken_modules: dict[str, str] | None = None,
        served_types: tuple[str, ...] | None = None,
    ) -> None:
        """Reports a state without a task; `until` is its deadline on CLOCK_MONOTONIC."""
        self._running = None
        self._write(
            Report(
                state=state,
                since=time.monotonic(),
                until=until,
                tasks_done=self._done,
                tasks_failed=self._failed,
                broken_modules=broken_modules,
                served_types=served_types,
            )
        )

    def running(
        self,
        task: TaskInHand,
        *,
        limit_s: float | None,
        together: Sequence[TaskInHand] = (),
        came_with: str = "",
    ) -> None:
        """Reports that the task is being run and for how long at most.

        Args:
            together: all that is in hand, the task among it; empty: it is alone.
            came_with: the id of the poll that gave them, if none behind the task is begun; see `Hand.hold`.
        """
        tasks = together or (task,)
        number = tasks.index(task) + 1 if came_with else 1
        if tasks is not self.hand.tasks:
            self.hand.hold(tasks, came_with, begun=number)
        elif came_with:
            self.hand.begin(number)
        now = time.monotonic()
        # The others are in the file. The supervisor reads a pipe's worth of reports every 50 ms: longer ones
        # would fill it.
        self._running = (now, None if limit_s is None else now + limit_s, (task,))
        self._write_running(None)

    def in_hand(self, tasks: Sequence[TaskInHand], *, until: float | None) -> None:
        """Reports that all these tasks are in hand, with one deadline; none: that it polls."""
        self.hand.hold(tuple(tasks))
        if not tasks:
            self.report(WorkerState.POLLING, until=time.monotonic() + POLLING_LIMIT_S)
            return
        since = self._running[0] if self._running else time.monotonic()
        self._running = (since, until, tuple(tasks))
        self._write_running(None)

    def held(self, task: TaskInHand) -> None:
        """Reports that the task was handed out and is left open, because it is quarantined."""
        self._running = None
        self._write(
            Report(
                state=WorkerState.POLLING,
                since=time.monotonic(),
                until=time.monotonic() + POLLING_LIMIT_S,
                tasks_done=self._done,
                tasks_failed=self._failed,
                held=task,
            )
        )

    def heartbeat(self) -> None:
        """Reports that the service took a heartbeat for the task in hand."""
        self._write_running(time.monotonic())

    def finished(self, *, failed: bool) -> None:
        """Counts the task in hand; the next report carries the numbers."""
        self._done += 1
        self._failed += failed

    @property
    def tasks_done(self) -> int:
        """Tasks finished so far."""
        return self._done

    def _write_running(self, heartbeat_at: float | None) -> None:
        if self._running is None:
            return
        since, until, (task, *more) = self._running
        self._write(
            Report(
                state=WorkerState.RUNNING,
                since=since,
                until=until,
                task=task,
                more_tasks=tuple(more),
                tasks_done=self._done,
                tasks_failed=self._failed,
                last_heartbeat_at=heartbeat_at,
            )
        )

    def _write(self, report: Report) -> None:
        if self._fd is None:
            return
        line = encode_report(report)
        # A supervisor that is gone reads nothing; its SIGTERM is on the way.
        with contextlib.suppress(BrokenPipeError):
            while line:
                line = line[os.write(self._fd, line) :]

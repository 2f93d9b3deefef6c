"""Children brought up with their pipes in the select loop: output to ring and log, reports to the crew.

What a child reports until it is ready is waited for, and heard at once; after that reports may gather.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from flowyd.config.records import PoolKind
from flowyd.control.reports import Report
from flowyd.supervisor.child import Child, cut, read_chunk
from flowyd.supervisor.forking import fork_child
from flowyd.supervisor.gathering import Gathered
from flowyd.supervisor.output import LineCutter, log_lines
from flowyd.supervisor.standing import Standing

#: Read at most of each pipe of a dead child: something of its tree may have escaped and go on writing.
_LAST_CHUNKS = 64
_AS_WE_ARE = Standing()


class Nursery:
    """Forks children and listens to them."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        reports: Gathered,
        take: Callable[[Child, list[Report]], None],
    ) -> None:
        self._selector = selector
        self._reports = reports
        self._take = take

    def bring_up(
        self,
        main: Callable[[int], int],
        *,
        pool: str,
        rank: int,
        slot: int = 0,
        generation: int = 0,
        errand: bool = False,
        keep: Sequence[int] = (),
        standing: Standing = _AS_WE_ARE,
    ) -> Child:
        """A new child that runs `main`; arguments as `fork_child`'s and `Child`'s.

        Raises:
            OSError: there are no more processes or descriptors.
        """
        forked = fork_child(main, keep=keep, standing=standing)
        child = Child(
            pid=forked.pid,
            pool=pool,
            rank=rank,
            slot=slot,
            generation=generation,
            errand=errand,
            started_at=time.monotonic(),
            started_wall_at=time.time(),
        )
        for fd, stream in ((forked.stdout_fd, "stdout"), (forked.stderr_fd, "stderr")):
            child.readers[fd] = read = self._output_reader(child, fd, LineCutter(stream))
            self._selector.register(fd, selectors.EVENT_READ, lambda _, read=read: read())
        fd = forked.reports_fd
        child.readers[fd] = read = self._report_reader(child, fd)
        self._selector.register(fd, selectors.EVENT_READ, lambda _, read=read: read())
        return child

    def drain(self, child: Child) -> None:
        """Reads what a dead child left in its pipes and closes them."""
        for fd, read in list(child.readers.items()):
            for _ in range(_LAST_CHUNKS):
                if not read():
                    break
            if fd in child.readers:
                self._forget(child, fd)

    def _forget(self, child: Child, fd: int) -> None:
        del child.readers[fd]
        (self._reports if fd in self._reports else self._selector).unregister(fd)
        os.close(fd)

    def _output_reader(self, child: Child, fd: int, cutter: LineCutter) -> Callable[[], bool]:
        def read() -> bool:
            chunk = read_chunk(fd)
            if chunk is None:
                return False
            lines = cut(cutter, chunk, time.time())
            child.ring.add(lines)
            log_lines(lines, pool=child.pool, pid=child.pid, tags=task_tags(child))
            if not chunk:
                self._forget(child, fd)
            return bool(chunk)

        return read

    def _report_reader(self, child: Child, fd: int) -> Callable[[], bool]:
        def read() -> bool:
            chunk = read_chunk(fd)
            if chunk is None:
                return False
            if not chunk:
                self._forget(child, fd)
                return False
            self._take(child, child.take_reports(chunk))
            if child.ready and fd not in self._reports:
                self._selector.unregister(fd)
                self._reports.register(fd, read)
            return True

        return read


def ended_children() -> Iterator[tuple[int, int]]:
    """Pid and wait status of every child that has ended; its process group is killed before it is reaped."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None:
            return
        # The group first, while the dead leader still keeps its number from being used again.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(ended.si_pid, signal.SIGKILL)
        yield os.waitpid(ended.si_pid, 0)


def task_tags(child: Child) -> dict[str, str]:
    """The task in hand as fields of a log record."""
    task = child.task
    if task is None:
        return {}
    activity = {"activity": task.type_name} if task.kind == PoolKind.ACTIVITY.value else {}
    return {**activity, "workflow_id": task.workflow_id, "run_id": task.run_id}

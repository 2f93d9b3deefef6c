"""One child process as the supervisor holds it: its pipes, its last report, its output, its orders.

`Child` is mutable and owned by the loop; `seen()` is the picture of it that `plan` works with.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from flowyd.control.reports import Report, TaskInHand, WorkerState, decode_report
from flowyd.errors import ProtocolError
from flowyd.supervisor.cpu_share import CpuShare
from flowyd.supervisor.output import LineCutter, OutputLine, Ring
from flowyd.supervisor.plan import ChildSeen, StopReason

logger = logging.getLogger(__name__)

#: How much is read from a pipe at a time: a pipe's capacity.
CHUNK_BYTES = 65_536
#: A report line longer than this is no report.
REPORT_BYTES = 4 * 1024 * 1024

_READY = (WorkerState.POLLING, WorkerState.IDLE, WorkerState.RUNNING)


@dataclass(slots=True, kw_only=True, eq=False)
class Child:
    """A process the supervisor started."""

    pid: int
    pool: str
    rank: int
    slot: int
    generation: int
    #: CLOCK_MONOTONIC seconds, and epoch seconds.
    started_at: float
    started_wall_at: float
    errand: bool = False
    #: The deadline of what it does now; the report's, or longer when its task was found open.
    until: float | None = None
    ready: bool = False
    #: The crew was told that it is ready.
    announced: bool = False
    report: Report | None = None
    being_checked: bool = False
    hung: bool = False
    stop_reason: StopReason | None = None
    kill_at: float | None = None
    killed: bool = False
    #: The tasks of its last report by token, and the failed ones it had counted; for `fates`.
    in_hand: dict[str, TaskInHand] = field(default_factory=dict)
    failed_seen: int = 0
    #: Tokens and poll ids it took over from dead workers; it writes them down before it is ready.
    inherited: tuple[str, ...] = ()
    rss_bytes: int = 0
    #: How long a poll of its may last that the service cannot take back, seconds; 0: it can.
    poll_wait_s: float = 0.0
    #: It may poll while it has a task in hand.
    polls_beside_task: bool = False
    #: For each open pipe of ours what reads it and answers whether there may be more at once.
    readers: dict[int, Callable[[], bool]] = field(default_factory=dict)
    ring: Ring = field(default_factory=Ring)
    cpu: CpuShare = field(init=False)
    _partial: bytes = b""

    def __post_init__(self) -> None:
        self.cpu = CpuShare(started_at=self.started_at)

    @property
    def task(self) -> TaskInHand | None:
        """The task it runs, as it reported."""
        if self.report is not None and self.report.state is WorkerState.RUNNING:
            return self.report.task
        return None

    def last_words(self) -> str:
        """What it wrote to stderr since its task began."""
        since = self.report.since - self.started_at if self.report else 0.0
        return self.ring.last_words(since=self.started_wall_at + since)

    @property
    def stopping(self) -> bool:
        """It was told to stop."""
        return self.kill_at is not None

    def state(self) -> str:
        """The state's name for `status`."""
        if self.hung:
            return "hung"
        if self.stopping:
            draining = self.task is not None and self.stop_reason is not StopReason.SHUTDOWN
            return "draining" if draining else "stopping"
        return self.report.state.value if self.report else "starting"

    def seen(self) -> ChildSeen:
        """The picture of it for `plan`."""
        return ChildSeen(
            pid=self.pid,
            pool=self.pool,
            rank=self.rank,
            slot=self.slot,
            generation=self.generation,
            started_at=self.started_at,
            ready=self.ready,
            until=self.until,
            in_task=self.task is not None,
            being_checked=self.being_checked,
            hung=self.hung,
            tasks_done=self.report.tasks_done if self.report else 0,
            rss_bytes=self.rss_bytes,
            errand=self.errand,
            poll_wait_s=0.0 if self.task is not None and not self.polls_beside_task else self.poll_wait_s,
            kill_at=self.kill_at,
            killed=self.killed,
        )

    def take_reports(self, chunk: bytes) -> list[Report]:
        """The reports that the bytes complete, already applied; a line that is none is logged and dropped."""
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        if len(self._partial) > REPORT_BYTES:
            self._partial = b""
        reports = []
        for line in lines:
            try:
                report = decode_report(line)
            except ProtocolError as error:
                logger.error("%s[%d] sent %s", self.pool, self.pid, error, extra={"action": "report"})
                continue
            self._apply(report)
            reports.append(report)
        return reports

    def _apply(self, report: Report) -> None:
        self.report = report
        self.until = report.until
        self.ready = self.ready or report.state in (
            WorkerState.POLLING,
            WorkerState.RUNNING,
            WorkerState.IDLE,
        )


def read_chunk(fd: int) -> bytes | None:
    """What is in the pipe now; empty at its end, None when there is nothing yet."""
    try:
        return os.read(fd, CHUNK_BYTES)
    except BlockingIOError:
        return None


def cut(cutter: LineCutter, chunk: bytes, at: float) -> list[OutputLine]:
    """The lines of a chunk; an empty chunk ends the stream."""
    return cutter.feed(chunk, at) if chunk else cutter.end(at)

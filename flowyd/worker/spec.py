"""What a child of the supervisor is told to be: everything a worker needs, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from flowyd.config.records import Backend, PayloadStorage, PoolKind, Swf
from flowyd.control.in_hand import GivenAnswer, PollUnderWay
from flowyd.control.reports import TaskInHand
from flowyd.swf.limits import POLL_READ_TIMEOUT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """Which SWF service, which domain in it, and where its long payloads are."""

    domain: str
    engine_socket: Path
    swf: Swf = field(default_factory=Swf)
    payloads: PayloadStorage = field(default_factory=PayloadStorage)
    #: Retention given to the domain if it must be registered, days.
    retention_days: int = 30

    @property
    def embedded(self) -> bool:
        """Whether the service is our own engine."""
        return self.swf.backend is Backend.EMBEDDED

    @property
    def poll_wait_s(self) -> float:
        """How long a poll may last that the service cannot take back, seconds; 0: it can."""
        return 0.0 if self.embedded else POLL_READ_TIMEOUT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """One worker of a pool."""

    pool: str
    kind: PoolKind
    slot: int
    task_list: str
    service: ServiceSpec
    stop_timeout_s: float = 30.0
    log_level: str = "info"
    environment: dict[str, str] = field(default_factory=dict)
    #: Decision tasks whose worker died, or activity tasks released from quarantine: this one does them first.
    orphans: tuple[TaskInHand, ...] = ()
    #: The keys of quarantined tasks (`flowyd.control.quarantine`).
    quarantine_keys: Path | None = None
    #: Polls of a worker that died before it read their answers; this one repeats them.
    polls: tuple[PollUnderWay, ...] = ()
    #: An open file for what it has in hand (`flowyd.control.in_hand`).
    hand_fd: int | None = None
    #: Async activities it runs at once.
    concurrency: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Obituary:
    """An activity task that its worker will not answer any more, and what its execution is told."""

    task: TaskInHand
    #: Such as "worker died: killed by SIGKILL (pool images, pid 4711)".
    reason: str
    #: The last lines of a dead worker's stderr.
    details: str = ""
    #: The id of the poll that gave a task which was not begun: it is given back, for another worker. The
    #: reason is then for a service that cannot take it back, and says that the task was not begun.
    came_with: str = ""
    #: What its worker had answered, which is sent again in place of its failure.
    answer: GivenAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a short-lived child asks or tells the service for the supervisor, which speaks no SWF."""

    service: ServiceSpec
    #: Fail these activity tasks, give them back, or answer them as their workers had.
    obituaries: tuple[Obituary, ...] = ()
    #: Exit with OPEN or CLOSED for this task.
    question: TaskInHand | None = None
    log_level: str = "info"


#: How the reason begins when a worker died: by it a decider tells that from the activity's own failures.
WORKER_DIED = "worker died"
#: How it begins when the worker had not come to the task yet.
NOT_BEGUN = f"{WORKER_DIED} before it began the task"
#: How it begins when a task is not run any more because it killed too many of them.
QUARANTINED = "quarantined"

#: Exit code of a replaced worker that leaves the task in its hand to its successor.
HANDED_ON = 75

#: Exit code of a worker that could not begin because the service is away: its code is not at fault.
SERVICE_AWAY = 69

#: Exit codes of an errand that asked a question; another code means that nobody answered.
TASK_OPEN = 10
TASK_CLOSED = 11

"""What a child of the supervisor is told to be: everything a worker needs, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from flowyd.config.records import Backend, PoolKind, Swf
from flowyd.control.reports import TaskInHand


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """Which SWF service, and which domain in it."""

    domain: str
    engine_socket: Path
    swf: Swf = field(default_factory=Swf)
    #: Retention given to the domain if it must be registered, days.
    retention_days: int = 30

    @property
    def embedded(self) -> bool:
        """Whether the service is our own engine."""
        return self.swf.backend is Backend.EMBEDDED


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """One worker of a pool."""

    pool: str
    kind: PoolKind
    slot: int
    task_list: str
    service: ServiceSpec
    #: Directories (or single files) whose modules it serves.
    directories: tuple[Path, ...]
    stop_timeout_s: float = 30.0
    log_level: str = "info"
    environment: dict[str, str] = field(default_factory=dict)
    #: Decision tasks whose worker died; this one decides them first.
    orphans: tuple[TaskInHand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Obituary:
    """An activity task whose worker died, and what its execution is told."""

    task: TaskInHand
    #: How the worker died, such as "killed by SIGKILL (pool images, pid 4711)".
    death: str
    #: The last lines of its stderr.
    last_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a short-lived child asks or tells the service for the supervisor, which speaks no SWF."""

    service: ServiceSpec
    #: Fail these activity tasks.
    obituaries: tuple[Obituary, ...] = ()
    #: Exit with OPEN or CLOSED for this task.
    question: TaskInHand | None = None
    log_level: str = "info"


#: Exit codes of an errand that asked a question; another code means that nobody answered.
TASK_OPEN = 10
TASK_CLOSED = 11

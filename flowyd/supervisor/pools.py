"""A pool as the supervisor holds it: its configuration, its generation, its operator's wishes, its past.

`PoolState` is mutable and owned by the crew. The engine is a pool of one process, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from flowyd.config.records import Config, Pool, PoolKind
from flowyd.control.in_hand import PollUnderWay
from flowyd.control.reports import TaskInHand
from flowyd.supervisor.plan import PoolWanted
from flowyd.worker.units import Modules

ENGINE = "engine"

#: Order of start; the end goes the other way.
RANKS = {PoolKind.DECISION: 1, PoolKind.ACTIVITY: 2}
ERRAND_RANK = 1

#: How long the engine may take to end: it answers its polls and closes its database.
ENGINE_STOP_S = 10.0
#: Callers wait while the engine is away, so its pauses are short.
ENGINE_BACKOFF_S = (0.2, 5.0)
#: So is its rest after it died again and again.
ENGINE_REST_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """An unexpected one."""

    #: Such as "killed by SIGKILL".
    how: str
    #: Epoch seconds.
    at: float


@dataclass(slots=True, kw_only=True, eq=False)
class PoolState:
    """One pool."""

    #: None for the engine.
    config: Pool | None
    processes: int
    generation: int = 0
    #: The last number given to a generation, refused ones included.
    newest_generation: int = 0
    drained: bool = False
    broken_modules: dict[str, str] = field(default_factory=dict)
    #: Modules for which newer code was refused, with their tracebacks.
    refused_modules: dict[str, str] = field(default_factory=dict)
    served_types: tuple[str, ...] = ()
    #: What its workers load; None: not known yet, so none is started.
    modules: Modules | None = None
    #: Tasks for the next worker that starts: decisions whose worker died, what was handed on or released.
    orphans: list[TaskInHand] = field(default_factory=list)
    #: Tokens of those being decided when a worker died; a second such death leaves them to time out.
    suspected: set[str] = field(default_factory=set)
    #: By slot, polls of a dead worker whose answers it did not read.
    polls: dict[int, tuple[PollUnderWay, ...]] = field(default_factory=dict)
    restarts: Counter[int] = field(default_factory=Counter)
    #: By slot, how its last worker died that was not told to end.
    last_death: dict[int, Death] = field(default_factory=dict)
    _before: tuple[Pool | None, int, int, Modules | None] | None = None

    @property
    def name(self) -> str:
        """The pool's name."""
        return self.config.name if self.config else ENGINE

    @property
    def kind(self) -> PoolKind | None:
        """What its workers do; None for the engine."""
        return self.config.kind if self.config else None

    @property
    def rank(self) -> int:
        """Its place in the order of start."""
        return RANKS[self.config.kind] if self.config else 0

    def wanted(self) -> PoolWanted:
        """What should run, for `plan`."""
        pool = self.config
        if pool is None:
            first, longest = ENGINE_BACKOFF_S
            return PoolWanted(
                name=ENGINE,
                rank=0,
                processes=1,
                stop_timeout_s=ENGINE_STOP_S,
                backoff_first_s=first,
                backoff_longest_s=longest,
                rest_s=ENGINE_REST_S,
            )
        return PoolWanted(
            name=pool.name,
            rank=self.rank,
            processes=self.processes,
            generation=self.generation,
            drained=self.drained,
            stop_timeout_s=pool.stop_timeout_s,
            backoff_first_s=pool.backoff_first_s,
            backoff_longest_s=pool.backoff_longest_s,
            recycle_tasks=pool.recycle_tasks,
            recycle_age_s=pool.recycle_age_s,
            recycle_rss_bytes=pool.recycle_rss_bytes,
        )

    def renew(self, config: Pool) -> None:
        """Asks for children of a new generation; `refuse_renewal` takes it back."""
        self._begin_generation()
        self.config, self.processes = config, config.processes

    def serve(self, modules: Modules) -> bool:
        """Has its workers load these modules; whether running ones must be replaced for it."""
        is_other = self.modules is not None and self.modules.units != modules.units
        if is_other:
            self._begin_generation()
        self.modules = modules
        return is_other

    def unserved(self) -> dict[str, str]:
        """Modules that are there and not served, and why."""
        refused = self.modules.refused if self.modules else {}
        return {**refused, **self.broken_modules, **self.refused_modules}

    def _begin_generation(self) -> None:
        self._before = (self.config, self.processes, self.generation, self.modules)
        self.newest_generation += 1
        self.generation = self.newest_generation

    def adjust(self, config: Pool) -> None:
        """Takes limits and sizes that running children need not know."""
        self.config, self.processes = config, config.processes

    def refuse_renewal(self) -> None:
        """Back to what it was before `renew`."""
        if self._before is not None:
            self.config, self.processes, self.generation, self.modules = self._before
            self._before = None

    def orphan(self, decisions: Iterable[TaskInHand], *, running: TaskInHand | None) -> None:
        """Takes the decision tasks of a dead worker for the next one.

        Args:
            running: what it was deciding, the likely cause; it comes after the others, and only once.
        """
        cause = running.task_token if running is not None else ""
        last = []
        for task in decisions:
            if task.task_token != cause:
                self.orphans.append(task)
            elif cause not in self.suspected:
                self.suspected.add(cause)
                last.append(task)
        self.orphans += last

    def take_orphans(self) -> tuple[TaskInHand, ...]:
        """The orphans, which are then no longer here."""
        orphans, self.orphans = tuple(self.orphans), []
        return orphans


def pools_of(config: Config, *, with_engine: bool) -> dict[str, PoolState]:
    """The pools of a configuration by name, the engine first."""
    states = {ENGINE: PoolState(config=None, processes=1)} if with_engine else {}
    for pool in config.pools:
        states[pool.name] = PoolState(config=pool, processes=pool.processes)
    return states

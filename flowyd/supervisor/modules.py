"""Which modules the pools serve: watched, tried by probes when they change, handed to the pools.

The keeper compares what should be tried with what is under way, at each turn of the loop. It runs no code of
the operators and waits for nothing; a probe is a child like any other (`flowyd.worker.probe`). What is served
is kept in the state directory, so that a version that served well outlives the daemon too.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import setproctitle

from flowyd.config.records import Config, PoolKind
from flowyd.control.reports import WorkerState
from flowyd.errors import FlowydError, ProtocolError
from flowyd.supervisor.child import Child
from flowyd.supervisor.crew import Crew
from flowyd.supervisor.plan import Ending
from flowyd.supervisor.pools import PoolState
from flowyd.supervisor.standing import Standing, standing_of
from flowyd.supervisor.starting import service_of
from flowyd.supervisor.watching import DirectoryWatch
from flowyd.worker.probe import ProbeAnswer, ProbeSpec, decode_answer, decode_stock, encode_stock, run_probe
from flowyd.worker.replay_gate import MOST_EXECUTIONS, REPLAY_S, Replays
from flowyd.worker.reporting import Reporter
from flowyd.worker.rollout import Stock
from flowyd.worker.units import ContentStore, Modules

logger = logging.getLogger(__name__)

#: A probe that takes longer is hung: some trials in a row, each with its own limit.
PROBE_S = 90.0
#: When a probe could not ask the service, or died, the next comes after this; doubling, to the longest.
_AGAIN_S = (2.0, 60.0)
#: What probes are called among the children.
_NAME = "modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """A reload that waits for its probes."""

    config: Config
    #: Code that open executions do not fit is taken all the same.
    is_forced: bool
    #: Called at the end, with what went wrong or None, and with how many open executions were replayed.
    done: Callable[[str | None, Replays], object]


@dataclass(slots=True, kw_only=True, eq=False)
class _Kind:
    """The modules of one kind of pools."""

    watch: DirectoryWatch
    watch_fd: int = -1
    stock: Stock = field(default_factory=Stock)
    modules: Modules | None = None
    #: A probe is under way.
    is_probed: bool = False
    #: The reload that the probe under way is for.
    reload: Reload | None = None
    #: When to look without a change; None: not at all.
    look_at: float | None = 0.0
    failures: int = 0


class ModuleKeeper:
    """Watches, has modules tried, and gives the pools what they serve."""

    def __init__(self, config: Config, *, crew: Crew, selector: selectors.BaseSelector) -> None:
        self._config = config
        self._crew = crew
        self._selector = selector
        self._kinds: dict[PoolKind, _Kind] = {}
        self._reload: Reload | None = None
        #: Kinds whose probe for the reload is still to come, or under way.
        self._reload_left: set[PoolKind] = set()
        #: What the probes for the reload have replayed so far.
        self._reload_replays = Replays()

    def open(self) -> None:
        """Begins to watch; the first probes are due at once."""
        for kind in PoolKind:
            self._kinds[kind] = _Kind(watch=DirectoryWatch(_roots(self._config, kind)))
            self._kinds[kind].stock = self._read_stock(kind)
            self._open_watch(self._kinds[kind])

    def close(self) -> None:
        """Ends watching."""
        for kind in self._kinds.values():
            self._close_watch(kind)

    def next_at(self) -> float | None:
        """When `act` has something to do by time alone."""
        if self._crew.roster.ending is not Ending.NO:
            return None
        moments = [
            moment
            for one in self._kinds.values()
            if not one.is_probed
            for moment in (one.look_at, one.watch.settling.due_at())
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    def act(self, now: float) -> None:
        """Starts the probes that are due."""
        if self._crew.roster.ending is not Ending.NO:
            self._crew.envoys.dismiss(_NAME)
            return
        for kind, one in self._kinds.items():
            due = [moment for moment in (one.look_at, one.watch.settling.due_at()) if moment is not None]
            if not one.is_probed and (kind in self._reload_left or (due and now >= min(due))):
                self._probe(kind, one)
        coming = any(one.is_probed or one.watch.settling.due_at() is not None for one in self._kinds.values())
        self._crew.rolling.set(under_way=coming or not self._crew.roster.settled())

    def begin_reload(self, reload: Reload) -> None:
        """Has the modules tried as the new configuration has it, refused ones again; `done` is called then.

        Raises:
            FlowydError: another reload is under way.
        """
        if self._reload is not None:
            raise FlowydError("a reload is under way already; its answer comes when the modules are tried")
        self._reload, self._reload_left = reload, set(self._kinds)
        self._reload_replays = Replays()
        self.act(time.monotonic())

    def equip(self, pool: PoolState) -> None:
        """Gives a new pool its modules."""
        if pool.kind is not None and (modules := self._kinds[pool.kind].modules) is not None:
            pool.serve(modules)

    def take_config(self, config: Config) -> None:
        """From now on the directories of this configuration are watched."""
        for kind, one in self._kinds.items():
            if _roots(config, kind) != _roots(self._config, kind):
                self._close_watch(one)
                one.watch = DirectoryWatch(_roots(config, kind))
                self._open_watch(one)
        self._config = config

    def refused(self) -> dict[str, str]:
        """What is in the directories and not served, and why."""
        return {
            path: why
            for one in self._kinds.values()
            if one.modules
            for path, why in one.modules.refused.items()
        }

    # Probes.

    def _probe(self, kind: PoolKind, one: _Kind) -> None:
        reload = self._reload if kind in self._reload_left else None
        config = reload.config if reload else self._config
        one.watch.settling.forget()
        one.look_at, one.is_probed, one.reload = None, True, reload
        stock = Stock(units=one.stock.units) if reload else one.stock
        try:
            spec = self._spec(kind, config, stock, replay=reload is None or not reload.is_forced)
            self._folder(kind).mkdir(mode=0o750, parents=True, exist_ok=True)
            spec.answer.unlink(missing_ok=True)
            self._crew.envoys.send(
                _probe_main(spec),
                name=_NAME,
                limit_s=PROBE_S,
                ended=lambda child, status: self._probe_ended(kind, one, child, status),
            )
        except (OSError, FlowydError) as error:
            self._failed(kind, one, f"no probe for {kind.value} modules: {error}")

    def _spec(self, kind: PoolKind, config: Config, stock: Stock, *, replay: bool) -> ProbeSpec:
        pool = next((pool for pool in config.pools if pool.kind is kind), None)
        return ProbeSpec(
            kind=kind,
            service=service_of(config),
            roots=_roots(config, kind),
            before=stock,
            store=self._folder(kind) / "contents",
            answer=self._folder(kind) / "answer.json",
            replay=replay,
            environment=dict(pool.environment) if pool else {},
            log_level=config.flowyd.log_level,
            become=(standing_of(pool) if pool else Standing()).take_on,
        )

    def _probe_ended(self, kind: PoolKind, one: _Kind, child: Child, status: int) -> None:
        try:
            if status != 0:
                raise ProtocolError(f"it ended with status {status}: {child.last_words()}")
            answer = decode_answer((self._folder(kind) / "answer.json").read_text())
            if answer.away and (one.modules is not None or one.stock.units):
                raise ProtocolError(f"the service could not be asked: {answer.away}")
            if one.reload is not None:
                self._reload_replays += answer.replays
            self._take(kind, one, answer)
        except (OSError, FlowydError) as error:
            self._failed(kind, one, f"the probe of {kind.value} modules gave no answer: {error}")
            return
        one.is_probed, one.failures = False, 0
        self._reload_step(kind, one, None)

    def _failed(self, kind: PoolKind, one: _Kind, why: str) -> None:
        """What is served goes on; at a start that is what was served last time."""
        if self._crew.roster.ending is not Ending.NO:
            return
        first, longest = _AGAIN_S
        pause = min(longest, first * 2.0**one.failures)
        logger.error("%s; the next try in %.0f s", why, pause, extra={"action": "modules"})
        one.is_probed, one.failures = False, one.failures + 1
        one.look_at = time.monotonic() + pause
        if one.modules is None:
            with contextlib.suppress(FlowydError):
                self._serve(kind, one, one.stock)
        self._reload_step(kind, one, why)

    def _reload_step(self, kind: PoolKind, one: _Kind, why: str | None) -> None:
        reload = one.reload
        one.reload = None
        self._crew.roster.changed = True
        if reload is None or reload is not self._reload:
            return
        self._reload_left.discard(kind)
        if self._reload_left and why is None:
            return
        self._reload, self._reload_left = None, set()
        reload.done(why, self._reload_replays)

    # What is served.

    def _take(self, kind: PoolKind, one: _Kind, answer: ProbeAnswer) -> None:
        for path, refusal in answer.stock.refusals.items():
            known = one.stock.refusals.get(path)
            if known is None or known.why != refusal.why:
                old = "its last good version goes on" if path in answer.stock.units else "it is not served"
                logger.error("%s is quarantined, %s: %s", path, old, refusal.why, extra={"action": "modules"})
        _tell_of_replays(answer.replays)
        self._serve(kind, one, answer.stock)
        self._write_stock(kind, one.stock)

    def _serve(self, kind: PoolKind, one: _Kind, stock: Stock) -> None:
        contents = ContentStore(self._folder(kind) / "contents").get(stock.units.values())
        one.stock = stock
        one.modules = Modules(
            units=stock.units,
            contents=contents,
            refused={path: refusal.why for path, refusal in stock.refusals.items()},
        )
        for pool in self._crew.roster.pools.values():
            if pool.kind is kind and pool.serve(one.modules):
                logger.info(
                    "pool %s gets other modules, worker by worker",
                    pool.name,
                    extra={"action": "modules", "pool": pool.name},
                )
        self._crew.roster.changed = True

    # Files.

    def _folder(self, kind: PoolKind) -> Path:
        return self._config.flowyd.state_dir / "modules" / kind.value

    def _read_stock(self, kind: PoolKind) -> Stock:
        file = self._folder(kind) / "served.json"
        try:
            return decode_stock(json.loads(file.read_text()))
        except FileNotFoundError:
            return Stock()
        except (OSError, ValueError, ProtocolError) as error:
            logger.error("%s is of no use: %s", file, error, extra={"action": "modules"})
            return Stock()

    def _write_stock(self, kind: PoolKind, stock: Stock) -> None:
        file = self._folder(kind) / "served.json"
        written = file.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(encode_stock(stock)))
        written.replace(file)
        ContentStore(self._folder(kind) / "contents").keep_only(
            {digest for unit in stock.units.values() for _, digest in unit.files}
        )

    # Watches.

    def _open_watch(self, one: _Kind) -> None:
        one.watch_fd = one.watch.open()
        if one.watch_fd >= 0:
            watch = one.watch
            self._selector.register(
                one.watch_fd, selectors.EVENT_READ, lambda _: watch.read(time.monotonic())
            )

    def _close_watch(self, one: _Kind) -> None:
        if one.watch_fd >= 0:
            self._selector.unregister(one.watch_fd)
        one.watch.close()


def _tell_of_replays(replays: Replays) -> None:
    if replays.replayed:
        logger.info("%d open executions replayed", replays.replayed, extra={"action": "modules"})
    if replays.not_replayed:
        logger.warning(
            "%d open executions were not replayed: only the newest %d of a type are, for %.0f s; "
            "flowyd replay MODULE --open looks at all",
            replays.not_replayed,
            MOST_EXECUTIONS,
            REPLAY_S,
            extra={"action": "modules"},
        )


def _roots(config: Config, kind: PoolKind) -> tuple[Path, ...]:
    return config.flowyd.workflows if kind is PoolKind.DECISION else config.flowyd.activities


def _probe_main(spec: ProbeSpec) -> Callable[[int], int]:
    def main(reports_fd: int) -> int:
        setproctitle.setproctitle(f"flowyd: tries {spec.kind.value} modules")
        Reporter(reports_fd).report(WorkerState.LOADING, until=time.monotonic() + PROBE_S)
        return run_probe(spec)

    return main

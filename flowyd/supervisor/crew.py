"""The children of the supervisor: what is due is done to them, and what they report is taken.

The crew carries out what `plan` finds due and keeps the facts that `plan` looks at. It decides nothing
about when; it never waits; the loop calls it. How a child is started is in `hiring`, what its death leads to
in `burials`, children of no pool are in `envoys`.
"""

from __future__ import annotations

import logging
import math
import selectors
import socket
import time
from collections.abc import Sequence

from flowyd.config.records import Config
from flowyd.control.reports import Report, WorkerState
from flowyd.supervisor import starting
from flowyd.supervisor.burials import Burials
from flowyd.supervisor.child import Child
from flowyd.supervisor.deaths import MemoryWatch, memory_events_file
from flowyd.supervisor.envoys import Envoys
from flowyd.supervisor.errands import Errands
from flowyd.supervisor.estates import FOLDER, Estates
from flowyd.supervisor.fates import Fates
from flowyd.supervisor.gathering import Gathered
from flowyd.supervisor.hiring import Hiring
from flowyd.supervisor.nursery import Nursery
from flowyd.supervisor.orders import about, dump_hung, kill, serve_orphans, tell_to_stop
from flowyd.supervisor.plan import Action, Check, DumpStack, Ending, Kill, Start, Stop, next_look_at, plan
from flowyd.supervisor.pools import ENGINE, PoolState
from flowyd.supervisor.processes import cpu_s, rss_bytes
from flowyd.supervisor.quarantine import Suspect, open_quarantine
from flowyd.supervisor.roster import Roster
from flowyd.supervisor.succession import Succession
from flowyd.worker.quarantined import failure_reason
from flowyd.worker.rolling import Rolling

logger = logging.getLogger(__name__)


class Crew:
    """All children, and whoever sees to them."""

    def __init__(
        self,
        config: Config,
        *,
        pools: dict[str, PoolState],
        engine_sockets: Sequence[socket.socket],
        selector: selectors.BaseSelector,
    ) -> None:
        self.config = config
        self.roster = Roster(pools)
        self.rolling = Rolling()
        self.estates = Estates(config.flowyd.runtime_dir / FOLDER, selector)
        self.quarantine = open_quarantine(
            config.flowyd.state_dir / "quarantine.json", starting.quarantine_keys_file(config)
        )
        self.fates = Fates(self.quarantine)
        self._next_look_at: float | None = None
        self._errands = Errands(self.estates.settle)
        self._succession = Succession(pools, self.estates, self._errands)
        #: What workers report comes through here.
        self.reports = Gathered(selector)
        nursery = Nursery(selector, self.reports, self._take_all)
        self.envoys = Envoys(self.roster, nursery, self._errands)
        self._hiring = Hiring(
            roster=self.roster,
            nursery=nursery,
            succession=self._succession,
            engine_sockets=engine_sockets,
            rolling=self.rolling,
        )
        self.burials = Burials(
            roster=self.roster,
            nursery=nursery,
            succession=self._succession,
            errands=self._errands,
            envoys=self.envoys,
            fates=self.fates,
            memory=MemoryWatch(memory_events_file()),
        )
        for name, task in self.quarantine.released():
            if name in pools:
                pools[name].orphans.append(task)
        self.estates.left_behind(self.burials.take_over)

    # What is due.

    def next_look_at(self, now: float) -> float | None:
        """When `act` has something to do by time alone; now if something changed."""
        return now if self.roster.changed else self._next_look_at

    def act(self, now: float) -> None:
        """Carries out all that is due."""
        if not self.roster.changed and (self._next_look_at is None or now < self._next_look_at):
            return
        self.roster.changed = False
        # Errands come first: at the end of the daemon the engine waits for them.
        self.envoys.send_errands(self.config)
        for action in plan(*self.roster.picture(), now):
            self._carry_out(action)
        if self.roster.ending is Ending.NO:
            # A successor that was just started has taken what it could.
            for pool in self.roster.pools.values():
                if pool.orphans:
                    serve_orphans(self.roster, pool)
        self.envoys.send_errands(self.config)
        self._next_look_at = next_look_at(*self.roster.picture())

    def _carry_out(self, action: Action) -> None:
        roster = self.roster
        match action:
            case Start():
                self._hiring.fill(roster.pools[action.pool], action.slot, self.config)
            case Stop():
                tell_to_stop(roster, roster.children[action.pid], action.reason, action.kill_at)
            case Check():
                child = roster.children[action.pid]
                child.being_checked = True
                if child.task is not None:
                    self._errands.ask(child.pid, child.task)
            case DumpStack():
                dump_hung(roster.children[action.pid])
            case Kill():
                kill(roster.children[action.pid])

    def stop_begins(self) -> None:
        """The daemon stops: what becomes of all that is in workers' hands is told at its end."""
        children = self.roster.children.values()
        self.fates.stop_begins({child: self._succession.in_hand(child) for child in children})

    # Listening.

    def _take_all(self, child: Child, reports: list[Report]) -> None:
        for report in reports:
            self._take(child, report)
        if child.ready and not child.announced:
            child.announced = True
            self._became_ready(child)

    def _take(self, child: Child, report: Report) -> None:
        if child.errand:
            return
        self.fates.reported(child, report)
        now = time.monotonic()
        if child.cpu.is_due(now):
            child.cpu.look(cpu_s(child.pid), now)
        pool = self.roster.pools.get(child.pool)
        if pool is None:
            return
        if report.broken_modules is not None:
            self._loaded(child, pool, report)
        if report.until is not None and (self._next_look_at is None or report.until < self._next_look_at):
            self._next_look_at = report.until
        config = pool.config
        if config is not None and child.kill_at == math.inf and child.task is None:
            child.kill_at = time.monotonic() + config.stop_timeout_s + child.seen().poll_wait_s
            self.roster.changed = True
        if config is None or report.state is not WorkerState.POLLING:
            return
        self.roster.changed |= bool(pool.orphans)
        if config.recycle_rss_bytes is not None:
            child.rss_bytes = rss_bytes(child.pid)
            self.roster.changed |= child.rss_bytes >= config.recycle_rss_bytes
        if config.recycle_tasks is not None:
            self.roster.changed |= report.tasks_done >= config.recycle_tasks

    def _became_ready(self, child: Child) -> None:
        self.roster.changed = True
        self._succession.ready(child)
        if child.pool == ENGINE:
            self.roster.engine_was_ready = True
        logger.info("%s[%d] is ready", child.pool, child.pid, extra=about(child))

    def _loaded(self, child: Child, pool: PoolState, report: Report) -> None:
        """Takes the news of what a worker could load; newly broken modules stop the change to new code."""
        broken = report.broken_modules or {}
        older = any(
            other.generation < child.generation and not other.stopping
            for other in self.roster.members(pool.name)
        )
        new = {path: why for path, why in broken.items() if pool.broken_modules.get(path) != why}
        for path, why in new.items():
            logger.error(
                "pool %s does not serve %s: %s",
                pool.name,
                path,
                why,
                extra={"action": "loading", "pool": pool.name},
            )
        if older and new and child.generation == pool.generation:
            pool.refused_modules = new
            self.roster.keep_workers(pool, f"{', '.join(new)} cannot be loaded")
            return
        if child.generation == pool.generation:
            pool.broken_modules, pool.refused_modules = broken, {}
            pool.served_types = report.served_types or ()

    # An operator's choice of what was quarantined.

    def run_released(self, suspect: Suspect) -> None:
        """Has the attempts that an operator released run by a fresh worker of their pool."""
        pool = self.roster.pools.get(suspect.pool)
        if pool is not None:
            known = {task.task_token for task in pool.orphans}
            pool.orphans += [task for task in suspect.released if task.task_token not in known]
            self.roster.changed = True

    def fail_held(self, suspect: Suspect) -> None:
        """Fails the attempts that were held."""
        for task in suspect.held:
            self._errands.fail(task, failure_reason(suspect.deaths), suspect.last_death)
        self.roster.changed = True

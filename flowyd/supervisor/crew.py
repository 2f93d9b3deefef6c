"""The children of the supervisor: started, listened to, stopped, reaped, and what their deaths lead to.

The crew carries out what `plan` finds due and keeps the facts that `plan` looks at. It decides nothing
about when; it never waits; the loop calls it. It is one module because all of it changes the same two
tables, the children by pid and the slots' past; what needs neither lives beside it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence

from flowyd.config.records import Config, PoolKind
from flowyd.control.in_hand import InHand
from flowyd.control.reports import Report, WorkerState
from flowyd.errors import ConfigError
from flowyd.supervisor import starting
from flowyd.supervisor.child import Child
from flowyd.supervisor.deaths import MemoryWatch, describe_death, memory_events_file
from flowyd.supervisor.errands import Errands
from flowyd.supervisor.estates import FOLDER, Estates
from flowyd.supervisor.fates import Fates
from flowyd.supervisor.forking import DUMP_SIGNAL
from flowyd.supervisor.nursery import Nursery, ended_children, task_tags
from flowyd.supervisor.plan import (
    Action,
    Check,
    ChildSeen,
    DumpStack,
    Ending,
    Kill,
    Seen,
    SlotSeen,
    Start,
    Stop,
    StopReason,
    Wanted,
    after_death,
    next_look_at,
    patience_s,
    plan,
    rested,
)
from flowyd.supervisor.pools import ENGINE, ERRAND_RANK, PoolState
from flowyd.supervisor.processes import cpu_s, rss_bytes
from flowyd.supervisor.quarantine import Suspect, open_quarantine
from flowyd.supervisor.standing import Standing, standing_of
from flowyd.supervisor.succession import Legacy, Succession
from flowyd.worker.quarantined import failure_reason
from flowyd.worker.rolling import Rolling
from flowyd.worker.spec import HANDED_ON, WORKER_DIED
from flowyd.worker.units import Modules

logger = logging.getLogger(__name__)


class Crew:
    """All children, by pid, and the pools they belong to."""

    def __init__(
        self,
        config: Config,
        *,
        pools: dict[str, PoolState],
        engine_sockets: Sequence[socket.socket],
        selector: selectors.BaseSelector,
    ) -> None:
        self.config = config
        self.pools = pools
        self.ending = Ending.NO
        self.children: dict[int, Child] = {}
        self.engine_was_ready = ENGINE not in pools
        #: Something changed since `plan` was last asked.
        self.changed = True
        self._slots: dict[tuple[str, int], SlotSeen] = {}
        self._next_look_at: float | None = None
        self._engine_sockets = engine_sockets
        self._nursery = Nursery(selector, self._take_all)
        self._memory = MemoryWatch(memory_events_file())
        self.estates = Estates(config.flowyd.runtime_dir / FOLDER, selector)
        self._errands = Errands(self.estates.settle)
        self._succession = Succession(pools, self.estates, self._errands)
        self._sent: dict[int, Callable[[Child, int], object]] = {}
        #: Told to all workers: whether newer modules are on their way.
        self.rolling = Rolling()
        self.quarantine = open_quarantine(
            config.flowyd.state_dir / "quarantine.json", starting.quarantine_keys_file(config)
        )
        self.fates = Fates(self.quarantine)
        for name, task in self.quarantine.released():
            if name in pools:
                pools[name].orphans.append(task)
        self.estates.left_behind(self._take_over)

    # What is.

    def members(self, pool: str) -> list[Child]:
        """The pool's children, by slot."""
        found = [child for child in self.children.values() if child.pool == pool and not child.errand]
        return sorted(found, key=lambda child: (child.slot, child.started_at))

    def slot(self, pool: str, number: int) -> SlotSeen:
        """The slot's past."""
        return self._slots.get((pool, number), SlotSeen())

    def settled(self) -> bool:
        """Whether every slot has what it should: a ready child of its generation, or deaths behind it."""
        return all(
            pool.drained or self._slot_settled(pool, number)
            for pool in self.pools.values()
            for number in range(pool.processes)
        ) and not any(
            child.generation != self.pools[child.pool].generation
            for child in self.children.values()
            if child.pool in self.pools and not child.stopping
        )

    def _slot_settled(self, pool: PoolState, number: int) -> bool:
        return number in pool.last_death or any(
            child.slot == number and child.ready for child in self.members(pool.name)
        )

    # What is due.

    def next_look_at(self, now: float) -> float | None:
        """When `act` has something to do by time alone; now if something changed."""
        return now if self.changed else self._next_look_at

    def act(self, now: float) -> None:
        """Carries out all that is due."""
        if not self.changed and (self._next_look_at is None or now < self._next_look_at):
            return
        self.changed = False
        # Errands come first: at the end of the daemon the engine waits for them.
        self._send_errands(now)
        wanted, seen = self._picture()
        for action in plan(wanted, seen, now):
            self._carry_out(action, now)
        self._send_errands(now)
        wanted, seen = self._picture()
        self._next_look_at = next_look_at(wanted, seen)

    def _picture(self) -> tuple[Wanted, Seen]:
        pools = tuple(pool.wanted() for pool in self.pools.values())
        children: tuple[ChildSeen, ...] = tuple(child.seen() for child in self.children.values())
        seen = Seen(children=children, slots=self._slots, engine_was_ready=self.engine_was_ready)
        return Wanted(pools=pools, ending=self.ending), seen

    def _carry_out(self, action: Action, now: float) -> None:
        match action:
            case Start():
                self._start(self.pools[action.pool], action.slot, now)
            case Stop():
                self._tell_to_stop(self.children[action.pid], action.reason, action.kill_at)
            case Check():
                child = self.children[action.pid]
                child.being_checked = True
                if child.task is not None:
                    self._errands.ask(child.pid, child.task)
            case DumpStack():
                child = self.children[action.pid]
                child.hung = True
                logger.error(
                    "%s[%d] is past its deadline; its stacks follow",
                    child.pool,
                    child.pid,
                    extra=_about(child),
                )
                _signal_child(child.pid, DUMP_SIGNAL)
            case Kill():
                self._kill(self.children[action.pid])

    def _tell_to_stop(self, child: Child, reason: StopReason, kill_at: float) -> None:
        child.stop_reason, child.kill_at = reason, kill_at
        # The next step of a replacement need not wait for this one's end.
        self.changed = True
        level = logging.DEBUG if reason is StopReason.SHUTDOWN and child.task is None else logging.INFO
        logger.log(
            level, "%s[%d] is told to stop: %s", child.pool, child.pid, reason.value, extra=_about(child)
        )
        _signal_child(child.pid, signal.SIGTERM)

    def _kill(self, child: Child) -> None:
        child.killed = True
        task = f"; it runs {child.task.type_name} of {child.task.workflow_id}" if child.task else ""
        logger.warning("%s[%d] is killed%s", child.pool, child.pid, task, extra=_about(child))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        _signal_child(child.pid, signal.SIGKILL)

    # Starting.

    def send(
        self,
        main: starting.ChildMain,
        *,
        name: str,
        limit_s: float,
        ended: Callable[[Child, int], object],
    ) -> None:
        """A child of no pool that runs `main`; `ended` is told it and its wait status.

        Raises:
            OSError: there are no more processes or descriptors.
        """
        child = self._nursery.bring_up(main, pool=name, rank=ERRAND_RANK, errand=True)
        child.until = time.monotonic() + limit_s
        self.children[child.pid] = child
        self._sent[child.pid] = ended
        self.changed = True

    def dismiss(self, name: str) -> None:
        """Kills the children of no pool that have this name."""
        for pid in self._sent:
            if self.children[pid].pool == name and not self.children[pid].killed:
                self._kill(self.children[pid])

    def _start(self, pool: PoolState, number: int, now: float) -> None:
        keep: list[int] = []
        legacy: Legacy | None = None
        if pool.config is not None and pool.modules is None:
            # What it is to serve is being tried; the pool is asked for again when that is known.
            return
        if pool.config is None:
            main = starting.engine_main(self.config, self._engine_sockets)
            keep = [listener.fileno() for listener in self._engine_sockets]
        else:
            legacy = self._succession.legacy(pool, number)
            keep = legacy.keep
            main = starting.worker_main(
                starting.worker_spec(self.config, pool.config, number, legacy),
                modules=pool.modules or Modules(),
                rolling=self.rolling,
            )
        try:
            standing = standing_of(pool.config) if pool.config else Standing()
            child = self._nursery.bring_up(
                main,
                pool=pool.name,
                rank=pool.rank,
                slot=number,
                generation=pool.generation,
                keep=keep,
                standing=standing,
            )
        except (OSError, ConfigError) as error:
            logger.error("no process for pool %s: %s", pool.name, error, extra={"action": "start"})
            if legacy is not None:
                self._succession.not_begun(pool, number, legacy)
            self._slots[(pool.name, number)] = self._after_death(pool, number, 0.0, now)
            return
        self.children[child.pid] = child
        if legacy is not None:
            self._succession.begun(child, legacy)
        logger.debug("%s[%d] started in slot %d", pool.name, child.pid, number, extra=_about(child))

    def _send_errands(self, now: float) -> None:
        if self.ending is Ending.AT_ONCE:
            return
        for errand in self._errands.due(starting.service_of(self.config), self.config.flowyd.log_level):
            try:
                child = self._nursery.bring_up(
                    starting.errand_main(errand), pool="errand", rank=ERRAND_RANK, errand=True
                )
            except OSError as error:
                logger.error("no process for an errand: %s", error, extra={"action": "errand"})
                self._errands.failed_to_start(errand)
                return
            self.children[child.pid] = child
            child.until = now + self._errands.LIMIT_S
            self._errands.started(child.pid, errand)

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
        pool = self.pools.get(child.pool)
        if pool is None:
            return
        if report.broken_modules is not None:
            self._loaded(child, pool, report)
        if report.until is not None and (self._next_look_at is None or report.until < self._next_look_at):
            self._next_look_at = report.until
        config = pool.config
        if config is not None and child.kill_at == math.inf and child.task is None:
            child.kill_at = time.monotonic() + config.stop_timeout_s
            self.changed = True
        if config is None or report.state is not WorkerState.POLLING:
            return
        if pool.orphans and config.kind is PoolKind.ACTIVITY:
            self.serve_released(pool)
        if config.recycle_rss_bytes is not None:
            child.rss_bytes = rss_bytes(child.pid)
            self.changed = self.changed or child.rss_bytes >= config.recycle_rss_bytes
        if config.recycle_tasks is not None:
            self.changed = self.changed or report.tasks_done >= config.recycle_tasks

    def _became_ready(self, child: Child) -> None:
        self.changed = True
        self._succession.ready(child)
        if child.pool == ENGINE:
            self.engine_was_ready = True
        logger.info("%s[%d] is ready", child.pool, child.pid, extra=_about(child))

    def _loaded(self, child: Child, pool: PoolState, report: Report) -> None:
        """Takes the news of what a worker could load; newly broken modules stop the change to new code."""
        broken = report.broken_modules or {}
        older = any(
            other.generation < child.generation and not other.stopping for other in self.members(pool.name)
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
            self._refuse(pool, f"{', '.join(new)} cannot be loaded")
            return
        if child.generation == pool.generation:
            pool.broken_modules, pool.refused_modules = broken, {}
            pool.served_types = report.served_types or ()

    def _refuse(self, pool: PoolState, why: str) -> None:
        pool.refuse_renewal()
        self.changed = True
        logger.error(
            "pool %s keeps its workers: %s", pool.name, why, extra={"action": "reload", "pool": pool.name}
        )

    # Dying.

    def reap(self) -> None:
        """Buries every child that has ended, and what is left of its process group."""
        for pid, status in ended_children():
            child = self.children.pop(pid, None)
            if child is not None:
                self._bury(child, status)

    def _bury(self, child: Child, status: int) -> None:
        self.changed = True
        self._nursery.drain(child)
        if child.pid in self._sent:
            self._sent.pop(child.pid)(child, status)
            return
        if child.errand:
            self._errand_ended(child, status)
            return
        self._succession.look_at_file(child)
        oom = self._memory.killed_since_last_look()
        death = describe_death(status, stop_reason=child.stop_reason, killed=child.killed, out_of_memory=oom)
        expected = child.stopping and not child.killed and not child.hung
        logger.log(
            logging.INFO if expected else logging.ERROR,
            "%s[%d] %s after %.1f s%s",
            child.pool,
            child.pid,
            death,
            time.monotonic() - child.started_at,
            f", running {child.task.type_name} of {child.task.workflow_id}" if child.task else "",
            extra=_about(child),
        )
        if os.waitstatus_to_exitcode(status) == HANDED_ON:
            self._hand_on(child)
        self._answer_for(child, death)
        self._succession.answered_for(child, has_successor=self.ending is Ending.NO)
        pool = self.pools.get(child.pool)
        if pool is not None and not expected:
            self._note_death(pool, child, death)

    def _note_death(self, pool: PoolState, child: Child, death: str) -> None:
        now = time.monotonic()
        pool.restarts[child.slot] += 1
        pool.last_death[child.slot] = death
        siblings = [other for other in self.members(pool.name) if other.slot == child.slot]
        if not child.ready and child.generation == pool.generation and siblings:
            self._refuse(pool, f"a new worker {death} before it was ready")
            return
        slot = self._after_death(pool, child.slot, now - child.started_at, now)
        self._slots[(pool.name, child.slot)] = slot
        if slot.fatal:
            logger.error(
                "pool %s slot %d died %d times in a row and rests; flowyd resume %s tries at once",
                pool.name,
                child.slot,
                slot.fast_deaths,
                pool.name,
                extra={"action": "fatal", "pool": pool.name},
            )

    def _after_death(self, pool: PoolState, number: int, lived_s: float, now: float) -> SlotSeen:
        slot = self.slot(pool.name, number)
        return after_death(slot, pool.wanted(), lived_s=lived_s, now=now, jitter=random.random())

    def _answer_for(self, child: Child, death: str) -> None:
        """Sees to the tasks that a dead worker had in hand."""
        pool = self.pools.get(child.pool)
        self.fates.died(child, death, limit=pool.config.quarantine_deaths if pool and pool.config else None)
        for task in child.in_hand.values():
            if task.kind == PoolKind.ACTIVITY.value:
                where = f"{WORKER_DIED}: {death} (pool {child.pool}, pid {child.pid})"
                self._errands.fail(task, where, child.last_words())
            elif pool is not None and self.ending is Ending.NO and task.task_token not in pool.inherited:
                pool.orphans.append(task)

    def _hand_on(self, child: Child) -> None:
        """Takes the tasks that a replaced worker did not know, for a worker with newer modules."""
        pool = self.pools.get(child.pool)
        if pool is None or self.ending is not Ending.NO:
            return
        pool.orphans += child.in_hand.values()
        child.in_hand = {}
        self.serve_released(pool)

    def _take_over(self, left: InHand) -> None:
        """Takes what a worker of an earlier supervisor had in hand when it died."""
        pool = self._succession.take_over(left)
        self.changed = True
        if pool is not None and pool.orphans and self.children:
            self.serve_released(pool)

    def _errand_ended(self, child: Child, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        asked = self._errands.ended(child.pid, code)
        about = self.children.get(asked.pid) if asked else None
        if asked is None or about is None:
            return
        about.being_checked = False
        if about.task is None or about.task.task_token != asked.task.task_token:
            return
        if asked.closed:
            about.hung = True
        else:
            about.until = time.monotonic() + asked.again_s

    # Wishes.

    def rest(self, pool: str) -> None:
        """Forgets the pool's deaths, so that its slots are tried at once."""
        for key in [key for key in self._slots if key[0] == pool]:
            self._slots[key] = rested(self._slots[key])
        self.changed = True

    def run_released(self, suspect: Suspect) -> None:
        """Has the attempts that an operator released run by a fresh worker of their pool."""
        pool = self.pools.get(suspect.pool)
        if pool is not None:
            known = {task.task_token for task in pool.orphans}
            pool.orphans += [task for task in suspect.released if task.task_token not in known]
            self.serve_released(pool)

    def serve_released(self, pool: PoolState) -> None:
        """Replaces an idle worker, if there is one and none is on its way: the successor takes what waits."""
        members = self.members(pool.name)
        if any(child.stopping or not child.ready for child in members):
            return
        idle = next((child for child in members if child.task is None), None)
        if idle is not None:
            self.recycle(idle)

    def fail_held(self, suspect: Suspect) -> None:
        """Fails the attempts that were held."""
        for task in suspect.held:
            self._errands.fail(task, failure_reason(suspect.deaths), suspect.last_death)
        self.changed = True

    def dump(self, child: Child) -> None:
        """Has the child write its threads' stacks among its output; it goes on with its work."""
        _signal_child(child.pid, DUMP_SIGNAL)

    def recycle(self, child: Child) -> None:
        """Has the child replaced by a fresh one as soon as its task is done."""
        pool = self.pools[child.pool].wanted()
        grace = patience_s(child.seen(), pool)
        self._tell_to_stop(child, StopReason.RECYCLED, time.monotonic() + grace)
        self.changed = True


def _signal_child(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _about(child: Child) -> dict[str, str | int]:
    return {"action": "worker", "pool": child.pool, "worker_pid": child.pid, **task_tags(child)}

"""What a child's death leads to: for its slot, for its pool, and for the tasks it had in hand."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass

from flowyd.config.records import PoolKind
from flowyd.control.in_hand import InHand
from flowyd.supervisor.child import Child
from flowyd.supervisor.deaths import MemoryWatch, describe_death
from flowyd.supervisor.envoys import Envoys
from flowyd.supervisor.errands import Errands
from flowyd.supervisor.fates import Fates
from flowyd.supervisor.nursery import Nursery, ended_children
from flowyd.supervisor.orders import about
from flowyd.supervisor.plan import Ending
from flowyd.supervisor.pools import Death, PoolState
from flowyd.supervisor.roster import Roster
from flowyd.supervisor.succession import Succession
from flowyd.worker.spec import HANDED_ON, SERVICE_AWAY, WORKER_DIED

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burials:
    """Buries children."""

    roster: Roster
    nursery: Nursery
    succession: Succession
    errands: Errands
    envoys: Envoys
    fates: Fates
    memory: MemoryWatch

    def reap(self) -> None:
        """Buries every child that has ended, and what is left of its process group."""
        for pid, status in ended_children():
            child = self.roster.children.pop(pid, None)
            if child is None:
                continue
            self.roster.changed = True
            self.nursery.drain(child)
            if child.errand:
                self.envoys.ended(child, status)
            else:
                self._bury(child, status)

    def take_over(self, left: InHand) -> None:
        """Takes what a worker of an earlier supervisor had in hand when it died."""
        self.succession.take_over(left)
        self.roster.changed = True

    def _bury(self, child: Child, status: int) -> None:
        left = self.succession.look_at_file(child)
        oom = self.memory.killed_since_last_look()
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
            extra=about(child),
        )
        if os.waitstatus_to_exitcode(status) == HANDED_ON:
            self._hand_on(child)
        self._answer_for(child, left, death)
        self.succession.answered_for(child, has_successor=self.roster.ending is Ending.NO)
        pool = self.roster.pools.get(child.pool)
        if pool is not None and not expected:
            self._note_death(pool, child, death, status)

    def _note_death(self, pool: PoolState, child: Child, death: str, status: int) -> None:
        pool.restarts[child.slot] += 1
        pool.last_death[child.slot] = Death(how=death, at=time.time())
        siblings = [other for other in self.roster.members(pool.name) if other.slot == child.slot]
        is_at_fault = not child.ready and os.waitstatus_to_exitcode(status) != SERVICE_AWAY
        if is_at_fault and child.generation == pool.generation and siblings:
            self.roster.keep_workers(pool, f"a new worker {death} before it was ready")
            return
        now = time.monotonic()
        slot = self.roster.note_death(pool, child.slot, lived_s=now - child.started_at, now=now)
        if slot.fatal:
            logger.error(
                "%s died %d times in a row and rests; %s tries at once",
                f"pool {pool.name} slot {child.slot}" if pool.config else "the engine",
                slot.fast_deaths,
                f"flowyd resume {pool.name}" if pool.config else "flowyd resume",
                extra={"action": "fatal", "pool": pool.name},
            )

    def _answer_for(self, child: Child, left: InHand | None, death: str) -> None:
        """Sees to the tasks that a dead worker had in hand.

        Args:
            left: what its file says, where there is one.
        """
        pool = self.roster.pools.get(child.pool)
        self.fates.died(child, death, limit=pool.config.quarantine_deaths if pool and pool.config else None)
        how = f"{death} (pool {child.pool}, pid {child.pid})"
        if left is not None:
            self.errands.give_back(left, how)
            for task in left.answered:
                self.errands.answer_for(task, left, f"{WORKER_DIED}: {how}")
        decisions = []
        for task in child.in_hand.values():
            if task.kind == PoolKind.ACTIVITY.value:
                self.errands.answer_for(task, left, f"{WORKER_DIED}: {how}", child.last_words())
            else:
                decisions.append(task)
        if pool is not None and self.roster.ending is Ending.NO:
            pool.orphan(decisions, running=child.task)

    def _hand_on(self, child: Child) -> None:
        """Takes the tasks that a replaced worker did not know, for a worker with newer modules."""
        pool = self.roster.pools.get(child.pool)
        if pool is None or self.roster.ending is not Ending.NO:
            return
        pool.orphans += child.in_hand.values()
        child.in_hand = {}

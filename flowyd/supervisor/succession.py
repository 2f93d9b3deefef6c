"""How a worker gets what dead ones had in hand, and how their own supervisor or the next one sees to it.

A legacy is what a new worker is given at its start: a file of its own, the decision tasks of dead workers of
its pool, and the polls of the worker that had its slot before. Activity tasks are no legacy: an errand tells
the service that they failed, sends again what they had been answered with, or gives back what was not begun.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from flowyd.config.records import PoolKind
from flowyd.control.in_hand import InHand, PollUnderWay
from flowyd.control.reports import TaskInHand
from flowyd.supervisor.child import Child
from flowyd.supervisor.errands import Errands
from flowyd.supervisor.estates import Estates
from flowyd.supervisor.pools import PoolState
from flowyd.worker.spec import WORKER_DIED

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Legacy:
    """What a new worker is given."""

    orphans: tuple[TaskInHand, ...] = ()
    polls: tuple[PollUnderWay, ...] = ()
    #: Its file; None where none could be made.
    file: Path | None = None
    hand_fd: int | None = None

    @property
    def keep(self) -> list[int]:
        """The descriptors that the worker needs."""
        return [] if self.hand_fd is None else [self.hand_fd]


class Succession:
    """Passes on what dead workers had in hand."""

    def __init__(self, pools: dict[str, PoolState], estates: Estates, errands: Errands) -> None:
        self._pools = pools
        self._estates = estates
        self._errands = errands

    def legacy(self, pool: PoolState, slot: int) -> Legacy:
        """What the next worker of the slot is given; to be followed by `begun` or `not_begun`."""
        file, hand_fd = None, None
        try:
            file, hand_fd = self._estates.make_file(pool.name, slot)
        except OSError as error:
            logger.error("no file for what a worker has in hand: %s", error, extra={"action": "in-hand"})
        return Legacy(orphans=pool.take_orphans(), polls=pool.polls.pop(slot, ()), file=file, hand_fd=hand_fd)

    def begun(self, child: Child, legacy: Legacy) -> None:
        """The child has it; it writes it down before it is ready."""
        if legacy.hand_fd is not None and legacy.file is not None:
            os.close(legacy.hand_fd)
            self._estates.give(legacy.file, child.pid)
        child.inherited = (
            *(task.task_token for task in legacy.orphans),
            *(poll.poll_id for poll in legacy.polls),
        )

    def not_begun(self, pool: PoolState, slot: int, legacy: Legacy) -> None:
        """There is no such child; the next one gets it."""
        if legacy.hand_fd is not None and legacy.file is not None:
            os.close(legacy.hand_fd)
            legacy.file.unlink(missing_ok=True)
        pool.orphans += legacy.orphans
        pool.polls[slot] = legacy.polls

    def ready(self, child: Child) -> None:
        """The child has written down what it was given."""
        self._estates.settle(child.inherited)

    def in_hand(self, child: Child) -> list[TaskInHand]:
        """What a living child runs or will answer; of several decision tasks only the file names all."""
        estate = self._estates.of_living(child.pid)
        tasks = {task.task_token: task for task in estate.running} if estate is not None else {}
        return list((tasks | child.in_hand).values())

    def look_at_file(self, child: Child) -> InHand | None:
        """Goes by the dead child's file for what it ran: it is newer than its last report.

        Returns:
            the file's whole content; None: there was none.
        """
        estate = self._estates.of_dead(child.pid)
        if estate is None:
            return None
        child.in_hand = {task.task_token: task for task in estate.running}
        if (pool := self._pools.get(child.pool)) is not None and estate.polls:
            pool.polls[child.slot] = estate.polls
        return estate

    def answered_for(self, child: Child, *, has_successor: bool) -> None:
        """The crew has seen to the dead child's tasks: those that it left to time out are settled."""
        pool = self._pools.get(child.pool)
        if pool is not None and not has_successor:
            self._estates.settle(poll.poll_id for poll in pool.polls.pop(child.slot, ()))
        waiting = {task.task_token for task in pool.orphans} if pool is not None else set()
        self._estates.settle(thing for thing in child.inherited if thing not in waiting)

    def take_over(self, left: InHand) -> None:
        """Sees to what a worker of an earlier supervisor had in hand."""
        if left.tasks:
            logger.warning(
                "%s[%d] died without a supervisor; it had %d tasks in hand",
                left.pool,
                left.pid,
                len(left.tasks),
                extra={"action": "in-hand", "pool": left.pool},
            )
        pool = self._pool_for(left)
        how = f"it ended with the daemon (pool {left.pool}, pid {left.pid})"
        self._errands.give_back(left, how)
        for task in (*left.answered, *left.running):
            if task.kind == PoolKind.ACTIVITY.value:
                self._errands.answer_for(task, left, f"{WORKER_DIED}: {how}")
            elif pool is None:
                logger.error("nobody decides %s any more", task.workflow_id, extra={"action": "in-hand"})
                self._estates.settle([task.task_token])
            elif task not in pool.orphans:
                pool.orphans.append(task)
        if pool is not None and pool.name == left.pool and left.slot < pool.processes:
            pool.polls.setdefault(left.slot, left.polls)
        else:
            self._estates.settle(poll.poll_id for poll in left.polls)

    def _pool_for(self, left: InHand) -> PoolState | None:
        """The pool that it was in, or another one for the same tasks."""
        candidates = [pool for pool in self._pools.values() if pool.kind and pool.kind.value == left.kind]
        same = [pool for pool in candidates if pool.name == left.pool]
        alike = [pool for pool in candidates if pool.config and pool.config.task_list == left.task_list]
        return next(iter((*same, *alike)), None)

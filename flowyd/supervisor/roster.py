"""Who there is: the children by pid, their pools by name, and what past deaths mean for the slots.

The one place of this state. The crew, its hiring and its burials change it; whoever does sets `changed`, so
that `plan` is asked again.
"""

from __future__ import annotations

import logging
import random

from flowyd.supervisor.child import Child
from flowyd.supervisor.plan import Ending, Seen, SlotSeen, Wanted, after_death, rested
from flowyd.supervisor.pools import ENGINE, PoolState

logger = logging.getLogger(__name__)


class Roster:
    """All children and the pools they belong to."""

    def __init__(self, pools: dict[str, PoolState]) -> None:
        self.pools = pools
        self.children: dict[int, Child] = {}
        self.ending = Ending.NO
        self.engine_was_ready = ENGINE not in pools
        #: Something changed since `plan` was last asked.
        self.changed = True
        self._slots: dict[tuple[str, int], SlotSeen] = {}

    def members(self, pool: str) -> list[Child]:
        """The pool's children, by slot."""
        found = [child for child in self.children.values() if child.pool == pool and not child.errand]
        return sorted(found, key=lambda child: (child.slot, child.started_at))

    def slot(self, pool: str, number: int) -> SlotSeen:
        """The slot's past."""
        return self._slots.get((pool, number), SlotSeen())

    def picture(self) -> tuple[Wanted, Seen]:
        """Wanted and present, for `plan`."""
        pools = tuple(pool.wanted() for pool in self.pools.values())
        children = tuple(child.seen() for child in self.children.values())
        seen = Seen(children=children, slots=self._slots, engine_was_ready=self.engine_was_ready)
        return Wanted(pools=pools, ending=self.ending), seen

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

    def note_death(self, pool: PoolState, number: int, *, lived_s: float, now: float) -> SlotSeen:
        """Puts a death down to the slot; what it now has behind it."""
        slot = after_death(
            self.slot(pool.name, number), pool.wanted(), lived_s=lived_s, now=now, jitter=random.random()
        )
        self._slots[(pool.name, number)] = slot
        self.changed = True
        return slot

    def rest(self, pool: str) -> None:
        """Forgets the pool's deaths, so that its slots are tried at once."""
        for key in [key for key in self._slots if key[0] == pool]:
            self._slots[key] = rested(self._slots[key])
        self.changed = True

    def keep_workers(self, pool: PoolState, why: str) -> None:
        """Takes back that the pool gets workers with newer code or configuration."""
        pool.refuse_renewal()
        self.changed = True
        logger.error(
            "pool %s keeps its workers: %s", pool.name, why, extra={"action": "reload", "pool": pool.name}
        )

    def _slot_settled(self, pool: PoolState, number: int) -> bool:
        return self.slot(pool.name, number).fast_deaths > 0 or any(
            child.slot == number and child.ready for child in self.members(pool.name)
        )

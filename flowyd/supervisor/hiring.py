"""A process for a slot: the engine, or a worker with what it is to know, to serve and to inherit."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from flowyd.config.records import Config, Pool, PoolKind
from flowyd.errors import ConfigError
from flowyd.supervisor import starting
from flowyd.supervisor.child import Child
from flowyd.supervisor.nursery import Nursery
from flowyd.supervisor.orders import about
from flowyd.supervisor.pools import PoolState
from flowyd.supervisor.roster import Roster
from flowyd.supervisor.standing import standing_of
from flowyd.supervisor.succession import Succession
from flowyd.worker.rolling import Rolling
from flowyd.worker.units import Modules

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hiring:
    """Fills slots."""

    roster: Roster
    nursery: Nursery
    succession: Succession
    engine_sockets: Sequence[socket.socket]
    #: Told to all workers: whether newer modules are on their way.
    rolling: Rolling

    def fill(self, pool: PoolState, number: int, config: Config) -> None:
        """Starts the slot's process; one that cannot be started counts as a fast death.

        Nothing happens while it is not known what the pool serves: it is asked for again when that is known.
        """
        if pool.config is not None and pool.modules is None:
            return
        try:
            if pool.config is None:
                child = self._engine(pool, number, config)
            else:
                child = self._worker(pool, number, config, pool.config)
        except (OSError, ConfigError) as error:
            logger.error("no process for pool %s: %s", pool.name, error, extra={"action": "start"})
            self.roster.note_death(pool, number, lived_s=0.0, now=time.monotonic())
            return
        self.roster.children[child.pid] = child
        logger.debug("%s[%d] started in slot %d", pool.name, child.pid, number, extra=about(child))

    def _engine(self, pool: PoolState, number: int, config: Config) -> Child:
        return self.nursery.bring_up(
            starting.engine_main(config, self.engine_sockets),
            pool=pool.name,
            rank=pool.rank,
            slot=number,
            generation=pool.generation,
            keep=[listener.fileno() for listener in self.engine_sockets],
        )

    def _worker(self, pool: PoolState, number: int, config: Config, settings: Pool) -> Child:
        legacy = self.succession.legacy(pool, number)
        spec = starting.worker_spec(config, settings, number, legacy)
        try:
            child = self.nursery.bring_up(
                starting.worker_main(spec, modules=pool.modules or Modules(), rolling=self.rolling),
                pool=pool.name,
                rank=pool.rank,
                slot=number,
                generation=pool.generation,
                keep=legacy.keep,
                standing=standing_of(settings),
            )
        except (OSError, ConfigError):
            self.succession.not_begun(pool, number, legacy)
            raise
        child.poll_wait_s = spec.service.poll_wait_s
        child.polls_beside_task = settings.kind is PoolKind.DECISION or settings.concurrency > 1
        self.succession.begun(child, legacy)
        return child

"""Children of no pool: errands to the service, and probes of modules. Each does one thing, within a limit."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from flowyd.config.records import Config
from flowyd.supervisor import starting
from flowyd.supervisor.child import Child
from flowyd.supervisor.errands import Errands
from flowyd.supervisor.nursery import Nursery
from flowyd.supervisor.orders import kill
from flowyd.supervisor.plan import Ending
from flowyd.supervisor.pools import ERRAND_RANK
from flowyd.supervisor.roster import Roster

logger = logging.getLogger(__name__)


class Envoys:
    """Sends them, and takes what they bring back."""

    def __init__(self, roster: Roster, nursery: Nursery, errands: Errands) -> None:
        self._roster = roster
        self._nursery = nursery
        self._errands = errands
        #: By pid, who is told of the end.
        self._sent: dict[int, Callable[[Child, int], object]] = {}

    def send(
        self,
        main: starting.ChildMain,
        *,
        name: str,
        limit_s: float,
        ended: Callable[[Child, int], object],
    ) -> None:
        """A child that runs `main`; `ended` is told it and its wait status.

        Raises:
            OSError: there are no more processes or descriptors.
        """
        child = self._nursery.bring_up(main, pool=name, rank=ERRAND_RANK, errand=True)
        child.until = time.monotonic() + limit_s
        self._roster.children[child.pid] = child
        self._roster.changed = True
        self._sent[child.pid] = ended

    def dismiss(self, name: str) -> None:
        """Kills those that have this name."""
        for pid in self._sent:
            child = self._roster.children[pid]
            if child.pool == name and not child.killed:
                kill(child)

    def send_errands(self, config: Config) -> None:
        """Sends what is to be asked or told now."""
        if self._roster.ending is Ending.AT_ONCE:
            return
        for errand in self._errands.due(starting.service_of(config), config.flowyd.log_level):
            try:
                child = self._nursery.bring_up(
                    starting.errand_main(errand), pool="errand", rank=ERRAND_RANK, errand=True
                )
            except OSError as error:
                logger.error("no process for an errand: %s", error, extra={"action": "errand"})
                self._errands.failed_to_start(errand)
                return
            self._roster.children[child.pid] = child
            child.until = time.monotonic() + self._errands.LIMIT_S
            self._errands.started(child.pid, errand)

    def ended(self, child: Child, status: int) -> None:
        """Takes the end of one."""
        if child.pid in self._sent:
            self._sent.pop(child.pid)(child, status)
            return
        asked = self._errands.ended(child.pid, os.waitstatus_to_exitcode(status))
        about = self._roster.children.get(asked.pid) if asked else None
        if asked is None or about is None:
            return
        about.being_checked = False
        if about.task is None or about.task.task_token != asked.task.task_token:
            return
        if asked.closed:
            about.hung = True
        else:
            about.until = time.monotonic() + asked.again_s

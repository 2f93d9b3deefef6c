"""Whether newer modules are on their way into the pools: one byte that the daemon and its workers share."""

from __future__ import annotations

import logging
import mmap

from flowyd.control.reports import TaskInHand
from flowyd.worker.stopping import HandedOn, StopSignal

logger = logging.getLogger(__name__)

#: Pause between two looks while a task is held back, seconds.
_LOOK_AGAIN_S = 0.05


class Rolling:
    """The byte. Made before the workers are forked, so that each of them sees what is set later."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 1)

    def set(self, *, under_way: bool) -> None:
        """Tells all workers."""
        self._page[0] = int(under_way)

    @property
    def under_way(self) -> bool:
        """Whether a type that a worker does not know may be served in a moment."""
        return bool(self._page[0])

    def hold_back(self, task: TaskInHand, stop: StopSignal) -> None:
        """Waits with a task of an unknown type while newer modules are on their way.

        Raises:
            HandedOn: the worker is to be replaced now; the task stays open for its successor.
        """
        if not self.under_way:
            return
        logger.info(
            "%s %s is held back while modules are rolled out",
            *(task.type_name, task.type_version),
            extra={"action": task.kind, "workflow_id": task.workflow_id, "run_id": task.run_id},
        )
        while self.under_way and not stop.wait(_LOOK_AGAIN_S):
            pass
        if stop.requested:
            raise HandedOn

"""Whether newer modules are on their way into the pools: one byte that the daemon and its workers share."""

from __future__ import annotations

import logging
import mmap

from flowyd.control.reports import TaskInHand
from flowyd.worker.stopping import HandedOn, StopSignal
from flowyd.worker.tags import tags_of

logger = logging.getLogger(__name__)

#: How often a worker that holds a task back looks whether modules are still on their way.
LOOK_AGAIN_S = 0.05


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


def must_wait(task: TaskInHand, rolling: Rolling) -> bool:
    """Whether a task of an unknown type is worth holding back; the log is told."""
    if rolling.under_way:
        name = f"{task.type_name} {task.type_version}"
        logger.info("%s is held back while modules are rolled out", name, extra=tags_of(task))
    return rolling.under_way


def hold_back(task: TaskInHand, rolling: Rolling | None, stop: StopSignal) -> None:
    """Keeps a task of a type that the worker does not know while newer modules are on their way.

    They may serve the type, and the worker is replaced. The last one to be replaced is told so when nothing
    is on its way any more.

    Raises:
        HandedOn: it is to be replaced now; the task stays open for its successor.
    """
    if rolling is None:
        return
    if must_wait(task, rolling):
        while rolling.under_way and not stop.wait(LOOK_AGAIN_S):
            pass
    if stop.requested:
        raise HandedOn

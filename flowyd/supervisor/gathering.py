"""Gathered: descriptors of which nobody needs to hear at once. After a reading, what comes rests a moment.

Busy workers report each task. A supervisor that is woken by each report takes many times the processor time
that it needs for the same reports all at a time. All else in the select loop (signals, requests, files that
change) is heard at once, and reports are read before it is acted on.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable

#: How long reports may gather, seconds. Nobody acts on a task's sooner; those of a dead worker do not wait.
GATHER_S = 0.05


class Gathered:
    """A selector inside another one, which looks away from it for a moment after each time it was served."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._outer = selector
        self._inner = selectors.EpollSelector()
        #: On CLOCK_MONOTONIC; None: the outer selector listens, if there is anything to listen to.
        self._rests_until: float | None = None

    def __contains__(self, fd: int) -> bool:
        return fd in self._inner.get_map()

    def register(self, fd: int, read: Callable[[], object]) -> None:
        """`read` is called when there is something to read, or a moment later."""
        self._inner.register(fd, selectors.EVENT_READ, read)
        if self._rests_until is None and self._inner not in self._outer.get_map():
            self._listen()

    def unregister(self, fd: int) -> None:
        """The descriptor is about to be closed."""
        self._inner.unregister(fd)

    def next_at(self) -> float | None:
        """When `look` has something to do (CLOCK_MONOTONIC)."""
        return self._rests_until

    def read(self) -> None:
        """Reads what has gathered, so that whoever is served next is told what workers have said before."""
        for key, _ in self._inner.select(0):
            # An earlier one of this round may have closed the descriptor, or used its number anew.
            if self._inner.get_map().get(key.fileobj) is key:
                key.data()

    def look(self, now: float) -> None:
        """Listens again after the rest."""
        if self._rests_until is not None and now >= self._rests_until:
            self._rests_until = None
            self._listen()

    def _listen(self) -> None:
        self._outer.register(self._inner, selectors.EVENT_READ, lambda _: self._serve())

    def _serve(self) -> None:
        self.read()
        self._outer.unregister(self._inner)
        self._rests_until = time.monotonic() + GATHER_S

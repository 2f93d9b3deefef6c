"""Whether newer modules are on their way into the pools: one byte that the daemon and its workers share."""

from __future__ import annotations

import mmap


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

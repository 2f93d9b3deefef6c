"""HistoryCache: indexes of recently decided runs, oldest out first, within a limit of memory.

A cache and nothing else: what is missing is read from the service again.
"""

from __future__ import annotations

from collections import OrderedDict

from flowyd.decider.index import HistoryIndex


class HistoryCache:
    """Indexes by run id."""

    def __init__(self, *, limit_bytes: int = 256 << 20) -> None:
        self._limit_bytes = limit_bytes
        self._indexes: OrderedDict[str, tuple[HistoryIndex, int]] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._indexes)

    @property
    def size_bytes(self) -> int:
        """Roughly the memory all indexes take."""
        return self._size_bytes

    def get(self, run_id: str) -> HistoryIndex | None:
        """The index of that run as it was put, if it is still here."""
        found = self._indexes.get(run_id)
        return found[0] if found else None

    def put(self, index: HistoryIndex) -> None:
        """Keeps the index, as the youngest; others go if the limit asks for it."""
        self.drop(index.run_id)
        self._indexes[index.run_id] = (index, index.size_bytes)
        self._size_bytes += index.size_bytes
        while self._size_bytes > self._limit_bytes and self._indexes:
            _, (_, size) = self._indexes.popitem(last=False)
            self._size_bytes -= size

    def drop(self, run_id: str) -> None:
        """Forgets the run: it is closed, or its index did not fit."""
        _, size = self._indexes.pop(run_id, (None, 0))
        self._size_bytes -= size

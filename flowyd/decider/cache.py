"""RunCache: runs of executions that were decided lately, oldest out first, within a limit of memory.

A cache and nothing else: what is missing is read from the service again, and run from the top.
"""

from __future__ import annotations

from collections import OrderedDict

from flowyd.decider.run import Run


class RunCache:
    """Runs by run id. Those that go are closed."""

    def __init__(self, *, limit_bytes: int = 256 << 20) -> None:
        self._limit_bytes = limit_bytes
        self._runs: OrderedDict[str, tuple[Run, int]] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def size_bytes(self) -> int:
        """Roughly the memory all of them take."""
        return self._size_bytes

    def get(self, run_id: str) -> Run | None:
        """That run as it was put, if it is still here."""
        found = self._runs.get(run_id)
        return found[0] if found else None

    def put(self, run: Run) -> None:
        """Keeps the run, as the youngest; others go if the limit asks for it."""
        kept, size = self._runs.pop(run.run_id, (run, 0))
        self._size_bytes -= size
        if kept is not run:
            kept.close()
        size = run.size_bytes
        self._runs[run.run_id] = (run, size)
        self._size_bytes += size
        while self._size_bytes > self._limit_bytes and self._runs:
            self.drop(next(iter(self._runs)))

    def drop(self, run_id: str) -> None:
        """Forgets the run: it is over, or it did not fit."""
        found = self._runs.pop(run_id, None)
        if found is not None:
            run, size = found
            self._size_bytes -= size
            run.close()

    def clear(self) -> None:
        """Forgets all runs."""
        for run_id in list(self._runs):
            self.drop(run_id)

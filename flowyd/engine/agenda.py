"""When to look at which execution: the near future in memory, the rest in the database.

The agenda knows for each open execution a time before which none of its deadlines can run out, as far as that
time is within the horizon; `execution.next_deadline_at` holds the same for all of them. Times are lower
bounds: a deadline that went away leaves its entry, and looking at the execution finds nothing due.
So memory is bounded by what is near, and starting needs no folding.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

#: How far ahead entries are kept in memory.
HORIZON_S = 600.0
#: How long before the horizon it is moved on.
MARGIN_S = 60.0


class Agenda:
    """Executions by the time at which to look at them."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int]] = []
        self._times: dict[int, float] = {}
        self.horizon_at = 0.0

    @property
    def refill_at(self) -> float:
        """When `refill` is due."""
        return self.horizon_at - MARGIN_S

    def refill(self, entries: Iterable[tuple[int, float]], *, horizon_at: float) -> None:
        """Moves the horizon on; the entries are all (execution id, time) until then."""
        self.horizon_at = horizon_at
        for execution_id, at in entries:
            self.note(execution_id, at)

    def note(self, execution_id: int, at: float) -> None:
        """Sees to it that the execution is looked at no later than this."""
        if at <= self.horizon_at and self._times.get(execution_id, at + 1) > at:
            self._times[execution_id] = at
            heapq.heappush(self._entries, (at, execution_id))

    def drop(self, execution_id: int) -> None:
        """Forgets a closed execution."""
        self._times.pop(execution_id, None)

    def next_at(self) -> float | None:
        """The earliest time at which to look at an execution, None if none is near."""
        entries, times = self._entries, self._times
        while entries and times.get(entries[0][1]) != entries[0][0]:
            heapq.heappop(entries)
        return entries[0][0] if entries else None

    def take_due(self, now: float) -> int | None:
        """The next execution to look at by now; it leaves the agenda."""
        at = self.next_at()
        if at is None or at > now:
            return None
        _, execution_id = heapq.heappop(self._entries)
        del self._times[execution_id]
        return execution_id

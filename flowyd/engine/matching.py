"""Tasks that may be handed out, per task list: higher priority first, then in the order they came.

The `task` table holds all of them; memory holds the first part of each list that somebody polls. A list's
tail is the last rank in memory: what ranks behind it is in the table only, and is read when the part in
memory is used up. Lists are independent of one another: no operation looks at another list.

A task whose answer was never read is offered again: before all others, with the start it already has.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import msgspec

from flowyd.engine.store import Store
from flowyd.engine.writes import ListKey

#: So many tasks of a list are read at once; twice as many are kept at most.
_PART = 1_000
#: Beyond so many known lists the empty ones are forgotten.
_KNOWN_LISTS = 10_000
#: Pending tasks are counted up to this number (SWF may truncate, too).
COUNT_LIMIT = 100_000


class Task(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A task on offer."""

    execution_id: int
    scheduled_event_id: int
    #: Set if it was handed out before and the answer was not read.
    started_event_id: int = 0


@dataclass(slots=True)
class _Part:
    """The part of a list that is in memory: a heap of (-priority, position, task)."""

    entries: list[tuple[int, int, Task]]
    #: (-priority, position) behind which only the table knows; None if everything is in memory.
    tail: tuple[int, int] | None


class Matching:
    """Tasks on offer by task list."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._position = store.last_position()
        self._lists: dict[ListKey, _Part] = {}
        #: What is in memory and still on offer; entries of heaps that are not here are dead.
        self._on_offer: dict[tuple[int, int], Task] = {}

    def offer(self, key: ListKey, *, execution_id: int, scheduled_event_id: int, priority: int) -> None:
        """Puts a task at its place in the list."""
        self._position += 1
        self._store.writes.add_task(key, execution_id, scheduled_event_id, (priority, self._position))
        part = self._lists.get(key)
        if part is None or (part.tail is not None and (-priority, self._position) > part.tail):
            return
        task = Task(execution_id=execution_id, scheduled_event_id=scheduled_event_id)
        self._on_offer[execution_id, scheduled_event_id] = task
        heapq.heappush(part.entries, (-priority, self._position, task))
        if len(part.entries) > 2 * _PART:
            self._shorten(part)

    def offer_again(self, key: ListKey, task: Task) -> None:
        """Puts a started task before all others of its list; known in memory only."""
        part = self._part(key)
        self._position += 1
        self._on_offer[task.execution_id, task.scheduled_event_id] = task
        heapq.heappush(part.entries, (-(1 << 40), self._position, task))

    def withdraw(self, execution_id: int, scheduled_event_id: int) -> None:
        """Takes back a task that closed before it was handed out."""
        self._on_offer.pop((execution_id, scheduled_event_id), None)
        self._store.writes.drop_task(execution_id, scheduled_event_id)

    def take(self, key: ListKey) -> Task | None:
        """The first task of a list, which is then no longer on offer."""
        part = self._part(key)
        while True:
            while part.entries:
                task = heapq.heappop(part.entries)[2]
                identity = (task.execution_id, task.scheduled_event_id)
                if self._on_offer.get(identity) is task:
                    del self._on_offer[identity]
                    if not task.started_event_id:
                        self._store.writes.drop_task(*identity)
                    return task
            if part.tail is None:
                return None
            self._read(key, part)

    def count(self, key: ListKey) -> tuple[int, bool]:
        """Tasks on offer in a list, and whether counting stopped at COUNT_LIMIT."""
        counted = self._store.count_tasks(key, COUNT_LIMIT + 1)
        return min(counted, COUNT_LIMIT), counted > COUNT_LIMIT

    def _part(self, key: ListKey) -> _Part:
        part = self._lists.get(key)
        if part is None:
            if len(self._lists) >= _KNOWN_LISTS:
                self._lists = {known: part for known, part in self._lists.items() if part.entries}
            part = self._lists[key] = _Part([], None)
            self._read(key, part)
        return part

    def _read(self, key: ListKey, part: _Part) -> None:
        rows = self._store.tasks(key, _PART)
        part.tail = (-rows[-1][2], rows[-1][3]) if len(rows) == _PART else None
        for execution_id, scheduled_event_id, priority, position in rows:
            task = Task(execution_id=execution_id, scheduled_event_id=scheduled_event_id)
            self._on_offer[execution_id, scheduled_event_id] = task
            part.entries.append((-priority, position, task))
        heapq.heapify(part.entries)

    def _shorten(self, part: _Part) -> None:
        alive = sorted(
            entry
            for entry in part.entries
            if self._on_offer.get((entry[2].execution_id, entry[2].scheduled_event_id)) is entry[2]
        )
        # The table does not know those that are offered again, which come first.
        kept = max(_PART, sum(1 for entry in alive if entry[2].started_event_id))
        for _, _, task in alive[kept:]:
            del self._on_offer[task.execution_id, task.scheduled_event_id]
        part.entries = alive[:kept]
        if len(alive) > kept:
            part.tail = alive[kept - 1][:2]

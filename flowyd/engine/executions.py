"""Executions in memory: folded on first touch, kept while hot, forgotten when memory is needed.

A hot execution is its row, its state and the last bodies of its history, which most polls ask for. What is
forgotten is folded again from the stored events when it is needed. Executions touched in the current turn
are never forgotten before its commit, and the store brings what it owes into the database before one is: what
is not in memory is there. That takes time, so when memory is full an eighth of it is forgotten at once.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict, deque
from dataclasses import dataclass, field

import msgspec

from flowyd.engine.rules.evolve import fold, note_handed_out_again, note_heartbeat, note_offered_again
from flowyd.engine.rules.state import ExecutionState, OpenActivityTask
from flowyd.engine.store import Store
from flowyd.engine.writes import ExecutionRow

#: Bodies of the last events kept with a hot execution: at most so many, of so many characters together.
_RECENT_EVENTS = 200
_RECENT_CHARACTERS = 65_536
#: Estimated bytes of a hot execution without events, and of each open activity, timer or child.
_EXECUTION_BYTES = 4_096
_ITEM_BYTES = 700

_decode_event = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True, eq=False, kw_only=True)
class Hot:
    """An execution in memory."""

    row: ExecutionRow
    state: ExecutionState
    #: Bodies of the last events, the newest at the right.
    recent: deque[str] = field(default_factory=deque)
    recent_characters: int = 0
    #: What tells this history from any other that could have its place: a checksum over all bodies; and the
    #: one up to the DecisionTaskStarted of the started decision task.
    digest: int = 0
    started_digest: int = 0
    #: Estimate at the last look, as counted in the total.
    size_bytes: int = 0

    @property
    def id(self) -> int:
        return self.row.id

    def remember(self, body: bytes) -> str:
        """Keeps the body of the newest event, and lets go of old ones; the body as text."""
        self.digest = zlib.crc32(body, self.digest)
        text = body.decode()
        recent = self.recent
        recent.append(text)
        self.recent_characters += len(text)
        while len(recent) > _RECENT_EVENTS or (
            self.recent_characters > _RECENT_CHARACTERS and len(recent) > 1
        ):
            self.recent_characters -= len(recent.popleft())
        return text

    def recall(self, first: int, last: int) -> list[str] | None:
        """Bodies of the events first to last if all of them are in memory."""
        start = first - (self.state.next_event_id - len(self.recent))
        if start < 0:
            return None
        recent = self.recent
        return [recent[index] for index in range(start, start + last - first + 1)]

    def estimate_bytes(self) -> int:
        """What it takes in memory, roughly."""
        state = self.state
        items = len(state.activities) + len(state.timers) + len(state.children)
        return _EXECUTION_BYTES + self.recent_characters + _ITEM_BYTES * items


class Executions:
    """All executions, of which the hot ones are in memory."""

    def __init__(self, store: Store, *, hot_bytes: int) -> None:
        self._store = store
        self._hot_bytes = hot_bytes
        self._total_bytes = 0
        #: By id, least recently touched first.
        self._hot: OrderedDict[int, Hot] = OrderedDict()
        self._open_runs: dict[tuple[int, str], int] = {}
        self._touched: dict[int, Hot] = {}
        self._open_counts: dict[int, int] = {}
        self._last_id = store.last_execution_id()

    def next_id(self) -> int:
        """An id that no execution has."""
        self._last_id += 1
        return self._last_id

    def get(self, execution_id: int) -> Hot | None:
        """The execution, folded if it was cold; None if it never was or is pruned."""
        hot = self._hot.get(execution_id)
        if hot is None:
            hot = self._fold(execution_id)
            if hot is None:
                return None
        elif execution_id not in self._touched:
            self._hot.move_to_end(execution_id)
        self._touched[execution_id] = hot
        return hot

    def open_run(self, domain_id: int, workflow_id: str) -> Hot | None:
        """The open run of a workflow id, if there is one."""
        known = self._open_runs.get((domain_id, workflow_id))
        if known is None:
            known = self._store.find_open_run(domain_id, workflow_id)
        hot = self.get(known) if known is not None else None
        return hot if hot is not None and hot.state.is_open else None

    def find(self, domain_id: int, workflow_id: str, run_id: str) -> int | None:
        """The id of a run, open or closed."""
        known = self._open_runs.get((domain_id, workflow_id))
        if known is not None and self._hot[known].row.run_id == run_id:
            return known
        return self._store.find_run(domain_id, workflow_id, run_id)

    def run(self, domain_id: int, workflow_id: str, run_id: str) -> Hot | None:
        """A run, open or closed."""
        found = self.find(domain_id, workflow_id, run_id)
        return self.get(found) if found is not None else None

    def peek(self, execution_id: int) -> Hot | None:
        """The execution if it is in memory; it counts as no use of it."""
        return self._hot.get(execution_id)

    def open_count(self, domain_id: int) -> int:
        """Open executions of a domain."""
        count = self._open_counts.get(domain_id)
        if count is None:
            count = self._open_counts[domain_id] = self._store.open_count(domain_id)
        return count

    def add(self, hot: Hot) -> None:
        """Takes in a new open run, which is not in the store yet."""
        row = hot.row
        self._count(row.domain_id, 1)
        self._hot[row.id] = hot
        self._touched[row.id] = hot
        self._open_runs[row.domain_id, row.workflow_id] = row.id
        self._store.writes.add_execution(row)

    def close(self, hot: Hot) -> None:
        """Notes that a run has closed; its row says how."""
        row = hot.row
        self._open_runs.pop((row.domain_id, row.workflow_id), None)
        self._count(row.domain_id, -1)
        self._store.writes.save_execution(row)
        self._store.writes.end_heartbeats(row.id)

    def _count(self, domain_id: int, change: int) -> None:
        """Keeps a count that is known; one that is not is read from the file when it is asked for."""
        if domain_id in self._open_counts:
            self._open_counts[domain_id] += change

    def forget(self, execution_id: int) -> None:
        """Drops a pruned execution."""
        hot = self._hot.pop(execution_id, None)
        if hot is not None:
            self._total_bytes -= hot.size_bytes
            self._touched.pop(execution_id, None)

    def take_stock(self) -> None:
        """Before the commit: sees whether something must be forgotten, which the database is to know then."""
        for hot in self._touched.values():
            size_bytes = hot.estimate_bytes()
            self._total_bytes += size_bytes - hot.size_bytes
            hot.size_bytes = size_bytes
        if self._is_full():
            self._store.flush()

    def settle(self) -> None:
        """After the commit: forgets what memory has no room for."""
        self._touched.clear()
        if not self._is_full():
            return
        while self._total_bytes > self._hot_bytes // 8 * 7 and len(self._hot) > 1:
            _, hot = self._hot.popitem(last=False)
            self._total_bytes -= hot.size_bytes
            if hot.state.is_open:
                self._open_runs.pop((hot.row.domain_id, hot.row.workflow_id), None)

    def _is_full(self) -> bool:
        return self._total_bytes > self._hot_bytes and len(self._hot) > 1

    def _fold(self, execution_id: int) -> Hot | None:
        row = self._store.execution(execution_id)
        if row is None:
            return None
        last = self._store.last_event_id(execution_id)
        hot = Hot(row=row, state=ExecutionState(row.workflow_id, row.run_id))
        bodies: list[str] = []
        for body in self._store.events(execution_id, 1, last):
            bodies.append(body)
        hot.state = fold(map(_decode_event, bodies), workflow_id=row.workflow_id, run_id=row.run_id)
        started = hot.state.started_decision
        for event_id, body in enumerate(bodies, 1):
            hot.remember(body.encode())
            if started is not None and event_id == started.started_event_id:
                hot.started_digest = hot.digest
        self._recall_clocks(hot)
        self._hot[execution_id] = hot
        if hot.state.is_open:
            self._open_runs[row.domain_id, row.workflow_id] = execution_id
        return hot

    def save_clocks(self, hot: Hot, activity: OpenActivityTask) -> None:
        """Writes what the history does not say of a started activity task."""
        self._store.writes.save_heartbeat(
            (
                hot.id,
                activity.scheduled_event_id,
                activity.heartbeat_at,
                activity.details,
                activity.began_at,
                int(activity.on_offer_again),
            )
        )

    def _recall_clocks(self, hot: Hot) -> None:
        for _, scheduled_event_id, at, details, began_at, on_offer_again in self._store.heartbeats(hot.id):
            activity = hot.state.activities.get(scheduled_event_id)
            if activity is None:
                continue
            if began_at is not None:
                note_handed_out_again(activity, at=began_at)
            if on_offer_again:
                note_offered_again(activity)
            note_heartbeat(activity, at=at, details=details)


def new_row(state: ExecutionState, *, execution_id: int, domain_id: int) -> ExecutionRow:
    """The row of a run whose first event is folded."""
    return ExecutionRow(
        id=execution_id,
        domain_id=domain_id,
        workflow_id=state.workflow_id,
        run_id=state.run_id,
        type_name=state.workflow_type["name"],
        type_version=state.workflow_type["version"],
        started_at=state.started_at,
        tag_list=_encode(state.tag_list).decode() if state.tag_list is not None else None,
        parent=_encode(state.parent).decode() if state.parent is not None else None,
    )

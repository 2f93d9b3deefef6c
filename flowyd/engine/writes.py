"""Rows to be written, collected and merged: what came and went in between is never written.

A turn collects its writes here, and so does the store for all turns that the database has not seen yet. The
order of `statements` is the one that fits every merge.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import msgspec
from msgspec.structs import astuple

#: Domain, kind (activity or decision), name of the task list.
ListKey = tuple[int, str, str]
#: Execution, event id, body.
EventRow = tuple[int, int, str]
#: Execution, scheduled event, last heartbeat, details, when the clocks began, whether it is on offer again.
HeartbeatRow = tuple[int, int, float, str | None, float | None, int]
#: Number, run id, poll id, execution, scheduled and started event, the three parts of the list's key, place.
HandOutRow = tuple[int, str, str, int, int, int, int, str, str, int]
#: A statement and the rows it is carried out for.
Statement = tuple[str, Sequence[Sequence[object]]]

EXECUTION_COLUMNS = (
    "id, domain_id, workflow_id, run_id, type_name, type_version, started_at, closed_at, close_status, "
    "cancel_requested, tag_list, parent, next_deadline_at"
)
HAND_OUT_COLUMNS = (
    "number, run_id, poll_id, execution_id, scheduled_event_id, started_event_id, domain_id, kind, task_list"
)

_INSERT_EVENT = "INSERT INTO event (execution_id, event_id, body) VALUES (?, ?, ?)"
#: So many events by one statement take the database two thirds of the time.
_EVENTS_TOGETHER = 16
_INSERT_EVENTS = _INSERT_EVENT + ", (?, ?, ?)" * (_EVENTS_TOGETHER - 1)
_INSERT_EXECUTION = (
    f"INSERT INTO execution ({EXECUTION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE_EXECUTION = (
    "UPDATE execution SET closed_at = ?, close_status = ?, cancel_requested = ?, next_deadline_at = ? "
    "WHERE id = ?"
)
_INSERT_TASK = (
    "INSERT INTO task (execution_id, scheduled_event_id, domain_id, kind, task_list, priority, position) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_DELETE_TASK = "DELETE FROM task WHERE execution_id = ? AND scheduled_event_id = ?"
_SAVE_HEARTBEAT = (
    "INSERT INTO heartbeat (execution_id, scheduled_event_id, at, details, began_at, on_offer_again) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, details = excluded.details, "
    "began_at = excluded.began_at, on_offer_again = excluded.on_offer_again"
)
_DELETE_HEARTBEATS = "DELETE FROM heartbeat WHERE execution_id = ?"
_INSERT_HAND_OUT = (
    f"INSERT OR REPLACE INTO hand_out ({HAND_OUT_COLUMNS}, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# A third of the cost of the insert that replaces.
_UPDATE_HAND_OUT = f"UPDATE hand_out SET ({HAND_OUT_COLUMNS}) = (?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE place = ?"
_DELETE_HAND_OUT = "DELETE FROM hand_out WHERE place = ?"


class ExecutionRow(msgspec.Struct, eq=False, kw_only=True, gc=False):
    """A row of `execution`, in the order of its columns; its owner changes it and tells the store."""

    id: int
    domain_id: int
    workflow_id: str
    run_id: str
    type_name: str
    type_version: str
    started_at: float
    closed_at: float | None = None
    close_status: str | None = None
    cancel_requested: int = 0
    tag_list: str | None = None
    parent: str | None = None
    next_deadline_at: float | None = None


class Writes:
    """Writes of one turn, or of several."""

    def __init__(self) -> None:
        self._events: list[EventRow] = []
        self._new_rows: dict[int, ExecutionRow] = {}
        self._changed_rows: dict[int, ExecutionRow] = {}
        self._new_tasks: dict[tuple[int, int], tuple[int, int, int, str, str, int, int]] = {}
        self._dropped_tasks: dict[tuple[int, int], None] = {}
        self._heartbeats: dict[tuple[int, int], HeartbeatRow] = {}
        self._ended_heartbeats: dict[int, None] = {}
        #: By place: the row that is to stand there, None for none; and the places that certainly have one.
        self._hand_outs: dict[int, HandOutRow | None] = {}
        self._places_taken: set[int] = set()
        #: Whether anything is to be written.
        self.any = False

    @property
    def has_new_executions(self) -> bool:
        """Whether there are rows of runs that the database does not know."""
        return bool(self._new_rows)

    @property
    def event_count(self) -> int:
        """So many events are to be written."""
        return len(self._events)

    def statements(self) -> list[Statement]:
        """What is to be carried out, in order."""
        found: list[Statement] = []
        # Changed rows before new ones: a next run may start where the one before closes.
        if self._changed_rows:
            found.append((_UPDATE_EXECUTION, [_as_changed(row) for row in self._changed_rows.values()]))
        if self._new_rows:
            found.append((_INSERT_EXECUTION, [astuple(row) for row in self._new_rows.values()]))
        if self._events:
            found += _inserted(self._events)
        if self._dropped_tasks:
            found.append((_DELETE_TASK, list(self._dropped_tasks)))
        if self._new_tasks:
            found.append((_INSERT_TASK, list(self._new_tasks.values())))
        if self._ended_heartbeats:
            found.append((_DELETE_HEARTBEATS, [(key,) for key in self._ended_heartbeats]))
        if self._heartbeats:
            found.append((_SAVE_HEARTBEAT, list(self._heartbeats.values())))
        if self._hand_outs:
            found += self._hand_out_statements()
        return found

    def _hand_out_statements(self) -> list[Statement]:
        dropped: list[tuple[int]] = []
        changed: list[HandOutRow] = []
        new: list[HandOutRow] = []
        for place, row in self._hand_outs.items():
            if row is None:
                dropped.append((place,))
            elif place in self._places_taken:
                changed.append(row)
            else:
                new.append(row)
        rows = ((_DELETE_HAND_OUT, dropped), (_UPDATE_HAND_OUT, changed), (_INSERT_HAND_OUT, new))
        return [statement for statement in rows if statement[1]]

    def followed_by(self, later: Writes) -> Writes:
        """All that was written, here and then after it; neither of the two is used any more."""
        if not self.any:
            return later
        self._events += later._events
        for row in later._changed_rows.values():
            self.save_execution(row)
        self._new_rows.update(later._new_rows)
        for task in later._dropped_tasks:
            self.drop_task(*task)
        self._new_tasks.update(later._new_tasks)
        for execution_id in later._ended_heartbeats:
            self.end_heartbeats(execution_id)
        self._heartbeats.update(later._heartbeats)
        for place, hand_out in later._hand_outs.items():
            if place in later._places_taken and place not in self._hand_outs:
                self._places_taken.add(place)
            elif hand_out is None:
                self._places_taken.discard(place)
            self._hand_outs[place] = hand_out
        return self

    # Executions and events

    def add_event(self, execution_id: int, event_id: int, body: str) -> None:
        """Appends an event to a history."""
        self.any = True
        self._events.append((execution_id, event_id, body))

    def add_execution(self, row: ExecutionRow) -> None:
        """Adds a run; its id is new."""
        self.any = True
        self._new_rows[row.id] = row

    def save_execution(self, row: ExecutionRow) -> None:
        """Writes what changed in a run's row."""
        self.any = True
        if row.id not in self._new_rows:
            self._changed_rows[row.id] = row

    # Tasks

    def add_task(
        self, key: ListKey, execution_id: int, scheduled_event_id: int, rank: tuple[int, int]
    ) -> None:
        """Notes a task that may be handed out; `rank` is priority and position."""
        self.any = True
        self._new_tasks[execution_id, scheduled_event_id] = (execution_id, scheduled_event_id, *key, *rank)

    def drop_task(self, execution_id: int, scheduled_event_id: int) -> None:
        """Notes that a task is started or closed."""
        task = (execution_id, scheduled_event_id)
        if self._new_tasks.pop(task, None) is None:
            self.any = True
            self._dropped_tasks[task] = None

    # Heartbeats

    def save_heartbeat(self, row: HeartbeatRow) -> None:
        """Notes the last heartbeat and the clocks of an activity task."""
        self.any = True
        self._heartbeats[row[0], row[1]] = row

    def end_heartbeats(self, execution_id: int) -> None:
        """Forgets the heartbeats of a run that closed."""
        self.any = True
        for key in [key for key in self._heartbeats if key[0] == execution_id]:
            del self._heartbeats[key]
        self._ended_heartbeats[execution_id] = None

    # Hand-outs

    def add_hand_out(self, row: HandOutRow) -> None:
        """Notes a hand-out at its place, whether or not there is one."""
        self.any = True
        self._hand_outs[row[-1]] = row

    def change_hand_out(self, row: HandOutRow) -> None:
        """Notes a hand-out at its place, where there is one."""
        self.any = True
        if row[-1] not in self._hand_outs:
            self._places_taken.add(row[-1])
        self._hand_outs[row[-1]] = row

    def drop_hand_out(self, place: int) -> None:
        """Empties a place."""
        self.any = True
        self._places_taken.discard(place)
        self._hand_outs[place] = None


def _inserted(events: list[EventRow]) -> list[Statement]:
    """Statements of their own: what follows is put behind the events in place."""
    together = len(events) // _EVENTS_TOGETHER * _EVENTS_TOGETHER
    found: list[Statement] = []
    if together:
        parts = (events[at : at + _EVENTS_TOGETHER] for at in range(0, together, _EVENTS_TOGETHER))
        found.append((_INSERT_EVENTS, [tuple(chain.from_iterable(part)) for part in parts]))
    if len(events) > together:
        found.append((_INSERT_EVENT, events[together:]))
    return found


def _as_changed(row: ExecutionRow) -> tuple[object, ...]:
    return (row.closed_at, row.close_status, row.cancel_requested, row.next_deadline_at, row.id)

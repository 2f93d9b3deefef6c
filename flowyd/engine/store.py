"""The engine's statements and its unit of work: one connection, one writer, one commit per turn.

Writes are collected and go to the database in `flush`: before a read that must see them, and before the
commit. What is added and dropped within one turn is never written. `commit` does nothing if nothing was
written; after `rollback` memory must be rebuilt from the file by whoever holds some.
`opening` makes the connection (WAL, autocommit, transactions by hand).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass

#: Domain, kind (activity or decision), name of the task list.
ListKey = tuple[int, str, str]
#: Number, run id, poll id, execution, scheduled and started event, the three parts of the list's key, place.
HandOutRow = tuple[int, str, str, int, int, int, int, str, str, int]

_INSERT_EVENT = "INSERT INTO event (execution_id, event_id, body) VALUES (?, ?, ?)"
_EVENTS = "SELECT body FROM event WHERE execution_id = ? AND event_id BETWEEN ? AND ? ORDER BY event_id"
_EVENTS_BACKWARDS = _EVENTS + " DESC"
_LAST_EVENT_ID = "SELECT max(event_id) FROM event WHERE execution_id = ?"

_EXECUTION_COLUMNS = (
    "id, domain_id, workflow_id, run_id, type_name, type_version, started_at, closed_at, close_status, "
    "cancel_requested, tag_list, parent, next_deadline_at"
)
_INSERT_EXECUTION = (
    f"INSERT INTO execution ({_EXECUTION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE_EXECUTION = (
    "UPDATE execution SET closed_at = ?, close_status = ?, cancel_requested = ?, next_deadline_at = ? "
    "WHERE id = ?"
)
_EXECUTION = f"SELECT {_EXECUTION_COLUMNS} FROM execution WHERE id = ?"
_RUN = "SELECT id FROM execution WHERE run_id = ? AND domain_id = ? AND workflow_id = ?"
_OPEN_RUN = "SELECT id FROM execution WHERE domain_id = ? AND workflow_id = ? AND closed_at IS NULL"
_OPEN_COUNT = "SELECT count(*) FROM execution WHERE domain_id = ? AND closed_at IS NULL"
_LAST_EXECUTION_ID = (
    "SELECT max((SELECT coalesce(max(id), 0) FROM execution), "
    "(SELECT coalesce(max(execution_id), 0) FROM pruning))"
)
_DUE = "SELECT id, next_deadline_at FROM execution WHERE next_deadline_at <= ?"

_INSERT_TASK = (
    "INSERT INTO task (execution_id, scheduled_event_id, domain_id, kind, task_list, priority, position) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_DELETE_TASK = "DELETE FROM task WHERE execution_id = ? AND scheduled_event_id = ?"
_TASKS = (
    "SELECT execution_id, scheduled_event_id, priority, position FROM task "
    "WHERE domain_id = ? AND kind = ? AND task_list = ? ORDER BY priority DESC, position LIMIT ?"
)
_COUNT_TASKS = (
    "SELECT count(*) FROM (SELECT 1 FROM task WHERE domain_id = ? AND kind = ? AND task_list = ? LIMIT ?)"
)
_LAST_POSITION = "SELECT coalesce(max(position), 0) FROM task"

_SAVE_HEARTBEAT = (
    "INSERT INTO heartbeat (execution_id, scheduled_event_id, at, details) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET at = excluded.at, details = excluded.details"
)
_HEARTBEATS = "SELECT scheduled_event_id, at, details FROM heartbeat WHERE execution_id = ?"
_DELETE_HEARTBEATS = "DELETE FROM heartbeat WHERE execution_id = ?"

_HAND_OUT_COLUMNS = (
    "number, run_id, poll_id, execution_id, scheduled_event_id, started_event_id, domain_id, kind, task_list"
)
_INSERT_HAND_OUT = (
    f"INSERT OR REPLACE INTO hand_out ({_HAND_OUT_COLUMNS}, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# A third of the cost of the insert that replaces.
_UPDATE_HAND_OUT = f"UPDATE hand_out SET ({_HAND_OUT_COLUMNS}) = (?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE place = ?"
_DELETE_HAND_OUT = "DELETE FROM hand_out WHERE place = ?"
_HAND_OUTS = f"SELECT {_HAND_OUT_COLUMNS}, place FROM hand_out ORDER BY number"


@dataclass(slots=True, eq=False, kw_only=True)
class ExecutionRow:
    """A row of `execution`; its owner changes it and tells the store."""

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


class Store:
    """The unit of work over one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._begun = False
        self._events: list[tuple[int, int, str]] = []
        self._new_rows: dict[int, ExecutionRow] = {}
        self._changed_rows: dict[int, ExecutionRow] = {}
        self._new_tasks: dict[tuple[int, int], tuple[int, int, int, str, str, int, int]] = {}
        self._dropped_tasks: dict[tuple[int, int], None] = {}
        self._heartbeats: dict[tuple[int, int], tuple[int, int, float, str | None]] = {}
        self._ended_heartbeats: dict[int, None] = {}
        self._new_hand_outs: list[HandOutRow] = []
        self._changed_hand_outs: list[HandOutRow] = []
        self._dropped_hand_outs: list[tuple[int]] = []
        self._pending = False

    # The transaction

    def begin(self) -> None:
        """Opens the turn's transaction if it is not open."""
        if not self._begun:
            self.connection.execute("BEGIN IMMEDIATE")
            self._begun = True

    def flush(self) -> None:
        """Writes what was collected, inside the transaction."""
        if not self._pending:
            return
        self.begin()
        execute_many = self.connection.executemany
        if self._changed_rows:
            # Before the inserts: a next run may start in the turn that closes the one before.
            execute_many(
                _UPDATE_EXECUTION,
                [
                    (row.closed_at, row.close_status, row.cancel_requested, row.next_deadline_at, row.id)
                    for row in self._changed_rows.values()
                ],
            )
        if self._new_rows:
            execute_many(_INSERT_EXECUTION, [_as_inserted(row) for row in self._new_rows.values()])
        if self._events:
            execute_many(_INSERT_EVENT, self._events)
        if self._dropped_tasks:
            execute_many(_DELETE_TASK, list(self._dropped_tasks))
        if self._new_tasks:
            execute_many(_INSERT_TASK, list(self._new_tasks.values()))
        if self._ended_heartbeats:
            execute_many(_DELETE_HEARTBEATS, [(key,) for key in self._ended_heartbeats])
        if self._heartbeats:
            execute_many(_SAVE_HEARTBEAT, list(self._heartbeats.values()))
        if self._dropped_hand_outs:
            execute_many(_DELETE_HAND_OUT, self._dropped_hand_outs)
        if self._changed_hand_outs:
            execute_many(_UPDATE_HAND_OUT, self._changed_hand_outs)
        if self._new_hand_outs:
            execute_many(_INSERT_HAND_OUT, self._new_hand_outs)
        self._forget_pending()

    def commit(self) -> float | None:
        """Makes the turn durable: the seconds it took, or None and no statement if nothing was written."""
        self.flush()
        if not self._begun:
            return None
        began_at = time.monotonic()
        self.connection.execute("COMMIT")
        self._begun = False
        return time.monotonic() - began_at

    def rollback(self) -> None:
        """Forgets the turn's writes, also after a statement or the commit itself failed."""
        self._forget_pending()
        self._begun = False
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _forget_pending(self) -> None:
        self._events = []
        self._new_hand_outs, self._changed_hand_outs, self._dropped_hand_outs = [], [], []
        for collected in (self._new_rows, self._changed_rows):
            collected.clear()
        for tasks in (self._new_tasks, self._dropped_tasks, self._heartbeats):
            tasks.clear()
        self._ended_heartbeats.clear()
        self._pending = False

    # Executions and events

    def add_event(self, execution_id: int, event_id: int, body: str) -> None:
        """Appends an event to a history."""
        self._pending = True
        self._events.append((execution_id, event_id, body))

    def events(self, execution_id: int, first: int, last: int) -> Iterator[str]:
        """Bodies of the events first to last, both included."""
        self.flush()
        return (body for (body,) in self.connection.execute(_EVENTS, (execution_id, first, last)))

    def events_backwards(self, execution_id: int, first: int, last: int) -> Iterator[str]:
        """The same from last to first."""
        self.flush()
        return (body for (body,) in self.connection.execute(_EVENTS_BACKWARDS, (execution_id, first, last)))

    def last_event_id(self, execution_id: int) -> int:
        """Length of a history that nothing was collected for; 0 if there is none."""
        found: int | None = self.connection.execute(_LAST_EVENT_ID, (execution_id,)).fetchone()[0]
        return found or 0

    def add_execution(self, row: ExecutionRow) -> None:
        """Adds a run; its id is new."""
        self._pending = True
        self._new_rows[row.id] = row

    def save_execution(self, row: ExecutionRow) -> None:
        """Writes what changed in a run's row."""
        self._pending = True
        if row.id not in self._new_rows:
            self._changed_rows[row.id] = row

    def execution(self, execution_id: int) -> ExecutionRow | None:
        """The row of a run that nothing was collected for; None if it never was or is pruned."""
        found = self.connection.execute(_EXECUTION, (execution_id,)).fetchone()
        return _as_read(found) if found else None

    def find_run(self, domain_id: int, workflow_id: str, run_id: str) -> int | None:
        """The id of a run, open or closed."""
        if self._new_rows:
            self.flush()
        found = self.connection.execute(_RUN, (run_id, domain_id, workflow_id)).fetchone()
        return found[0] if found else None

    def find_open_run(self, domain_id: int, workflow_id: str) -> int | None:
        """The id of the open run of a workflow id, as it was before the writes collected in this turn.

        Whoever collects them has the executions they are about in memory and asks there first.
        """
        found = self.connection.execute(_OPEN_RUN, (domain_id, workflow_id)).fetchone()
        return found[0] if found else None

    def open_count(self, domain_id: int) -> int:
        """Open executions of a domain."""
        self.flush()
        count: int = self.connection.execute(_OPEN_COUNT, (domain_id,)).fetchone()[0]
        return count

    def last_execution_id(self) -> int:
        """The highest id in use; 0 in an empty database."""
        found: int = self.connection.execute(_LAST_EXECUTION_ID).fetchone()[0]
        return found

    def due_until(self, at: float) -> list[tuple[int, float]]:
        """(execution id, time to look at it) of open executions that may have a deadline until then."""
        self.flush()
        return self.connection.execute(_DUE, (at,)).fetchall()

    # Tasks

    def add_task(
        self, key: ListKey, execution_id: int, scheduled_event_id: int, rank: tuple[int, int]
    ) -> None:
        """Notes a task that may be handed out; `rank` is priority and position."""
        self._pending = True
        self._new_tasks[execution_id, scheduled_event_id] = (execution_id, scheduled_event_id, *key, *rank)

    def drop_task(self, execution_id: int, scheduled_event_id: int) -> None:
        """Notes that a task is started or closed."""
        task = (execution_id, scheduled_event_id)
        if self._new_tasks.pop(task, None) is None:
            self._pending = True
            self._dropped_tasks[task] = None

    def tasks(self, key: ListKey, limit: int) -> list[tuple[int, int, int, int]]:
        """(execution id, scheduled event id, priority, position) of the first tasks of a list."""
        self.flush()
        return self.connection.execute(_TASKS, (*key, limit)).fetchall()

    def count_tasks(self, key: ListKey, limit: int) -> int:
        """Waiting tasks of a list, counted up to the limit."""
        self.flush()
        count: int = self.connection.execute(_COUNT_TASKS, (*key, limit)).fetchone()[0]
        return count

    def last_position(self) -> int:
        """The highest position of a waiting task."""
        found: int = self.connection.execute(_LAST_POSITION).fetchone()[0]
        return found

    # Heartbeats

    def save_heartbeat(
        self, execution_id: int, scheduled_event_id: int, at: float, details: str | None
    ) -> None:
        """Notes the last heartbeat of an activity task."""
        self._pending = True
        self._heartbeats[execution_id, scheduled_event_id] = (execution_id, scheduled_event_id, at, details)

    def heartbeats(self, execution_id: int) -> list[tuple[int, float, str | None]]:
        """(scheduled event id, time, details) of the heartbeats of a run's activity tasks."""
        self.flush()
        return self.connection.execute(_HEARTBEATS, (execution_id,)).fetchall()

    def end_heartbeats(self, execution_id: int) -> None:
        """Forgets the heartbeats of a run that closed."""
        self._pending = True
        for key in [key for key in self._heartbeats if key[0] == execution_id]:
            del self._heartbeats[key]
        self._ended_heartbeats[execution_id] = None

    # Hand-outs

    def add_hand_out(self, row: HandOutRow) -> None:
        """Notes a hand-out at its place, whether or not there is one."""
        self._pending = True
        self._new_hand_outs.append(row)

    def change_hand_out(self, row: HandOutRow) -> None:
        """Notes a hand-out at its place, where there is one."""
        self._pending = True
        self._changed_hand_outs.append(row)

    def drop_hand_out(self, place: int) -> None:
        """Empties a place; the ones noted in this turn go there after it."""
        self._pending = True
        self._dropped_hand_outs.append((place,))

    def hand_outs(self) -> list[HandOutRow]:
        """What is noted, the oldest first."""
        self.flush()
        return self.connection.execute(_HAND_OUTS).fetchall()


def _as_inserted(row: ExecutionRow) -> tuple[object, ...]:
    return (
        row.id,
        row.domain_id,
        row.workflow_id,
        row.run_id,
        row.type_name,
        row.type_version,
        row.started_at,
        row.closed_at,
        row.close_status,
        row.cancel_requested,
        row.tag_list,
        row.parent,
        row.next_deadline_at,
    )


def _as_read(found: tuple[object, ...]) -> ExecutionRow:
    names = [name.strip() for name in _EXECUTION_COLUMNS.split(",")]
    return ExecutionRow(**dict(zip(names, found, strict=True)))  # type: ignore[arg-type]  # columns have these types

"""Retention: closed executions vanish after their domain's retention period, in small steps.

A step first takes executions out of sight (their rows go, so lists, counts, descriptions and histories no
longer know them) and then deletes their events a few at a time; the space is used again by new events. Each
step belongs to one turn and takes a few milliseconds at most, so nobody waits for it.
"""

from __future__ import annotations

import sqlite3

from flowyd.engine.executions import Executions
from flowyd.engine.store import Store

DAY_S = 86_400.0

#: At most so many executions leave sight, and so many events are deleted, in one step.
_EXECUTIONS_PER_STEP = 50
_EVENTS_PER_STEP = 500
#: Pause between steps while there is more to do, so that requests come first.
_STEP_PAUSE_S = 0.02
#: How often to look when nothing was found.
_LOOK_EVERY_S = 10.0

_DOMAINS = "SELECT id, retention_days FROM domain"
_OVERDUE = (
    "SELECT id FROM execution INDEXED BY execution_by_close "
    "WHERE domain_id = ? AND closed_at IS NOT NULL AND closed_at <= ? ORDER BY closed_at LIMIT ?"
)
_HIDE = "INSERT INTO pruning (execution_id) VALUES (?)"
_DELETE_EXECUTION = "DELETE FROM execution WHERE id = ?"
_NEXT_HIDDEN = "SELECT execution_id FROM pruning LIMIT 1"
_DELETE_EVENTS = (
    "DELETE FROM event WHERE execution_id = ?1 AND event_id IN "
    "(SELECT event_id FROM event WHERE execution_id = ?1 ORDER BY event_id LIMIT ?2)"
)
_DELETE_HEARTBEATS = "DELETE FROM heartbeat WHERE execution_id = ?"
_DONE = "DELETE FROM pruning WHERE execution_id = ?"


class Retention:
    """Prunes closed executions; knows when to look again."""

    def __init__(self, *, store: Store, executions: Executions, now: float) -> None:
        self._store = store
        self._executions = executions
        #: When the next step is due; to be set when the domains change.
        self.due_at = now
        self._some_keep_nothing = True

    def note_close(self, now: float) -> None:
        """A run closed: if there is a domain that keeps nothing, it may be due at once."""
        if self._some_keep_nothing:
            self.due_at = min(self.due_at, now)

    def step(self, now: float) -> None:
        """Does a little of what is due."""
        self._store.flush()
        hidden = self._hide(now)
        deleted = self._delete_events()
        self.due_at = now + (_STEP_PAUSE_S if hidden or deleted else _LOOK_EVERY_S)

    def _hide(self, now: float) -> bool:
        connection = self._store.connection
        overdue: list[tuple[int]] = []
        domains = connection.execute(_DOMAINS).fetchall()
        self._some_keep_nothing = any(_seconds(retention) == 0 for _, retention in domains)
        for domain_id, retention in domains:
            room = _EXECUTIONS_PER_STEP - len(overdue)
            overdue += connection.execute(_OVERDUE, (domain_id, now - _seconds(retention), room)).fetchall()
        if overdue:
            self._store.begin()
            connection.executemany(_HIDE, overdue)
            connection.executemany(_DELETE_EXECUTION, overdue)
            for (execution_id,) in overdue:
                self._executions.forget(execution_id)
        return bool(overdue)

    def _delete_events(self) -> bool:
        connection = self._store.connection
        room = _EVENTS_PER_STEP
        while room > 0:
            found = connection.execute(_NEXT_HIDDEN).fetchone()
            if found is None:
                return room < _EVENTS_PER_STEP
            self._store.begin()
            room -= self._delete_of(connection, found[0], room)
        return True

    @staticmethod
    def _delete_of(connection: sqlite3.Connection, execution_id: int, room: int) -> int:
        """Deletes events of one execution; what it cost, at least 1."""
        deleted = connection.execute(_DELETE_EVENTS, (execution_id, room)).rowcount
        if deleted < room:
            connection.execute(_DELETE_HEARTBEATS, (execution_id,))
            connection.execute(_DONE, (execution_id,))
        return max(deleted, 1)


def _seconds(retention_days: str) -> float:
    return 0.0 if retention_days == "NONE" else int(retention_days) * DAY_S

"""The engine's statements and its unit of work: one connection, one writer, one durable step per turn.

A turn's writes are collected. `commit` makes them durable, by one record of the redo log, and from then on
they are owed to the database: they go into its transaction before a read that must see them, and
`checkpoint` commits it. A turn that wrote to the database directly, after `begin`, and one that the log
does not take, is committed by the database together with all that is owed.

A turn may also be made durable while the next ones are under way, or together with the next one (`When`): one
record is being written at a time, the turns that end meanwhile are gathered and share the next one. Each turn
that wrote counts one in `committed`, and is durable when `durable` has come to its count. Before the database
is asked or written, all that was committed is made durable.

`commit` does nothing if nothing is to be written. After `rollback` memory must be rebuilt from the store by
whoever holds some. `opening` makes the connection (WAL, autocommit, transactions by hand).

The module is long because each question to the database must know what of the turns it does not have yet.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator

from flowyd.engine.overlap import When
from flowyd.engine.redo_log import SALT_BYTES, RedoLog
from flowyd.engine.writes import (
    EXECUTION_COLUMNS,
    HAND_OUT_COLUMNS,
    ExecutionRow,
    HandOutRow,
    HeartbeatRow,
    ListKey,
    Statement,
    Writes,
)

logger = logging.getLogger(__name__)

_EVENTS = "SELECT body FROM event WHERE execution_id = ? AND event_id BETWEEN ? AND ? ORDER BY event_id"
_EVENTS_BACKWARDS = _EVENTS + " DESC"
_LAST_EVENT_ID = "SELECT max(event_id) FROM event WHERE execution_id = ?"

_EXECUTION = f"SELECT {EXECUTION_COLUMNS} FROM execution WHERE id = ?"
_RUN = "SELECT id FROM execution WHERE run_id = ? AND domain_id = ? AND workflow_id = ?"
_OPEN_RUN = "SELECT id FROM execution WHERE domain_id = ? AND workflow_id = ? AND closed_at IS NULL"
_OPEN_COUNT = "SELECT count(*) FROM execution WHERE domain_id = ? AND closed_at IS NULL"
_LAST_EXECUTION_ID = (
    "SELECT max((SELECT coalesce(max(id), 0) FROM execution), "
    "(SELECT coalesce(max(execution_id), 0) FROM pruning))"
)
_DUE = "SELECT id, next_deadline_at FROM execution WHERE next_deadline_at <= ?"

_TASKS = (
    "SELECT execution_id, scheduled_event_id, priority, position FROM task "
    "WHERE domain_id = ? AND kind = ? AND task_list = ? ORDER BY priority DESC, position LIMIT ?"
)
_COUNT_TASKS = (
    "SELECT count(*) FROM (SELECT 1 FROM task WHERE domain_id = ? AND kind = ? AND task_list = ? LIMIT ?)"
)
_LAST_POSITION = "SELECT coalesce(max(position), 0) FROM task"

_HEARTBEATS = (
    "SELECT execution_id, scheduled_event_id, at, details, began_at, on_offer_again FROM heartbeat "
    "WHERE execution_id = ?"
)
_ON_OFFER_AGAIN = "SELECT execution_id, scheduled_event_id FROM heartbeat WHERE on_offer_again"

_HAND_OUTS = f"SELECT {HAND_OUT_COLUMNS}, place FROM hand_out ORDER BY number"

#: The database is to have a durable turn after so long, seconds.
CHECKPOINT_S = 0.2
#: What is owed is brought into the transaction before that if it has so many events: a few milliseconds.
_MANY_EVENTS = 256

_SALT = "SELECT value FROM meta WHERE name = 'redo'"
_NEW_SALT = "UPDATE meta SET value = ? WHERE name = 'redo'"


class Store:
    """The unit of work over one connection."""

    def __init__(self, connection: sqlite3.Connection, redo_log: RedoLog | None = None) -> None:
        """Without a log each turn is committed by the database.

        What a log holds that the database has not seen is owed from the start.

        Raises:
            StoreError: the log cannot be read, or is damaged.
        """
        self.connection = connection
        self._redo_log = redo_log
        left = redo_log.take_up(connection.execute(_SALT).fetchone()[0]) if redo_log is not None else []
        #: What this turn writes; what of it the open transaction has already, as statements.
        self.writes = Writes()
        self._turn_flushed: list[Statement] = []
        #: Whether this turn wrote to the database directly.
        self._direct = False
        #: Turns that were committed, and how many of them are durable.
        self.committed = self.durable = 0
        #: Committed turns that share the next record; and what is being written, its statements, when it was
        #: begun and the turn that it reaches to.
        self._gathered = Writes()
        self._under_way: tuple[Writes, list[Statement], float, int] | None = None
        #: How long the last record took, seconds; whoever takes it sets it to None.
        self.record_s: float | None = None
        #: Durable writes that the transaction does not have.
        self._owed = Writes()
        #: All that is durable since the last checkpoint; and as much of it as a rollback took with it.
        self._since = left
        self._lost = list(left)
        #: Whether the last checkpoint failed: no turn is accepted before one succeeds.
        self._in_trouble = False

    # The turn and its transaction

    def begin(self) -> None:
        """Announces writes to the connection itself: this turn is committed by the database."""
        self.flush()
        self._open()
        self._direct = True

    def flush(self) -> None:
        """Brings all that was collected into the transaction, so that reads see it."""
        self.wait()
        self._flush_owed()
        if self.writes.any:
            statements = self.writes.statements()
            self._carry_out(statements)
            self._turn_flushed += statements
            self.writes = Writes()

    def _flush_owed(self) -> None:
        if self._lost:
            self._open()
            for statements in self._lost:
                self._carry_out(statements)
            self._lost = []
        if self._owed.any:
            self._carry_out(self._owed.statements())
            self._owed = Writes()

    def take_over(self) -> None:
        """Brings what is owed into the transaction once it is much, so that a checkpoint is short."""
        if self._owed.event_count >= _MANY_EVENTS:
            self._flush_owed()

    def commit(self, when: When = When.NOW) -> None:
        """Makes the turn durable, or sees to it that it will be, where that can be; and so all before it."""
        wrote = self.writes.any or bool(self._turn_flushed) or self._direct
        if not wrote and (when is When.WITH_NEXT or self.durable == self.committed):
            return
        if wrote:
            self.committed += 1
        if when is not When.NOW and self._overlaps():
            self._gathered = self._gathered.followed_by(self.writes)
            self._forget_turn()
            self.look()
            if when is When.MEANWHILE:
                self.write_gathered()
            return
        began_at = time.monotonic()
        if self.is_gathering:
            self.writes, self._gathered = self._gathered.followed_by(self.writes), Writes()
        else:
            self.wait()
        if self._direct or self._in_trouble or not self._log():
            self.checkpoint()
        self.durable = self.committed
        self.record_s = time.monotonic() - began_at

    @property
    def is_writing(self) -> bool:
        """Whether a record is under way."""
        return self._under_way is not None

    @property
    def is_gathering(self) -> bool:
        """Whether committed turns wait for the next one, and no record is under way that they follow."""
        return self._under_way is None and self._gathered.any

    def write_gathered(self) -> None:
        """Begins the next record if turns wait for it.

        Raises:
            sqlite3.Error: neither the log nor the database could be written.
        """
        if self.is_gathering:
            self._begin_record()

    def fileno(self) -> int | None:
        """What becomes readable when the record under way has ended: `look` then; None: nothing ever does."""
        return self._redo_log.fileno() if self._redo_log is not None and self._redo_log.overlaps else None

    def look(self) -> None:
        """Notes whether the record under way is durable, and begins the next one.

        Raises:
            sqlite3.Error: neither the log nor the database could be written.
        """
        if self._under_way is not None and self._ended(wait=False):
            self._begin_record()

    def wait(self) -> None:
        """Makes all turns durable that are committed.

        Raises:
            sqlite3.Error: neither the log nor the database could be written.
        """
        self.write_gathered()
        while self._under_way is not None:
            if self._ended(wait=True):
                self._begin_record()

    @property
    def owed_turns(self) -> int:
        """So many durable turns the database's file does not have yet."""
        return len(self._since)

    def checkpoint(self) -> None:
        """Commits the database: its file has all that was written, and the log starts over."""
        self._in_trouble = True
        self.flush()
        self._commit_database()
        self._forget_turn()

    def _commit_database(self) -> None:
        self._in_trouble = True
        if self.connection.in_transaction:
            salt = os.urandom(SALT_BYTES)
            if self._redo_log is not None:
                self.connection.execute(_NEW_SALT, (salt,))
            self.connection.execute("COMMIT")
            if self._redo_log is not None:
                self._redo_log.start_over(salt)
        self._in_trouble = False
        self._since.clear()
        self.durable = self.committed

    def rollback(self) -> None:
        """Forgets the turn's writes, also after a statement or the commit itself failed.

        Turns that were committed before are made durable; those for which that fails are forgotten too, which
        `durable` tells. What is durable comes into the transaction with the next `flush`, which is to be
        before anything else.
        """
        self._forget_turn()
        with contextlib.suppress(sqlite3.Error):
            self.wait()
        self._gathered = Writes()
        self._under_way = None
        self.committed = self.durable
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self._owed = Writes()
        self._lost = list(self._since)

    def _overlaps(self) -> bool:
        log = self._redo_log
        return (
            log is not None and log.overlaps and not (self._direct or self._turn_flushed or self._in_trouble)
        )

    def _begin_record(self) -> None:
        """Begins to write what was gathered, if anything was."""
        assert self._redo_log is not None
        gathered, self._gathered = self._gathered, Writes()
        statements = gathered.statements()
        if not statements:
            self.durable = self.committed
            return
        began_at = time.monotonic()
        try:
            if self._redo_log.begin_append(statements):
                self._under_way = (gathered, statements, began_at, self.committed)
                return
        except OSError as error:
            self._tell_of(error)
        self._give_to_database(gathered)

    def _ended(self, *, wait: bool) -> bool:
        """Whether the record under way is durable by now."""
        assert self._redo_log is not None
        assert self._under_way is not None
        writes, statements, began_at, reaches_to = self._under_way
        try:
            if not self._redo_log.end_append(wait=wait):
                return False
        except OSError as error:
            self._tell_of(error)
            self._under_way = None
            self._give_to_database(writes)
            return True
        self._under_way = None
        self._since.append(statements)
        self._owed = self._owed.followed_by(writes)
        self.durable = reaches_to
        self.record_s = time.monotonic() - began_at
        return True

    def _give_to_database(self, writes: Writes) -> None:
        """The log does not take a record: the database commits it with all that was gathered since."""
        self._owed = self._owed.followed_by(writes)
        self._owed = self._owed.followed_by(self._gathered)
        self._gathered = Writes()
        self._in_trouble = True
        self._flush_owed()
        self._commit_database()

    def _tell_of(self, error: OSError) -> None:
        assert self._redo_log is not None
        logger.warning(
            "%s: cannot be written, the database commits instead: %s",
            self._redo_log.path,
            error.strerror or error,
            extra={"action": "commit"},
        )

    def _log(self) -> bool:
        """Notes the turn in the log; False if it does not take it."""
        if self._redo_log is None:
            return False
        statements = self._turn_flushed + self.writes.statements()
        if not statements:
            # What came went again in the same turn.
            self._forget_turn()
            return True
        try:
            if not self._redo_log.append(statements):
                return False
        except OSError as error:
            self._tell_of(error)
            return False
        self._since.append(statements)
        self._owed = self._owed.followed_by(self.writes)
        self._forget_turn()
        return True

    def _forget_turn(self) -> None:
        self.writes = Writes()
        self._turn_flushed = []
        self._direct = False

    def _open(self) -> None:
        if not self.connection.in_transaction:
            self.connection.execute("BEGIN IMMEDIATE")

    def _carry_out(self, statements: Iterable[Statement]) -> None:
        self._open()
        for sql, rows in statements:
            self.connection.executemany(sql, rows)

    # Executions and events

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

    def execution(self, execution_id: int) -> ExecutionRow | None:
        """The row of a run that nothing was collected for; None if it never was or is pruned."""
        found = self.connection.execute(_EXECUTION, (execution_id,)).fetchone()
        return _as_read(found) if found else None

    def find_run(self, domain_id: int, workflow_id: str, run_id: str) -> int | None:
        """The id of a run, open or closed."""
        under_way = [self._under_way[0]] if self._under_way is not None else []
        if any(each.has_new_executions for each in (self.writes, self._owed, self._gathered, *under_way)):
            self.flush()
        found = self.connection.execute(_RUN, (run_id, domain_id, workflow_id)).fetchone()
        return found[0] if found else None

    def find_open_run(self, domain_id: int, workflow_id: str) -> int | None:
        """The id of the open run of a workflow id, as the database has it.

        What was collected about it is not looked at: whoever collects has the execution in memory, and knows.
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
        self.flush()
        found: int = self.connection.execute(_LAST_EXECUTION_ID).fetchone()[0]
        return found

    def due_until(self, at: float) -> list[tuple[int, float]]:
        """(execution id, time to look at it) of open executions that may have a deadline until then."""
        self.flush()
        return self.connection.execute(_DUE, (at,)).fetchall()

    # Tasks

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
        self.flush()
        found: int = self.connection.execute(_LAST_POSITION).fetchone()[0]
        return found

    # Heartbeats

    def heartbeats(self, execution_id: int) -> list[HeartbeatRow]:
        """What is noted of a run's activity tasks."""
        self.flush()
        return self.connection.execute(_HEARTBEATS, (execution_id,)).fetchall()

    def on_offer_again(self) -> list[tuple[int, int]]:
        """(execution id, scheduled event id) of activity tasks whose clocks stand; some may have closed."""
        self.flush()
        return self.connection.execute(_ON_OFFER_AGAIN).fetchall()

    # Hand-outs

    def hand_outs(self) -> list[HandOutRow]:
        """What is noted, the oldest first."""
        self.flush()
        return self.connection.execute(_HAND_OUTS).fetchall()


def _as_read(found: tuple[object, ...]) -> ExecutionRow:
    names = [name.strip() for name in EXECUTION_COLUMNS.split(",")]
    return ExecutionRow(**dict(zip(names, found, strict=True)))  # type: ignore[arg-type]  # columns have these types

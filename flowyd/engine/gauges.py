"""What the database says about the engine's load, read when somebody asks for metrics.

A connection of its own, read-only and closed again, so that the writer's is not in the way of a half-read
statement. Task lists are many where deciders have lists of their own, so only the longest are shown.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from flowyd.engine.metrics import Gauge, Gauges

logger = logging.getLogger(__name__)

#: Task lists shown, those with the longest backlog.
MOST_TASK_LISTS = 200

_OPEN = (
    "SELECT d.name, (SELECT count(*) FROM execution AS e INDEXED BY execution_by_open "
    "WHERE e.domain_id = d.id AND e.closed_at IS NULL) FROM domain AS d"
)
#: Beside min() SQLite gives the other columns of the row that has the minimum: of the task that came first.
_BACKLOG = (
    "SELECT d.name, t.kind, t.task_list, count(*), min(t.position), t.execution_id, t.scheduled_event_id "
    "FROM task AS t JOIN domain AS d ON d.id = t.domain_id "
    "GROUP BY t.domain_id, t.kind, t.task_list ORDER BY count(*) DESC LIMIT ?"
)
_SCHEDULED_AT = (
    "SELECT json_extract(body, '$.eventTimestamp') FROM event WHERE execution_id = ? AND event_id = ?"
)

_LIST_LABELS = ("domain", "kind", "task_list")


def gauges_of(database: Path, now: Callable[[], float], checkpoint: Callable[[], None]) -> Gauges:
    """A reader of the database's gauges; nothing is opened yet. `checkpoint` brings the file up to date."""

    def read() -> Iterable[Gauge]:
        checkpoint()
        address = f"file:{quote(str(database.absolute()))}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
                return _read(connection, database, now())
        except sqlite3.Error as error:
            logger.warning("%s: cannot be read for metrics: %s", database, error, extra={"action": "metrics"})
            return []

    return read


def _read(connection: sqlite3.Connection, database: Path, now: float) -> list[Gauge]:
    is_open: dict[tuple[str, ...], float] = {
        (name,): float(count) for name, count in connection.execute(_OPEN)
    }
    backlog: dict[tuple[str, ...], float] = {}
    age: dict[tuple[str, ...], float] = {}
    for *labels, count, _, execution_id, event_id in connection.execute(
        _BACKLOG, (MOST_TASK_LISTS,)
    ).fetchall():
        backlog[tuple(labels)] = float(count)
        scheduled = connection.execute(_SCHEDULED_AT, (execution_id, event_id)).fetchone()
        if scheduled is not None:
            age[tuple(labels)] = max(0.0, now - scheduled[0])
    size: dict[tuple[str, ...], float] = {
        (part,): float(file.stat().st_size)
        for part, file in (("file", database), ("wal", database.with_name(database.name + "-wal")))
        if file.exists()
    }
    return [
        ("open_executions", "Open executions", ("domain",), is_open),
        ("backlog_tasks", "Tasks that wait for a poll, longest lists only", _LIST_LABELS, backlog),
        ("backlog_age_seconds", "Waiting time of the oldest task in the list", _LIST_LABELS, age),
        ("database_bytes", "Size of the database", ("part",), size),
    ]

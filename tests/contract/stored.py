"""What a database is when its engine has ended: sound for SQLite, and every cache the fold of the events."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from flowyd.engine.executions import new_row
from flowyd.engine.integrity import check_integrity
from flowyd.engine.rules.deadlines import next_deadline
from flowyd.engine.rules.evolve import fold, note_handed_out_again, note_heartbeat, note_offered_again
from flowyd.engine.rules.state import ExecutionState
from flowyd.engine.store import Store
from flowyd.engine.writes import ExecutionRow

_TASKS = "SELECT scheduled_event_id, kind, task_list, priority FROM task WHERE execution_id = ?"


def check_file(database: Path) -> int:
    """Raises AssertionError or StoreError for what is wrong; the number of executions that are right."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert check_integrity(connection, database=database)
        store = Store(connection)
        ids = [found for (found,) in connection.execute("SELECT id FROM execution").fetchall()]
        for execution_id in ids:
            row = store.execution(execution_id)
            assert row is not None
            _check_execution(store, row)
        strays = "SELECT count(*) FROM task WHERE execution_id NOT IN (SELECT id FROM execution)"
        assert connection.execute(strays).fetchone() == (0,)
        return len(ids)


def _check_execution(store: Store, row: ExecutionRow) -> None:
    events = [json.loads(body) for body in store.events(row.id, 1, store.last_event_id(row.id))]
    assert [event["eventId"] for event in events] == list(range(1, len(events) + 1)), row
    state = fold(events, workflow_id=row.workflow_id, run_id=row.run_id)
    folded = new_row(state, execution_id=row.id, domain_id=row.domain_id)
    folded.closed_at, folded.close_status = state.closed_at, state.close_status
    folded.cancel_requested = int(state.cancel_requested and state.is_open)
    folded.next_deadline_at = row.next_deadline_at
    assert _values(folded) == _values(row)
    tasks = store.connection.execute(_TASKS, (row.id,)).fetchall()
    assert sorted(tasks) == sorted(_tasks(state)), row
    for _, scheduled_event_id, at, details, began_at, on_offer_again in store.heartbeats(row.id):
        activity = state.activities.get(scheduled_event_id)
        if activity is not None:
            if began_at is not None:
                note_handed_out_again(activity, at=began_at)
            if on_offer_again:
                note_offered_again(activity)
            note_heartbeat(activity, at=at, details=details)
    if state.is_open:
        deadline_at = next_deadline(state)
        assert deadline_at is not None
        assert row.next_deadline_at is not None, row
        assert row.next_deadline_at <= deadline_at, row
    else:
        assert row.next_deadline_at is None, row


def _tasks(state: ExecutionState) -> Iterator[tuple[int, str, str, int]]:
    """The tasks of an execution that may be handed out."""
    if not state.is_open:
        return
    for activity in state.activities.values():
        if not activity.started_event_id:
            yield activity.scheduled_event_id, "activity", activity.task_list, activity.priority
    decision = state.scheduled_decision
    if decision is not None and state.started_decision is None:
        yield decision.scheduled_event_id, "decision", decision.task_list, state.priority


def _values(row: ExecutionRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ExecutionRow.__slots__}

"""The schema's versions: numbered, forward only.

`PRAGMA user_version` is the version of a file. A new file gets schema.sql, which is always the newest one; an
older file gets the steps between, one transaction each. A newer file is refused: an older engine must not
write what it does not understand.

What lies in a redo log was written for the version before. A step that changes a table that turns write
(`writes`) needs it in the file first: `Store.checkpoint`.
"""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path

from flowyd.errors import StoreError

#: Marks a file as flowyd's (PRAGMA application_id): "flwd".
APPLICATION_ID = 0x666C7764

#: What leads from version n (the position, counted from 1) to n + 1. Statements end with ";".
STEPS: tuple[str, ...] = (
    """
CREATE TABLE hand_out (
    place              INTEGER PRIMARY KEY,
    number             INTEGER NOT NULL,
    run_id             TEXT NOT NULL,
    poll_id            TEXT NOT NULL,
    execution_id       INTEGER NOT NULL,
    scheduled_event_id INTEGER NOT NULL,
    started_event_id   INTEGER NOT NULL,
    domain_id          INTEGER NOT NULL,
    kind               TEXT NOT NULL,
    task_list          TEXT NOT NULL
);
    """,
    "INSERT INTO meta (name, value) VALUES ('redo', randomblob(16));",
    # What a redo log of version 3 says of this table names the columns that it writes, and fits.
    """
ALTER TABLE heartbeat ADD COLUMN began_at REAL;
ALTER TABLE heartbeat ADD COLUMN on_offer_again INTEGER NOT NULL DEFAULT 0;
CREATE INDEX heartbeat_on_offer_again ON heartbeat (execution_id, scheduled_event_id) WHERE on_offer_again;
    """,
)


def migrate(connection: sqlite3.Connection, *, database: Path, steps: tuple[str, ...] = STEPS) -> None:
    """Brings the file to the newest version.

    Raises:
        StoreError: it is newer than this program, or not a database of flowyd's.
    """
    newest = len(steps) + 1
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        _create(connection, database=database, version=newest)
        return
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise _foreign(database)
    if version > newest:
        raise StoreError(
            f"{database}: written by a newer flowyd (schema {version}, this program knows up to {newest}); "
            "start the newer program, or restore a backup made before"
        )
    for number in range(version, newest):
        _apply(connection, steps[number - 1], version=number + 1)


def _create(connection: sqlite3.Connection, *, database: Path, version: int) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise _foreign(database)
    schema = files("flowyd.engine").joinpath("schema.sql").read_text()
    _apply(connection, schema, version=version)


def _apply(connection: sqlite3.Connection, script: str, *, version: int) -> None:
    marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};"
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n{marks}\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _foreign(database: Path) -> StoreError:
    return StoreError(f"{database}: a database, but not one of flowyd's; name another file")

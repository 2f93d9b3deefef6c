"""Opening a database: one engine per file, WAL, the newest schema, the secret of the tokens."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from flowyd.config.records import Durability
from flowyd.engine.clock import Clock
from flowyd.engine.integrity import START_BUDGET_S, check_integrity, damaged
from flowyd.engine.locking import lock_database
from flowyd.engine.migrations import migrate
from flowyd.engine.redo_log import RedoLog, redo_log_of
from flowyd.engine.service import Service
from flowyd.engine.settings import ServiceSettings
from flowyd.engine.store import Store
from flowyd.engine.tokens import TokenCodec
from flowyd.errors import StoreError

logger = logging.getLogger(__name__)

#: Another process holds the file only for the moments of a backup's start or an operator's query.
_BUSY_MS = 5_000
#: Pages of the WAL after which it is copied into the file: rarer than SQLite's 1,000, so that busy pages
#: are copied once for many commits.
_CHECKPOINT_PAGES = 4_000
#: The WAL file is cut to this size after a checkpoint, bytes.
_WAL_LIMIT = 64 * 1024 * 1024
#: SQLite's page cache, KiB.
_CACHE_KIB = 64 * 1024

_SYNCHRONOUS = {Durability.FULL: "FULL", Durability.NORMAL: "NORMAL"}


def open_service(
    *,
    database: Path,
    clock: Clock,
    durability: Durability = Durability.FULL,
    poll_s: float | None = None,
    settings: ServiceSettings | None = None,
) -> Service:
    """A service over the file, which is created if it is missing.

    `poll_s`, if given, goes before what the settings say.

    Raises:
        StoreError: another engine has it, it is damaged, newer than this program, or cannot be opened.
    """
    settings = settings or ServiceSettings()
    if poll_s is not None:
        settings = replace(settings, poll_s=poll_s)
    lock = lock_database(database)
    opened = ExitStack()
    opened.callback(os.close, lock)
    try:
        redo_log = _redo_log(database, durability)
        if redo_log is not None:
            opened.callback(redo_log.close)
        connection = _connect(database, durability)
        opened.callback(connection.close)
        store = _store(connection, redo_log)
        opened.callback(_check_point_at_end, store, database)
        return Service(
            store=store,
            clock=clock,
            tokens=TokenCodec(_secret(connection), page_token_s=settings.page_token_s),
            settings=settings,
            on_close=opened.close,
        )
    except sqlite3.Error as error:
        opened.close()
        raise damaged(database, str(error)) from error
    except BaseException:
        opened.close()
        raise


def _connect(database: Path, durability: Durability) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(database, isolation_level=None, cached_statements=256)
    except sqlite3.Error as error:
        raise StoreError(f"{database}: cannot be opened: {error}") from error
    try:
        # Before anything else: the switch to WAL may itself meet a lock.
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        migrate(connection, database=database)
        if not check_integrity(connection, database=database, budget_s=START_BUDGET_S):
            logger.info("%s: too large to check whole at a start", database, extra={"action": "open"})
    except sqlite3.OperationalError as error:
        connection.close()
        raise StoreError(f"{database}: cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise damaged(database, str(error)) from error
    except StoreError:
        connection.close()
        raise
    return connection


def _redo_log(database: Path, durability: Durability) -> RedoLog | None:
    """The log to write; None if there is none and no making one: the database commits each turn then.

    Raises:
        StoreError: there is one, and it cannot be opened.
    """
    path = redo_log_of(database)
    try:
        return RedoLog(path, synced=durability is Durability.FULL)
    except OSError as error:
        if path.exists():
            raise StoreError(f"{path}: cannot be opened: {error.strerror}") from error
        logger.warning(
            "%s: cannot be made, the engine is slower without it: %s",
            path,
            error.strerror,
            extra={"action": "open"},
        )
        return None


def _store(connection: sqlite3.Connection, redo_log: RedoLog | None) -> Store:
    store = Store(connection, redo_log)
    if store.owed_turns:
        assert redo_log is not None
        logger.info(
            "%s: %d turns of an engine that did not end by itself are taken over",
            redo_log.path,
            store.owed_turns,
            extra={"action": "open"},
        )
    return store


def _check_point_at_end(store: Store, database: Path) -> None:
    """Leaves a file that needs no log beside it, if it can be written."""
    try:
        store.checkpoint()
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        logger.warning("%s: no checkpoint at the end: %s", database, error, extra={"action": "close"})


def _secret(connection: sqlite3.Connection) -> bytes:
    """The key that signs tokens; made with the file, so tokens are good across restarts."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'secret'").fetchone()
    if row is not None:
        found: bytes = row[0]
        return found
    secret = secrets.token_bytes(32)
    connection.execute("INSERT INTO meta (name, value) VALUES ('secret', ?)", (secret,))
    return secret

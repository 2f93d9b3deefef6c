"""Opening a database: one engine per file, WAL, the newest schema, the secret of the tokens."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import sqlite3
from dataclasses import replace
from pathlib import Path

from flowyd.config.records import Durability
from flowyd.engine.clock import Clock
from flowyd.engine.integrity import START_BUDGET_S, check_integrity, damaged
from flowyd.engine.migrations import migrate
from flowyd.engine.service import Service
from flowyd.engine.settings import ServiceSettings
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
    lock = _lock(database)
    try:
        connection = _connect(database, durability)
    except BaseException:
        os.close(lock)
        raise

    def close() -> None:
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            logger.warning("%s: no checkpoint at the end: %s", database, error, extra={"action": "close"})
        connection.close()
        os.close(lock)

    try:
        return Service(
            connection=connection,
            clock=clock,
            tokens=TokenCodec(_secret(connection), page_token_s=settings.page_token_s),
            settings=settings,
            on_close=close,
        )
    except sqlite3.Error as error:
        close()
        raise damaged(database, str(error)) from error


def _lock(database: Path) -> int:
    """A descriptor that holds the lock beside the file until it is closed, or the process ends."""
    beside = database.with_name(database.name + ".lock")
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{beside}: cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreError(f"{database}: in use by another engine; stop it, or name another file") from error
    return descriptor


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


def _secret(connection: sqlite3.Connection) -> bytes:
    """The key that signs tokens; made with the file, so tokens are good across restarts."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'secret'").fetchone()
    if row is not None:
        found: bytes = row[0]
        return found
    secret = secrets.token_bytes(32)
    connection.execute("INSERT INTO meta (name, value) VALUES ('secret', ?)", (secret,))
    return secret

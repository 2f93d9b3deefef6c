"""A consistent copy of the database while an engine serves from it.

SQLite's backup API reads one state of the file; the engine goes on writing meanwhile. What the engine had
made durable before is in it: the copy waits for as long as the engine may owe it to the file, and if none
is running, takes over what the last one left in its redo log. The copy is checked and appears under its
name only when it is complete.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from flowyd.engine.integrity import check_integrity
from flowyd.engine.locking import try_lock
from flowyd.engine.redo_log import RedoLog, redo_log_of
from flowyd.engine.store import CHECKPOINT_S, Store
from flowyd.errors import StoreError

#: Told after each portion: pages left, pages in all.
Progress = Callable[[int, int], None]

_BUSY_MS = 5_000


def back_up(*, database: Path, target: Path, progress: Progress | None = None) -> int:
    """Copies the database to a new file; the copy's size in bytes.

    Raises:
        StoreError: the database cannot be read, the target exists or cannot be written, or the copy is
            damaged.
    """
    if not database.exists():
        raise StoreError(f"{database}: no such file")
    if target.exists():
        raise StoreError(f"{target}: exists already; name another file")
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        _copy(database, unfinished, progress)
        _sync(unfinished)
        os.link(unfinished, target)
        _sync(target.parent)
    except sqlite3.Error as error:
        raise StoreError(f"{database}: no backup to {target}: {error}") from error
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror}") from error
    finally:
        for leftover in (unfinished, *(Path(f"{unfinished}{end}") for end in ("-wal", "-shm", "-journal"))):
            leftover.unlink(missing_ok=True)
    return target.stat().st_size


def _copy(database: Path, unfinished: Path, progress: Progress | None) -> None:
    unfinished.unlink(missing_ok=True)
    source = sqlite3.connect(f"file:{database}?mode=rw", uri=True, isolation_level=None)
    with closing(source), closing(sqlite3.connect(unfinished, isolation_level=None)) as copy:
        unfinished.chmod(0o600)
        source.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        _bring_up_to_date(source, database)
        # In one step: with several, each write of the engine would make it start again.
        source.backup(
            copy,
            pages=-1,
            progress=(lambda _, left, total: progress(left, total)) if progress else None,
        )
        copy.execute("PRAGMA journal_mode = DELETE")
        # No log that lies beside the copy one day is ever taken for its own.
        copy.execute("UPDATE meta SET value = randomblob(16) WHERE name = 'redo'")
        check_integrity(copy, database=unfinished)


def _bring_up_to_date(source: sqlite3.Connection, database: Path) -> None:
    """Sees to it that the file has what is in the redo log now."""
    knows_logs = source.execute("SELECT 1 FROM meta WHERE name = 'redo'").fetchone()
    if not knows_logs or not redo_log_of(database).exists():
        return
    lock = try_lock(database)
    if lock is None:
        # Twice as long as needed: a checkpoint itself takes its time.
        time.sleep(2 * CHECKPOINT_S)
        return
    redo_log = RedoLog(redo_log_of(database), synced=True)
    try:
        Store(source, redo_log).checkpoint()
    finally:
        redo_log.close()
        os.close(lock)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

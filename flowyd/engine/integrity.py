"""Is the file sound? SQLite's own check, for as long as a start may take.

Checking a file of many gigabytes takes minutes, a start must not: tables are checked from the small to the
large ones until the time is used up, and the large ones only in a file of moderate size, since SQLite cannot
be interrupted while it walks through the pages of a table. Damage that lies further on shows when it is read.
Without a limit the check is complete (for `flowyd backup`, and for the operator who asks).
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from flowyd.errors import StoreError

#: How long a start may spend on it, seconds.
START_BUDGET_S = 1.0

#: Small and vital first.
_SMALL_TABLES = ("meta", "domain", "type", "pruning", "task", "heartbeat", "hand_out")
_LARGE_TABLES = ("execution", "execution_tag", "event")
#: In a larger file the large tables are not begun under a limit: about 250 MB are checked in a second.
_MODERATE_BYTES = 256 * 1024 * 1024
#: SQLite calls back after so many virtual machine steps; a fraction of a millisecond.
_STEPS_BETWEEN_LOOKS = 10_000


def check_integrity(connection: sqlite3.Connection, *, database: Path, budget_s: float | None = None) -> bool:
    """True if everything was checked and is sound, False if the time did not allow for that.

    Raises:
        StoreError: the file is damaged.
    """
    ends_at = None if budget_s is None else time.monotonic() + budget_s
    if ends_at is not None:
        limit = ends_at
        connection.set_progress_handler(lambda: time.monotonic() > limit, _STEPS_BETWEEN_LOOKS)
    try:
        is_whole = budget_s is None or _size_bytes(connection) <= _MODERATE_BYTES
        for table in _SMALL_TABLES + (_LARGE_TABLES if is_whole else ()):
            found = connection.execute(f"PRAGMA quick_check({table})").fetchall()
            if found != [("ok",)]:
                raise damaged(database, "; ".join(str(row[0]) for row in found[:3]))
    except sqlite3.OperationalError as error:
        if ends_at is not None and time.monotonic() > ends_at:
            return False
        raise damaged(database, str(error)) from error
    except sqlite3.DatabaseError as error:
        raise damaged(database, str(error)) from error
    finally:
        connection.set_progress_handler(None, 0)
    return is_whole


def _size_bytes(connection: sqlite3.Connection) -> int:
    pages, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    return int(pages) * int(page_bytes)


def damaged(database: Path, what: str) -> StoreError:
    """The error for a file that SQLite cannot make sense of."""
    return StoreError(
        f"{database}: damaged ({what}); restore a backup, or save what can be read with "
        f"`sqlite3 {database} .recover` into a new file"
    )

"""One engine per database: a lock on a file beside it, held until the process ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from flowyd.errors import StoreError


def lock_database(database: Path) -> int:
    """A descriptor that holds the lock until it is closed, or the process ends.

    Raises:
        StoreError: another engine has it, or it cannot be had.
    """
    lock = try_lock(database)
    if lock is None:
        raise StoreError(f"{database}: in use by another engine; stop it, or name another file")
    return lock


def try_lock(database: Path) -> int | None:
    """The same; None if another engine has it.

    Raises:
        StoreError: it cannot be had.
    """
    beside = database.with_name(database.name + ".lock")
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{beside}: cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise StoreError(f"{beside}: cannot be locked: {error.strerror}") from error
    return descriptor

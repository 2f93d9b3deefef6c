"""`flowyd engine` that dies by SIGKILL at a chosen point of its n-th turn that writes.

Usage: crash_engine.py POINT N OPTION…, where POINT is one of POINTS and the options are those of
`flowyd engine`. SQLite's cache is kept so small that pages reach the log before their commit.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys

import flowyd.engine.service
from flowyd.cli.main import main
from flowyd.engine.store import Store

POINTS = ("before the commit", "between commit and answer")


def dying_store(point: str, turns: int) -> type[Store]:
    """A store whose process ends itself at that point."""

    class DyingStore(Store):
        left = turns

        def __init__(self, connection: sqlite3.Connection) -> None:
            super().__init__(connection)
            connection.execute("PRAGMA cache_size = 10")

        def commit(self) -> float | None:
            self.flush()
            is_last = self.connection.in_transaction and self.is_the_last()
            if is_last and point == "before the commit":
                os.kill(os.getpid(), signal.SIGKILL)
            took_s = super().commit()
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return took_s

        @classmethod
        def is_the_last(cls) -> bool:
            cls.left -= 1
            return cls.left == 0

    return DyingStore


if __name__ == "__main__":
    flowyd.engine.service.Store = dying_store(sys.argv[1], int(sys.argv[2]))  # type: ignore[misc]
    sys.exit(main(["engine", *sys.argv[3:]]))

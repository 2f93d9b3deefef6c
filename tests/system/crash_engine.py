"""`flowyd engine` that dies by SIGKILL at a chosen point of its n-th turn that writes, or n-th checkpoint.

Usage: crash_engine.py POINT N OPTION…, where POINT is one of POINTS and the options are those of
`flowyd engine`. SQLite's cache is kept so small that pages reach its log before their commit.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys

import flowyd.engine.opening
from flowyd.cli.main import main
from flowyd.engine.overlap import When
from flowyd.engine.redo_log import RedoLog
from flowyd.engine.store import Store

#: By point, how often it may be passed before: a checkpoint is made five times a second.
POINTS = {
    "before the commit": 150,
    "between commit and answer": 150,
    "before turns are written": 40,
    "while turns are written": 40,
    "in the checkpoint": 6,
    "after the checkpoint": 6,
}


def dying_store(point: str, number: int) -> type[Store]:
    """A store whose process ends itself at that point."""

    class DyingStore(Store):
        left = number

        def __init__(self, connection: sqlite3.Connection, redo_log: RedoLog | None = None) -> None:
            super().__init__(connection, redo_log)
            connection.execute("PRAGMA cache_size = 10")

        def commit(self, when: When = When.NOW) -> None:
            if point == "before the commit":
                self.flush()
                if self.is_the_last(point) and self.connection.in_transaction:
                    os.kill(os.getpid(), signal.SIGKILL)
            before = self.committed
            super().commit(when)
            passed = {
                "between commit and answer": self.committed > before,
                "before turns are written": self.is_gathering,
                "while turns are written": self.is_writing,
            }
            if passed.get(point) and self.is_the_last(point):
                os.kill(os.getpid(), signal.SIGKILL)

        def checkpoint(self) -> None:
            self.flush()
            if self.is_the_last("in the checkpoint"):
                os.kill(os.getpid(), signal.SIGKILL)
            super().checkpoint()
            if self.is_the_last("after the checkpoint"):
                os.kill(os.getpid(), signal.SIGKILL)

        @classmethod
        def is_the_last(cls, at: str) -> bool:
            if at == point:
                cls.left -= 1
            return at == point and cls.left <= 0

    return DyingStore


if __name__ == "__main__":
    flowyd.engine.opening.Store = dying_store(sys.argv[1], int(sys.argv[2]))  # type: ignore[misc]
    sys.exit(main(["engine", *sys.argv[3:]]))

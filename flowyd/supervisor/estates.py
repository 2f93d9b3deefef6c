"""The files in which workers keep what they have in hand, and what becomes of those of dead workers.

The supervisor makes a file for each worker it starts. When a worker has died, its file tells what it had in
hand, also what it could report no more; and a supervisor that starts finds the files of all workers that died
with the one before it, or without one. A file stays until somebody else has all that is in it: the service
was told, or a successor has written it down in a file of its own. So a kill -9 of everything, at any moment
and again, loses none of it. A worker that lives, orphaned, holds a lock on its file; it is left alone, and
its file is looked at when it has ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import selectors
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from flowyd.control.in_hand import (
    ANSWERS_AT,
    HEAD_BYTES,
    RECORD_BYTES,
    InHand,
    decode_answers,
    decode_in_hand,
    length_of,
)
from flowyd.errors import ProtocolError

logger = logging.getLogger(__name__)

#: Below the runtime directory.
FOLDER = "in-hand"


class Estates:
    """All these files."""

    def __init__(self, folder: Path, selector: selectors.BaseSelector) -> None:
        self._folder = folder
        self._selector = selector
        self._of_child: dict[int, Path] = {}
        #: What must be in other hands before a file goes: task tokens and poll ids.
        self._owed: dict[Path, set[str]] = {}

    def make_file(self, pool: str, slot: int) -> tuple[Path, int]:
        """A new empty file for a worker, and a descriptor of it.

        Raises:
            OSError: it cannot be made.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"{pool}.{slot}.{time.time_ns()}"
        return path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def give(self, path: Path, pid: int) -> None:
        """The file is that child's."""
        self._of_child[pid] = path

    def of_dead(self, pid: int) -> InHand | None:
        """What a dead child had in hand; the file is kept until all of it is settled."""
        path = self._of_child.pop(pid, None)
        return None if path is None else self._taken(path)

    def of_living(self, pid: int) -> InHand | None:
        """What a child has in hand now; None: there is nothing to read."""
        path = self._of_child.get(pid)
        return None if path is None else _read(path)

    def left_behind(self, take: Callable[[InHand], None]) -> None:
        """Gives `take` what workers of earlier supervisors had: the dead now, the living when they end."""
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if not self._watch(path, take) and (found := self._taken(path)):
                take(found)

    def settle(self, things: Iterable[str]) -> None:
        """These tokens and poll ids are in other hands now, or nobody's concern any more."""
        settled = set(things)
        for path, owed in list(self._owed.items()):
            if owed & settled:
                owed -= settled
                self._remove_if_settled(path)

    def close(self) -> None:
        """Removes the folder if nothing is left in it."""
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def _taken(self, path: Path) -> InHand | None:
        found = _read(path)
        self._owed[path] = set() if found is None else set(_things(found))
        self._remove_if_settled(path)
        return found

    def _remove_if_settled(self, path: Path) -> None:
        if not self._owed[path]:
            del self._owed[path]
            with contextlib.suppress(OSError):
                path.unlink()

    def _watch(self, path: Path, take: Callable[[InHand], None]) -> bool:
        """Whether the file's worker lives; then its end is waited for."""
        if not _is_locked(path):
            return False
        found = _read(path)
        if found is None:
            return True
        try:
            ended = os.pidfd_open(found.pid)
        except OSError as error:
            logger.warning("%s: its worker cannot be watched: %s", path, error, extra={"action": "in-hand"})
            return True

        def look(_: int) -> None:
            self._selector.unregister(ended)
            os.close(ended)
            if (left := self._taken(path)) is not None:
                take(left)

        self._selector.register(ended, selectors.EVENT_READ, look)
        logger.info("%s[%d] still ends what it began", found.pool, found.pid, extra={"action": "in-hand"})
        return True


def _read(path: Path) -> InHand | None:
    """What a file says; what cannot be read is logged."""
    try:
        with path.open("rb") as file:
            head = file.readline(HEAD_BYTES)
            if not head:
                return None
            # No more than is written: between the record and the answers the file has a hole.
            found = decode_in_hand(head + file.read(min(length_of(head), RECORD_BYTES)))
            file.seek(ANSWERS_AT)
            return found and replace(found, answers=decode_answers(file.read()))
    except (OSError, ProtocolError) as error:
        logger.warning("%s is ignored: %s", path, error, extra={"action": "in-hand"})
        return None


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _things(in_hand: InHand) -> Iterator[str]:
    yield from (task.task_token for task in in_hand.tasks)
    yield from (poll.poll_id for poll in in_hand.polls)

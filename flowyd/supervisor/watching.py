"""Changes in the module directories, as the kernel tells them (inotify(7)), in the supervisor's select loop.

One descriptor, no thread, no process: nothing happens while nothing changes. A change is told when it has
settled: nothing more came for a moment, and no file that is being written is still open. Names that editors,
rsync and Python itself leave about are overlooked.
"""

from __future__ import annotations

import ctypes
import logging
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

#: A change has settled when nothing follows it for this long, seconds.
SETTLE_S = 0.25
#: A file that stays open for writing holds a change back no longer than this.
LONGEST_WRITE_S = 30.0
#: Directories below this depth are not watched: nobody nests packages so deep, a loop of links does.
_DEPTH = 16

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x1000000
IN_ISDIR = 0x40000000

_WATCHED = (
    IN_MODIFY
    | IN_ATTRIB
    | IN_CLOSE_WRITE
    | IN_MOVED_FROM
    | IN_MOVED_TO
    | IN_CREATE
    | IN_DELETE
    | IN_DELETE_SELF
    | IN_MOVE_SELF
)
_HEADER = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the kernel."""

    watch: int
    mask: int
    name: str


def parse(chunk: bytes) -> Iterator[Event]:
    """The events of one read."""
    at = 0
    while at + _HEADER.size <= len(chunk):
        watch, mask, _, length = _HEADER.unpack_from(chunk, at)
        at += _HEADER.size
        name = os.fsdecode(chunk[at : at + length].rstrip(b"\0"))
        at += length
        yield Event(watch=watch, mask=mask, name=name)


def matters(event: Event) -> bool:
    """Whether the event may change what the modules are."""
    if event.mask & IN_IGNORED:
        return False
    if event.mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF):
        return True
    if event.name.startswith(".") or event.name == "__pycache__":
        return False
    return bool(event.mask & IN_ISDIR) or event.name.endswith(".py")


class Settling:
    """When a run of changes is over. Times are CLOCK_MONOTONIC seconds."""

    def __init__(self) -> None:
        self._last_at: float | None = None
        #: Files that were written to and not closed since, and when that was last.
        self._written: dict[tuple[int, str], float] = {}

    def take(self, event: Event, now: float) -> None:
        """Takes an event that matters."""
        self._last_at = now
        key = (event.watch, event.name)
        if event.mask & IN_MODIFY:
            self._written[key] = now
        elif event.mask & (IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO):
            self._written.pop(key, None)

    def touch(self, now: float) -> None:
        """Something changed; nobody knows what."""
        self._last_at = now

    def due_at(self) -> float | None:
        """When it will have settled if nothing more comes; None: nothing changed."""
        if self._last_at is None:
            return None
        writing = max((at + LONGEST_WRITE_S for at in self._written.values()), default=0.0)
        return max(self._last_at + SETTLE_S, writing)

    def forget(self) -> None:
        """What changed was looked at."""
        self._last_at = None
        self._written = {}


class DirectoryWatch:
    """Watches some directories and all below them."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = tuple(roots)
        self.settling = Settling()
        self._fd = -1
        self._beside: dict[int, set[str]] = {}

    def open(self) -> int:
        """Begins; the descriptor to select on, or -1 where the kernel has none to give (it is logged)."""
        self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            _complain("changes of modules are seen at a reload only")
            return -1
        self._watch_all()
        return int(self._fd)

    def close(self) -> None:
        """Ends."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def read(self, now: float) -> None:
        """Takes what the kernel has to tell."""
        try:
            chunk = os.read(self._fd, 65_536)
        except BlockingIOError:
            return
        again = False
        for event in parse(chunk):
            if event.watch in self._beside and event.name not in self._beside[event.watch]:
                continue
            if matters(event) or event.watch in self._beside:
                self.settling.take(event, now)
                again = again or bool(event.mask & (IN_ISDIR | IN_MOVE_SELF | IN_DELETE_SELF | IN_Q_OVERFLOW))
                again = again or event.watch in self._beside
        if again:
            self._watch_all()

    def _watch_all(self) -> None:
        """Adds what is not watched yet; adding a directory twice changes nothing (inotify_add_watch(2))."""
        beside: dict[int, set[str]] = {}
        inside: set[int] = set()
        for root in self._roots:
            for folder in _folders(root) if root.is_dir() else ():
                inside.add(self._add(folder))
            parent, name = _nearest(root)
            beside.setdefault(self._add(parent), set()).add(name)
        # A directory that is a parent of one root and inside another tells everything.
        self._beside = {watch: names for watch, names in beside.items() if watch not in inside}

    def _add(self, folder: Path) -> int:
        watch: int = _libc.inotify_add_watch(self._fd, os.fsencode(folder), _WATCHED | IN_ONLYDIR)
        if watch < 0 and ctypes.get_errno() not in (2, 20):
            _complain(f"changes in {folder} are seen at a reload only")
        return watch


def _folders(root: Path) -> Iterator[Path]:
    depth = len(root.parts)
    for folder, folders, _ in os.walk(root):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        if len(Path(folder).parts) - depth < _DEPTH:
            yield Path(folder)


def _nearest(root: Path) -> tuple[Path, str]:
    """The nearest directory above the root that is there, and the name to wait for in it."""
    path = root
    while not path.parent.is_dir() and path.parent != path:
        path = path.parent
    return path.parent, path.name


def _complain(what: str) -> None:
    number = ctypes.get_errno()
    logger.warning("%s: inotify: %s", what, os.strerror(number), extra={"action": "watch"})

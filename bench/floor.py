"""What the same traffic costs with SQLite commits and unix-socket round trips alone.

Nothing here is a workflow engine: no HTTP, no JSON, no rules, no history that could be read, no user
code. But what must be on disk is on disk, and who must be asked is asked, in the same processes as flowyd's:

- a server with one SQLite file (WAL, synchronous=FULL) takes all frames at hand, inserts one row of
  250 bytes for each event that SWF would record, commits once, and only then answers;
- deciders and workers, blocking: ask for a task, answer it, wait until the answer is taken, ask again;
- a driver that starts executions and is told when they are closed.

So a step of a chain is two commits and four round trips. What flowyd adds to this is the price of being SWF.
`python -m bench.floor ROLE SOCKET` runs one of the processes.
"""

from __future__ import annotations

import selectors
import socket
import sqlite3
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: kind, execution, three numbers of the kind, length of the payload that follows.
_FRAME = struct.Struct("!B5I")
_START, _POLL_DECISION, _POLL_ACTIVITY, _DECIDED, _DONE, _WAIT, _TASK, _TAKEN = range(8)
#: Sum of the activities of an execution and how many may be open at once, by shape.
CHAIN, FAN, THREE = range(3)
_ROW = "e" * 250
_READ_BYTES = 1 << 18
_SCHEMA = (
    "CREATE TABLE event (execution INTEGER, id INTEGER, body TEXT, PRIMARY KEY (execution, id)) WITHOUT ROWID"
)


@dataclass(slots=True)
class _Execution:
    shape: int
    size: int
    asked: int = 0
    done: int = 0
    events: int = 0
    #: Whether a decision is scheduled or under way, and whether something came after it began.
    deciding: bool = False
    news: bool = False
    closed: bool = False


@dataclass(slots=True, eq=False)
class _Peer:
    connection: socket.socket
    received: bytes = b""
    out: bytes = b""

    def frames(self) -> Iterator[tuple[int, int, int, int, int, bytes]]:
        """Whole frames received; takes them off."""
        while len(self.received) >= _FRAME.size:
            *head, length = _FRAME.unpack_from(self.received)
            end = _FRAME.size + length
            if len(self.received) < end:
                return
            payload = self.received[_FRAME.size : end]
            self.received = self.received[end:]
            yield (*head, payload)  # type: ignore[misc]  # five numbers, as _FRAME says


def frame(kind: int, execution: int = 0, a: int = 0, b: int = 0, c: int = 0, payload: bytes = b"") -> bytes:
    """One message."""
    return _FRAME.pack(kind, execution, a, b, c, len(payload)) + payload


class Server:
    """The commits, and who waits for what."""

    def __init__(self, folder: Path) -> None:
        self._store = sqlite3.connect(folder / "floor.db", isolation_level=None)
        self._store.execute("PRAGMA journal_mode=WAL")
        self._store.execute("PRAGMA synchronous=FULL")
        self._store.execute(_SCHEMA)
        self._rows: list[tuple[int, int, str]] = []
        self._executions: dict[int, _Execution] = {}
        self._tasks: dict[int, deque[tuple[int, bytes]]] = {_POLL_DECISION: deque(), _POLL_ACTIVITY: deque()}
        self._polls: dict[int, deque[_Peer]] = {_POLL_DECISION: deque(), _POLL_ACTIVITY: deque()}
        self._closed = 0
        self._waiting: list[tuple[int, _Peer]] = []

    def serve(self, path: str) -> None:
        """Until killed."""
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen(64)
        selector = selectors.DefaultSelector()
        selector.register(listening, selectors.EVENT_READ)
        while True:
            touched: list[_Peer] = []
            for key, _ in selector.select():
                if key.data is None:
                    connection, _ = listening.accept()
                    selector.register(connection, selectors.EVENT_READ, _Peer(connection))
                    continue
                peer: _Peer = key.data
                chunk = peer.connection.recv(_READ_BYTES)
                if not chunk:
                    selector.unregister(peer.connection)
                peer.received += chunk
                touched.append(peer)
            self._turn(touched)

    def _turn(self, peers: list[_Peer]) -> None:
        answered = set(peers)
        for peer in peers:
            for message in peer.frames():
                self._take(peer, *message)
        for kind in (_POLL_DECISION, _POLL_ACTIVITY):
            answered |= self._hand_out(kind)
        if self._rows:
            self._store.execute("BEGIN IMMEDIATE")
            self._store.executemany("INSERT INTO event VALUES (?, ?, ?)", self._rows)
            self._store.execute("COMMIT")
            self._rows.clear()
        for count, peer in [w for w in self._waiting if w[0] <= self._closed]:
            self._waiting.remove((count, peer))
            peer.out += frame(_TAKEN)
            answered.add(peer)
        for peer in answered:
            if peer.out:
                peer.connection.sendall(peer.out)
                peer.out = b""

    def _take(self, peer: _Peer, kind: int, number: int, a: int, b: int, _c: int, payload: bytes) -> None:
        if kind in self._polls:
            self._polls[kind].append(peer)
            return
        if kind == _WAIT:
            self._waiting.append((number, peer))
            return
        if kind == _START:
            number = len(self._executions) + 1
            self._executions[number] = _Execution(shape=a, size=b)
        execution = self._executions[number]
        self._record(number, execution)
        if kind == _DECIDED:
            execution.deciding = False
            for _ in range(a):
                self._record(number, execution)
                self._tasks[_POLL_ACTIVITY].append((number, payload))
            execution.asked += a
            if b:
                self._record(number, execution)
                self._closed += 1
                execution.closed = True
        elif kind == _DONE:
            execution.done += 1
        if not execution.closed and (kind != _DECIDED or execution.news):
            self._want_decision(number, execution, payload)
        peer.out += frame(_TAKEN)

    def _want_decision(self, number: int, execution: _Execution, payload: bytes) -> None:
        execution.news = execution.deciding
        if not execution.deciding:
            execution.deciding = True
            self._record(number, execution)
            self._tasks[_POLL_DECISION].append((number, payload))

    def _hand_out(self, kind: int) -> set[_Peer]:
        served = set()
        tasks, polls = self._tasks[kind], self._polls[kind]
        while tasks and polls:
            (number, payload), peer = tasks.popleft(), polls.popleft()
            execution = self._executions[number]
            execution.news = execution.news and kind != _POLL_DECISION
            self._record(number, execution)
            left = execution.asked - execution.done
            peer.out += frame(_TASK, number, execution.shape, execution.size - execution.asked, left, payload)
            served.add(peer)
        return served

    def _record(self, number: int, execution: _Execution) -> None:
        execution.events += 1
        self._rows.append((number, execution.events, _ROW))


class Connection:
    """A blocking client of the server."""

    def __init__(self, path: str) -> None:
        self._peer = _Peer(socket.socket(socket.AF_UNIX))
        deadline = time.monotonic() + 10
        while True:
            try:
                self._peer.connection.connect(path)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.002)

    def ask(self, message: bytes) -> tuple[int, int, int, int, int, bytes]:
        """The answer to one message; waits for it."""
        self._peer.connection.sendall(message)
        while True:
            for answer in self._peer.frames():
                return answer
            chunk = self._peer.connection.recv(_READ_BYTES)
            if not chunk:
                raise SystemExit(0)
            self._peer.received += chunk


def decide(path: str) -> None:
    """Asks for one more activity in a chain, for all at once in a fan, closes when all are done."""
    connection = Connection(path)
    while True:
        _, number, shape, missing, left, payload = connection.ask(frame(_POLL_DECISION))
        if shape == CHAIN or (shape == THREE and missing == 1):
            more = min(1, missing) if left == 0 else 0
        else:
            more = {FAN: missing, THREE: missing - 1}[shape] if missing else 0
        closes = not missing and not left
        connection.ask(frame(_DECIDED, number, more, closes, payload=payload))


def work(path: str) -> None:
    """Gives every activity's payload back."""
    connection = Connection(path)
    while True:
        _, number, *_, payload = connection.ask(frame(_POLL_ACTIVITY))
        connection.ask(frame(_DONE, number, payload=payload))


class Caller:
    """Starts executions and waits for their ends."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection = Connection(path)
        self._started = 0

    def start(self, shape: int, size: int, payload: bytes) -> None:
        """One execution, until it is on disk."""
        self._connection.ask(frame(_START, 0, shape, size, 0, payload))

    def wait(self, count: int) -> None:
        """Waits until so many more are closed."""
        self._started += count
        self._connection.ask(frame(_WAIT, self._started))


def main() -> None:
    """Runs the process named on the command line."""
    role, path = sys.argv[1:]
    if role == "server":
        Server(Path(path).parent).serve(path)
    elif role == "decider":
        decide(path)
    elif role == "worker":
        work(path)
    else:
        from bench.drivers import floor_caller

        floor_caller.main(Caller(path))


if __name__ == "__main__":
    main()

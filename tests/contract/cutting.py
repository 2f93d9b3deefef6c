"""A proxy before an engine that loses the connection in the middle of a message, at a moment of choice."""

from __future__ import annotations

import os
import re
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_CHUNK_BYTES = 1 << 20
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


class CuttingProxy:
    """Passes on what comes, but for one message of several requests.

    Of that it passes on some requests, waits for their answers, passes on some of these, and breaks the
    connection.
    """

    def __init__(
        self, path: Path, engine: Path, *, at: int, requests: int, answers: int, cut: Callable[[], object]
    ) -> None:
        """See the class.

        Args:
            path, engine: sockets: its own and the engine's.
            at: how many requests the message has.
            requests, answers: how many of it are passed on.
            cut: called before the connection breaks.
        """
        assert answers <= requests <= at
        self.endpoint = f"unix://{path}"
        #: Whether there was such a message.
        self.has_cut = False
        self._engine = engine
        self._at, self._requests, self._answers, self._cut = at, requests, answers, cut
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        #: Both ends of each connection, by each of them.
        self._other: dict[socket.socket, socket.socket] = {}
        self._callers: set[socket.socket] = set()
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._pass_on)

    def __enter__(self) -> CuttingProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._end, b"x")
        self._thread.join()
        for opened in (self._listening, *self._other):
            opened.close()
        os.close(self._ended)
        os.close(self._end)

    def _pass_on(self) -> None:
        while True:
            readable, _, _ = select.select([*self._other, self._listening, self._ended], [], [])
            if self._ended in readable:
                return
            for each in readable:
                if each is self._listening:
                    self._connect(each.accept()[0])
                elif each in self._other:
                    self._read(each)

    def _connect(self, caller: socket.socket) -> None:
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(str(self._engine))
        self._other[caller], self._other[engine] = engine, caller
        self._callers.add(caller)

    def _read(self, readable: socket.socket) -> None:
        other = self._other[readable]
        try:
            data = readable.recv(_CHUNK_BYTES)
            if not data and readable in self._callers:
                other.shutdown(socket.SHUT_WR)
                self._callers.discard(readable)
                del self._other[readable]
                return
            if data and readable in self._callers and not self.has_cut:
                requests = _messages(data)
                if len(requests) == self._at:
                    self._pass_on_some(readable, other, requests)
                    data = b""
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for each in (readable, other):
            self._other.pop(each, None)
            self._callers.discard(each)
            each.close()

    def _pass_on_some(self, caller: socket.socket, engine: socket.socket, requests: list[bytes]) -> None:
        self.has_cut = True
        answers: list[bytes] = []
        unread = b""
        if self._requests:
            engine.sendall(b"".join(requests[: self._requests]))
        while len(answers) < self._requests:
            chunk = engine.recv(_CHUNK_BYTES)
            assert chunk, "the engine broke off"
            unread += chunk
            answers = _messages(unread)
        caller.sendall(b"".join(answers[: self._answers]))
        self._cut()


def _messages(data: bytes) -> list[bytes]:
    """The whole messages at the start of the data."""
    found = []
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = len(head) + 4 + (int(length[1]) if length else 0)
        if len(head) + 4 + len(rest) < size:
            break
        found.append(data[:size])
        data = data[size:]
    return found

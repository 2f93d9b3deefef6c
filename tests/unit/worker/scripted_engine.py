"""A peer that speaks as much HTTP as an engine does, and answers as its script says."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

CARRIED_OUT = b"HTTP/1.1 102 Processing\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request that came."""

    action: str
    headers: dict[str, str]
    members: dict[str, Any]
    #: Of the connections, counted from 1, that by which it came.
    connection: int

    @property
    def poll_id(self) -> str:
        return self.headers.get("x-flowyd-poll", "")

    @property
    def next_poll(self) -> str:
        """The action of the poll that came with it; empty: none."""
        named = self.headers.get("x-flowyd-next-poll")
        return json.loads(named)["action"] if named else ""


#: What is sent for a request; None: the connection is closed.
Step = Callable[[], bytes | None]


def answer(members: dict[str, Any] | None = None, *, before: bytes = b"", status: str = "200 OK") -> Step:
    """An answer; without members that of an operation without result."""
    body = json.dumps(members).encode() if members is not None else b""
    message = b"%bHTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (before, status.encode(), len(body), body)
    return lambda: message


def fault(name: str) -> Step:
    """A fault."""
    return answer(
        {"__type": f"com.amazonaws.swf.base.model#{name}", "message": "no"}, status="400 Bad Request"
    )


def several(*steps: Step) -> Step:
    """The answers to earlier requests, held back until now, and to this one."""
    return lambda: b"".join([step() or b"" for step in steps])


def told() -> bytes:
    """Only that the call was carried out; the poll waits until it is withdrawn."""
    return CARRIED_OUT


def waits() -> bytes:
    """Nothing yet."""
    return b""


def hang_up() -> None:
    """The connection breaks."""


class ScriptedEngine:
    """Listens while its context is open; requests are answered by the steps, in the order they were sent."""

    def __init__(self, path: Path, *steps: Step) -> None:
        self.endpoint = f"unix://{path}"
        self.sent: list[Sent] = []
        self._steps = list(steps)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        #: What came on each connection and is no whole request, and the connections' numbers.
        self._unread: dict[socket.socket, bytes] = {}
        self._numbers: dict[socket.socket, int] = {}
        self._came = threading.Condition()
        self._answered = 0
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._serve)

    def play(self, *steps: Step) -> None:
        """Adds to the script."""
        self._steps += steps

    def wait_for(self, requests: int) -> None:
        """Waits until so many have come; what is sent by another connection then comes after them."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.sent) >= requests, timeout=60)

    def wait_until_answered(self, requests: int) -> None:
        """Waits until what the script says to so many has been sent."""
        with self._came:
            assert self._came.wait_for(lambda: self._answered >= requests, timeout=60)

    @property
    def actions(self) -> list[str]:
        """What came, in order; with `+` what came in the same message."""
        return [f"{each.action}+{each.next_poll}" if each.next_poll else each.action for each in self.sent]

    def __enter__(self) -> ScriptedEngine:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._end, b"x")
        self._thread.join()
        for opened in (self._listening, *self._unread):
            opened.close()
        os.close(self._ended)
        os.close(self._end)
        if kind is None:
            assert not self._steps, "the script was not played to its end"

    def _serve(self) -> None:
        while True:
            # Whoever connects after something was sent elsewhere is heard after it.
            readable, _, _ = select.select([*self._unread, self._listening, self._ended], [], [])
            if self._ended in readable:
                return
            for connected in readable:
                if connected is self._listening:
                    accepted, _ = connected.accept()
                    self._unread[accepted] = b""
                    self._numbers[accepted] = len(self._numbers) + 1
                else:
                    self._read(connected)

    def _read(self, connected: socket.socket) -> None:
        data = connected.recv(65_536)
        unread = self._unread[connected] + data
        reply: bytes | None = b""
        while reply is not None:
            sent, unread = _request_of(unread, self._numbers[connected])
            self._unread[connected] = unread
            if sent is None:
                break
            with self._came:
                self.sent.append(sent)
                self._came.notify()
            reply = self._steps.pop(0)()
            if reply:
                connected.sendall(reply)
            with self._came:
                self._answered += 1
                self._came.notify()
        if not data or reply is None:
            del self._unread[connected]
            connected.close()


def _request_of(data: bytes, connection: int) -> tuple[Sent | None, bytes]:
    """The request that is whole, and what is left."""
    head, end, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    length = int(headers.get("content-length", "0"))
    if not end or len(body) < length:
        return None, data
    action = headers["x-amz-target"].partition(".")[2]
    members = json.loads(body[:length])
    return Sent(action=action, headers=headers, members=members, connection=connection), body[length:]

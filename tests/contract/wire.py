"""A real server over a small service, and raw connections to it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowyd.engine.calls import Answered, Call
from flowyd.engine.connection import Gate
from flowyd.engine.metrics import Metrics
from flowyd.engine.server import Server
from flowyd.swf.faults import SwfFault


@dataclass
class EchoService:
    """A service whose answers are the requests, and whose calls that may wait do until `hand_out`.

    A poll behind a call gets what is in `tasks`, in the same turn, or waits. What is answered while `holds`
    is set leaves when somebody waits for it.
    """

    waiting: list[Call] = field(default_factory=list)
    #: The number of calls of each turn that had any.
    turns: list[int] = field(default_factory=list)
    withdrawn: list[Call] = field(default_factory=list)
    offered_again: list[Call] = field(default_factory=list)
    #: What calls of an operation, and polls, are refused with.
    faults: dict[str, SwfFault] = field(default_factory=dict)
    tasks: list[bytes] = field(default_factory=list)
    holds: bool = False
    held: list[Answered] = field(default_factory=list)
    is_broken: bool = False
    commit_s: float | None = None
    trouble: str = ""
    more_waits: Callable[[], bool] = bool
    _answered: list[Answered] = field(default_factory=list)
    _wake_at: float | None = None

    def turn(self, calls: Sequence[Call]) -> list[Answered]:
        if self.is_broken and calls:
            raise RuntimeError("no disk")
        if calls:
            self.turns.append(len(calls))
        answered, self._answered, self._wake_at = self._answered, [], None
        for call in calls:
            answered += self._carry_out(call)
        if self.holds:
            self.held += answered
            return []
        return answered

    def _carry_out(self, call: Call) -> list[Answered]:
        if call.action in self.faults:
            return [Answered(call=call, result=self.faults[call.action])]
        if call.may_wait and self.tasks:
            return [Answered(call=call, result=self.tasks.pop(0))]
        if call.may_wait:
            self.waiting.append(call)
            return []
        own = Answered(call=call, result=json.dumps(call.request).encode())
        if call.next_poll is None:
            return [own]
        behind = self._carry_out(call.next_poll)
        # A task leaves first, a fault where its call is.
        return [own, *behind] if call.next_poll.action in self.faults else [*behind, own]

    def hand_out(self, result: bytes) -> None:
        """Answers the call that has waited longest, in the next turn."""
        self._answered.append(Answered(call=self.waiting.pop(0), result=result))
        self._wake_at = time.monotonic()

    def next_wake_at(self) -> float | None:
        return self._wake_at

    def withdraw(self, call: Call) -> bool:
        self.withdrawn.append(call)
        if call not in self.waiting:
            return False
        self.waiting.remove(call)
        return True

    def fileno(self) -> int | None:
        return None

    def durable(self, *, wait: bool = False) -> list[Answered]:
        del wait
        held, self.held = self.held, []
        return held

    def offer_again(self, call: Call) -> None:
        self.offered_again.append(call)


@dataclass
class Wire:
    """A served unix socket."""

    path: Path
    service: EchoService
    server: Server

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(str(self.path))

    async def until(self, condition: Any) -> None:
        """Waits until the condition holds, ten seconds at most."""
        async with asyncio.timeout(10) if hasattr(asyncio, "timeout") else _no_timeout():
            while not condition():
                await asyncio.sleep(0.001)


@asynccontextmanager
async def _no_timeout() -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def served(
    folder: Path, *, gate: Gate | None = None, most_connections: int = 100
) -> AsyncIterator[Wire]:
    """A server on a unix socket in the folder."""
    path = folder / "engine.sock"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen()
    service = EchoService()
    server = Server(service, now=time.monotonic, metrics=Metrics(), most_connections=most_connections)
    await server.listen(listening, gate)
    try:
        yield Wire(path=path, service=service, server=server)
    finally:
        await server.stop()


def message(
    action: str, members: object = None, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> bytes:
    """The bytes of a request."""
    sent = json.dumps(members if members is not None else {}).encode() if body is None else body
    lines = {
        "Host": "localhost",
        "X-Amz-Target": f"SimpleWorkflowService.{action}",
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Length": str(len(sent)),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + sent


@dataclass
class Response:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def fault(self) -> str:
        """The bare name of the fault."""
        return str(json.loads(self.body)["__type"]).rpartition("#")[2]


async def read_response(reader: asyncio.StreamReader) -> Response:
    """The next answer on a connection."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    lowered = {name.lower(): value for name, value in headers.items()}
    body = await asyncio.wait_for(reader.readexactly(int(lowered.get("content-length", "0"))), 10)
    return Response(status=int(first.split()[1]), headers=lowered, body=body)

"""Streams over pairs of sockets, called out of the rounds or by the loop: what their protocols are told."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from flowyd.engine.rounds import RoundSelector
from flowyd.engine.stream import DirectReaders, Listener, Stream

MUCH = b"x" * 4_000_000


class Told(asyncio.Protocol):
    """Notes what it is told; a half stays open where `keeps_open`."""

    def __init__(self, *, keeps_open: bool = False) -> None:
        self.transport: asyncio.Transport
        self.keeps_open = keeps_open
        self.told: list[str] = []
        self.received = b""
        self.error: Exception | None = None
        self.on_data: Callable[[], None] = lambda: None
        self.on_room: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.on_data()

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keeps_open

    def pause_writing(self) -> None:
        self.told.append("full")

    def resume_writing(self) -> None:
        self.told.append("room")
        self.on_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.told.append("lost")


Scenario = Callable[[Told, socket.socket], Coroutine[Any, Any, None]]


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0)


def on_a_stream(scenario: Scenario) -> Callable[[bool], None]:
    """Runs the test with a stream's protocol and the other end, in either kind of loop."""

    async def run(rounds: DirectReaders | None) -> None:
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        told = Told()
        with far:
            Stream(near, told, rounds).open()
            await asyncio.wait_for(scenario(told, far), 20)
            told.transport.abort()
            await until(lambda: told.told[-1] == "lost")
        assert told.told.count("lost") == 1
        assert near.fileno() < 0

    @wraps(scenario)
    def test(is_direct: bool) -> None:
        selector = RoundSelector()
        loop = asyncio.SelectorEventLoop(selector)
        selector.begin(loop)
        try:
            loop.run_until_complete(run(selector if is_direct else None))
        finally:
            loop.close()

    del test.__wrapped__  # type: ignore[attr-defined]  # pytest would ask for the scenario's arguments
    return pytest.mark.parametrize("is_direct", [True, False])(test)


@on_a_stream
async def test_what_comes_is_given_to_the_protocol_and_what_it_writes_leaves(
    told: Told, far: socket.socket
) -> None:
    far.send(b"question")
    await until(lambda: told.received == b"question")
    told.transport.write(b"answer")

    assert far.recv(100) == b"answer"


@on_a_stream
async def test_what_is_not_read_at_once_leaves_whole_and_in_order(told: Told, far: socket.socket) -> None:
    told.transport.write(MUCH)
    told.transport.write(b"end")
    assert told.transport.get_write_buffer_size() > 65_536

    read = await _read_all(far, len(MUCH) + 3)

    assert read == MUCH + b"end"
    assert told.told == ["made", "full", "room"]
    assert told.transport.get_write_buffer_size() == 0


@on_a_stream
async def test_what_comes_while_something_is_unsent_is_read(told: Told, far: socket.socket) -> None:
    told.transport.write(MUCH)
    far.send(b"more")
    await until(lambda: told.received == b"more")

    assert told.transport.get_write_buffer_size() > 0


@on_a_stream
async def test_a_close_waits_for_what_is_unsent(told: Told, far: socket.socket) -> None:
    told.transport.write(MUCH)
    told.transport.close()

    assert await _read_all(far, len(MUCH)) == MUCH
    await until(lambda: told.told[-1] == "lost")
    assert far.recv(1) == b""


@on_a_stream
async def test_a_close_when_there_is_room_again_tells_the_end_once(told: Told, far: socket.socket) -> None:
    told.on_room = lambda: told.transport.close()
    told.transport.write(MUCH)

    assert await _read_all(far, len(MUCH)) == MUCH
    await until(lambda: told.told[-1] == "lost")


@on_a_stream
async def test_nothing_is_read_while_reading_is_paused(told: Told, far: socket.socket) -> None:
    told.transport.pause_reading()
    far.send(b"later")
    for _ in range(10):
        await asyncio.sleep(0)
    assert told.received == b""

    told.transport.resume_reading()
    await until(lambda: told.received == b"later")


@on_a_stream
async def test_the_half_that_the_protocol_keeps_open_can_be_written(told: Told, far: socket.socket) -> None:
    told.keeps_open = True
    far.shutdown(socket.SHUT_WR)
    await until(lambda: told.told[-1] == "eof")
    told.transport.write(b"answer")

    assert far.recv(100) == b"answer"
    assert told.told == ["made", "eof"]


@on_a_stream
async def test_an_end_of_the_stream_closes_it_otherwise(told: Told, far: socket.socket) -> None:
    far.close()
    await until(lambda: told.told[-1] == "lost")

    assert (told.told, told.error) == (["made", "eof", "lost"], None)


@on_a_stream
async def test_a_failed_write_ends_it_with_the_error(told: Told, far: socket.socket) -> None:
    told.keeps_open = True
    far.close()
    told.transport.write(b"nobody reads this")
    told.transport.write(b"nor this")
    await until(lambda: told.told[-1] == "lost")

    assert isinstance(told.error, BrokenPipeError)


@on_a_stream
async def test_a_protocol_that_fails_loses_its_connection_and_no_more(told: Told, far: socket.socket) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    told.on_data = fail
    far.send(b"x")
    await until(lambda: told.told[-1] == "lost")

    assert isinstance(told.error, RuntimeError)


def test_who_cannot_be_let_in_for_want_of_descriptors_is_let_in_later(tmp_path: Path) -> None:
    async def scenario() -> None:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        made: list[Told] = []

        def make() -> Told:
            made.append(Told())
            return made[-1]

        listener = Listener(listening, make, rounds=None, most_at_once=8)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket(socket.AF_UNIX) as caller:
            resource.setrlimit(resource.RLIMIT_NOFILE, (caller.fileno() + 1, hard))
            try:
                caller.connect(str(tmp_path / "socket"))
                listener.open()
                await until(lambda: listener._resting is not None)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert not made
            await asyncio.wait_for(until(lambda: made and made[0].told == ["made"]), 10)
            made[0].transport.abort()
            await until(lambda: made[0].told[-1] == "lost")
        listener.close()
        listener.close()

    asyncio.run(scenario())


async def _read_all(far: socket.socket, size: int) -> bytes:
    read = bytearray()
    while len(read) < size:
        try:
            read += far.recv(1_000_000)
        except BlockingIOError:
            await asyncio.sleep(0)
    return bytes(read)

"""Telling callers that their calls were carried out: when, whom, and with how many timers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from flowyd.engine.acknowledging import Acknowledging


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts the timers it was asked for."""

    timers = 0

    def call_later(self, *arguments: Any, **named: Any) -> asyncio.TimerHandle:
        self.timers += 1
        return super().call_later(*arguments, **named)


@dataclass(eq=False)
class Connection:
    peer: str
    has_unread_task: bool = False
    told: int = 0

    def acknowledge(self) -> None:
        self.told += 1


@pytest.fixture
def loop() -> Iterator[CountingLoop]:
    with closing(CountingLoop()) as loop:
        yield loop


def until_told(loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
    async def told() -> None:
        while not connection.told:
            await asyncio.sleep(0)

    loop.run_until_complete(told())


def acknowledging_to(loop: asyncio.AbstractEventLoop, *connections: Connection) -> Acknowledging:
    acknowledging = Acknowledging(loop)
    for connection in connections:
        acknowledging.enter(connection)
    return acknowledging


def test_who_gets_no_task_is_told_in_a_moment(loop: CountingLoop) -> None:
    connection = Connection("pid 1")
    acknowledging = acknowledging_to(loop, connection)
    acknowledging.soon(connection)

    until_told(loop, connection)

    assert connection.told == 1


def test_a_task_tells_all_connections_of_its_peer_and_no_other(loop: CountingLoop) -> None:
    first, second, other = Connection("pid 1"), Connection("pid 1"), Connection("pid 2")
    acknowledging = acknowledging_to(loop, first, second, other)
    for connection in (first, second, other):
        acknowledging.soon(connection)

    acknowledging.now(["pid 1"])

    assert (first.told, second.told, other.told) == (1, 1, 0)


def test_who_is_gone_is_not_told(loop: CountingLoop) -> None:
    gone, there = Connection("pid 1"), Connection("pid 1")
    acknowledging = acknowledging_to(loop, gone, there)
    acknowledging.soon(gone)
    acknowledging.soon(there)
    acknowledging.leave(gone)

    until_told(loop, there)

    assert gone.told == 0


def test_a_chain_of_answers_that_tasks_follow_takes_one_timer(loop: CountingLoop) -> None:
    connection = Connection("pid 1")
    acknowledging = acknowledging_to(loop, connection)

    for _ in range(100):
        acknowledging.soon(connection)
        acknowledging.now(["pid 1"])

    assert loop.timers == 1


def test_there_is_a_timer_again_after_the_last_one(loop: CountingLoop) -> None:
    first, second = Connection("pid 1"), Connection("pid 2")
    acknowledging = acknowledging_to(loop, first, second)
    acknowledging.soon(first)
    until_told(loop, first)

    acknowledging.soon(second)
    until_told(loop, second)

    assert second.told == 1


def test_who_has_a_task_unread_on_another_connection_is_told_at_once(loop: CountingLoop) -> None:
    owing, unread, stranger = Connection("pid 1"), Connection("pid 1", True), Connection("pid 2")
    acknowledging = acknowledging_to(loop, owing, unread, stranger)

    acknowledging.soon(owing)
    acknowledging.soon(stranger)

    assert (owing.told, stranger.told) == (1, 0)


def test_a_task_unread_on_a_connection_that_is_gone_is_nothing(loop: CountingLoop) -> None:
    owing, gone = Connection("pid 1"), Connection("pid 1", True)
    acknowledging = acknowledging_to(loop, owing, gone)
    acknowledging.leave(gone)

    acknowledging.soon(owing)

    assert owing.told == 0

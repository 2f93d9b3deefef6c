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


def test_who_gets_no_task_is_told_in_a_moment(loop: CountingLoop) -> None:
    acknowledging, connection = Acknowledging(loop), Connection("pid 1")
    acknowledging.soon(connection)

    until_told(loop, connection)

    assert connection.told == 1


def test_a_task_tells_all_connections_of_its_peer_and_no_other(loop: CountingLoop) -> None:
    acknowledging = Acknowledging(loop)
    first, second, other = Connection("pid 1"), Connection("pid 1"), Connection("pid 2")
    for connection in (first, second, other):
        acknowledging.soon(connection)

    acknowledging.now(["pid 1"])

    assert (first.told, second.told, other.told) == (1, 1, 0)


def test_who_is_gone_is_not_told(loop: CountingLoop) -> None:
    acknowledging, gone, there = Acknowledging(loop), Connection("pid 1"), Connection("pid 1")
    acknowledging.soon(gone)
    acknowledging.soon(there)
    acknowledging.forget(gone)

    until_told(loop, there)

    assert gone.told == 0


def test_a_chain_of_answers_that_tasks_follow_takes_one_timer(loop: CountingLoop) -> None:
    acknowledging, connection = Acknowledging(loop), Connection("pid 1")

    for _ in range(100):
        acknowledging.soon(connection)
        acknowledging.now(["pid 1"])

    assert loop.timers == 1


def test_there_is_a_timer_again_after_the_last_one(loop: CountingLoop) -> None:
    acknowledging, first, second = Acknowledging(loop), Connection("pid 1"), Connection("pid 2")
    acknowledging.soon(first)
    until_told(loop, first)

    acknowledging.soon(second)
    until_told(loop, second)

    assert second.told == 1

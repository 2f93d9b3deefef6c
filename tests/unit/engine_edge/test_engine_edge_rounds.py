"""The end of a round of the loop: after all that was ready, without another look."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from flowyd.engine.rounds import RoundSelector


class CountingSelector(RoundSelector):
    looks = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.looks += 1
        return super().select(timeout)


@contextmanager
def rounds() -> Iterator[tuple[CountingSelector, asyncio.AbstractEventLoop]]:
    selector = CountingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    selector.begin(loop)
    try:
        yield selector, loop
    finally:
        loop.close()


def test_what_is_last_comes_after_all_that_was_ready_and_before_the_next_look() -> None:
    seen: list[object] = []
    pairs = [socket.socketpair() for _ in range(3)]

    with rounds() as (selector, loop):

        def last() -> None:
            seen.append(("last", selector.looks))
            loop.stop()

        def read(number: int) -> None:
            pairs[number][0].recv(1)
            seen.append((number, selector.looks))
            if number == 0:
                selector.call_last(last)

        for number, (near, far) in enumerate(pairs):
            loop.add_reader(near, read, number)
            far.send(b"x")
        loop.run_forever()

    for near, far in pairs:
        near.close()
        far.close()
    assert sorted(seen[:3], key=str) == [(0, 1), (1, 1), (2, 1)]
    assert seen[3:] == [("last", 1)]


def test_outside_a_round_it_comes_soon() -> None:
    seen: list[str] = []

    with rounds() as (selector, loop):
        loop.call_soon(lambda: selector.call_last(lambda: (seen.append("last"), loop.stop())))
        loop.run_forever()

    assert seen == ["last"]


def test_what_is_read_directly_comes_first_and_the_last_after_all() -> None:
    seen: list[object] = []
    pairs = [socket.socketpair() for _ in range(3)]

    with rounds() as (selector, loop):

        def last() -> None:
            seen.append(("last", selector.looks))
            loop.stop()

        def read(number: int) -> None:
            pairs[number][0].recv(1)
            seen.append((number, selector.looks))
            selector.call_last(last)

        for number, (near, far) in enumerate(pairs):
            loop.add_reader(near, read, number)
            far.send(b"x")
        selector.read_directly(pairs[2][0].fileno(), lambda: read(2))
        loop.run_forever()

    for near, far in pairs:
        near.close()
        far.close()
    assert seen[0] == (2, 1)
    assert sorted(seen[1:3], key=str) == [(0, 1), (1, 1)]
    assert seen[3:] == [("last", 1)] * 3


def test_a_fault_at_the_end_of_a_round_is_told_to_the_loop_and_harms_nothing_else() -> None:
    seen: list[object] = []
    near, far = socket.socketpair()

    with rounds() as (selector, loop):

        def fail() -> None:
            raise RuntimeError("a bug")

        def read() -> None:
            near.recv(1)
            selector.call_last(fail)
            selector.call_last(loop.stop)

        loop.set_exception_handler(lambda _, context: seen.append(str(context["exception"])))
        loop.add_reader(near, read)
        selector.read_directly(near.fileno(), read)
        far.send(b"x")
        loop.run_forever()

    near.close()
    far.close()
    assert seen == ["a bug"]

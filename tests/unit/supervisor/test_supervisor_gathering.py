"""Reports are read a few at a time: after each reading the select loop looks away for a moment."""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterator

import pytest

from flowyd.supervisor.gathering import Gathered


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe2(os.O_NONBLOCK)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def serve(selector: selectors.BaseSelector) -> None:
    for key, events in selector.select(0):
        key.data(events)


def after_a_reading(pipe: tuple[int, int]) -> tuple[selectors.BaseSelector, Gathered, list[bytes]]:
    """The select loop right after it read b"a" from the pipe, and what it reads."""
    reader, writer = pipe
    read: list[bytes] = []
    selector = selectors.DefaultSelector()
    gathered = Gathered(selector)
    gathered.register(reader, lambda: read.append(os.read(reader, 100)))
    os.write(writer, b"a")
    serve(selector)
    return selector, gathered, read


def test_what_comes_after_a_reading_is_read_together_when_the_rest_is_over(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    selector, gathered, read = after_a_reading(pipe)
    os.write(writer, b"b")
    serve(selector)
    os.write(writer, b"c")
    serve(selector)
    assert read == [b"a"]

    over = gathered.next_at()
    assert over is not None
    gathered.look(over)
    serve(selector)

    assert read == [b"a", b"bc"]


def test_the_rest_is_not_over_before_its_time_and_then_the_first_event_is_heard_at_once(
    pipe: tuple[int, int],
) -> None:
    _, writer = pipe
    selector, gathered, read = after_a_reading(pipe)
    over = gathered.next_at()
    assert over is not None

    gathered.look(over - 0.001)
    os.write(writer, b"b")
    serve(selector)

    assert read == [b"a"]
    gathered.look(over)
    assert gathered.next_at() is None
    serve(selector)
    assert read == [b"a", b"b"]


def test_what_has_gathered_can_be_read_before_the_rest_is_over(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    _, gathered, read = after_a_reading(pipe)
    os.write(writer, b"b")

    gathered.read()

    assert read == [b"a", b"b"]


def test_a_descriptor_that_went_while_others_were_read_is_left_alone(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    other_reader, other_writer = os.pipe2(os.O_NONBLOCK)
    read: list[int] = []
    selector = selectors.DefaultSelector()
    gathered = Gathered(selector)

    def reads(fd: int, other: int) -> None:
        read.append(fd)
        gathered.unregister(other)

    gathered.register(reader, lambda: reads(reader, other_reader))
    gathered.register(other_reader, lambda: reads(other_reader, reader))
    os.write(writer, b"a")
    os.write(other_writer, b"a")

    serve(selector)

    assert len(read) == 1
    assert (reader in gathered) != (other_reader in gathered)
    os.close(other_reader)
    os.close(other_writer)

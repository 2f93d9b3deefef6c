"""A write in the background: what it tells of its end, and that its file has it."""

from __future__ import annotations

import errno
import mmap
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowyd.engine.async_write import AsyncWrite
from tests.unit.engine_service.aio_contexts import end_contexts
from tests.unit.engine_service.no_space import no_file_grows

BLOCK_BYTES = 4096


@contextmanager
def opened(path: Path, flags: int = os.O_RDWR) -> Iterator[tuple[AsyncWrite, int]]:
    """A write that was not begun, and a file for it."""
    path.touch()
    file, write = os.open(path, flags), AsyncWrite()
    try:
        yield write, file
    finally:
        write.close()
        os.close(file)


def blocks(content: bytes, count: int = 1) -> mmap.mmap:
    memory = mmap.mmap(-1, count * BLOCK_BYTES)
    memory[:] = content * len(memory)
    return memory


@pytest.mark.parametrize("flags", [os.O_RDWR, os.O_RDWR | os.O_DIRECT | os.O_DSYNC])
def test_what_was_waited_for_is_in_the_file(tmp_path: Path, flags: int) -> None:
    with opened(tmp_path / "f", flags) as (write, file):
        for number in range(3):
            write.begin(file, blocks(b"abc"[number : number + 1]), BLOCK_BYTES, number * BLOCK_BYTES)
            assert write.result(wait=True) == BLOCK_BYTES

    assert (tmp_path / "f").read_bytes() == b"".join(c * BLOCK_BYTES for c in (b"a", b"b", b"c"))


def test_the_end_makes_it_readable_and_is_told_once(tmp_path: Path) -> None:
    with opened(tmp_path / "f") as (write, file):
        assert not select.select([write], [], [], 0)[0]
        memory = blocks(b"x")
        write.begin(file, memory, BLOCK_BYTES, 0)
        assert select.select([write], [], [], 10)[0]

        assert write.result(wait=False) == BLOCK_BYTES

        assert not select.select([write], [], [], 0)[0]
        assert write.result(wait=False) is None


def test_each_of_many_ends_is_told_by_itself(tmp_path: Path) -> None:
    memory = blocks(b"x")
    with opened(tmp_path / "f", os.O_RDWR | os.O_DIRECT) as (write, file):
        for number in range(500):
            write.begin(file, memory, BLOCK_BYTES, number % 8 * BLOCK_BYTES)
            while write.result(wait=False) is None:
                pass
            assert not select.select([write], [], [], 0)[0]


def test_a_file_that_may_not_be_written_is_told_at_the_begin(tmp_path: Path) -> None:
    with opened(tmp_path / "f", os.O_RDONLY) as (write, file):
        with pytest.raises(OSError, match="Bad file descriptor"):
            write.begin(file, blocks(b"x"), BLOCK_BYTES, 0)

        assert write.result(wait=False) is None


def test_a_write_that_fails_is_told_at_its_end_and_the_next_one_succeeds(tmp_path: Path) -> None:
    memory = blocks(b"x")
    with opened(tmp_path / "f") as (write, file):
        with no_file_grows():
            write.begin(file, memory, BLOCK_BYTES, 0)
        with pytest.raises(OSError, match="File too large") as raised:
            write.result(wait=True)
        assert raised.value.errno == errno.EFBIG

        write.begin(file, memory, BLOCK_BYTES, 0)

        assert write.result(wait=True) == BLOCK_BYTES


def test_where_the_kernel_does_not_tell_of_the_end_nothing_is_under_way_any_more(tmp_path: Path) -> None:
    with opened(tmp_path / "f", os.O_RDWR | os.O_DIRECT) as (write, file):
        write.begin(file, blocks(b"x"), BLOCK_BYTES, 0)
        end_contexts()

        with pytest.raises(OSError, match="Invalid argument"):
            write.result(wait=True)

        assert write.is_lost
        assert not select.select([write], [], [], 0)[0]
        with pytest.raises(OSError, match="Invalid argument"):
            write.begin(file, blocks(b"x"), BLOCK_BYTES, 0)


def test_closing_waits_for_what_is_under_way(tmp_path: Path) -> None:
    count = 1_024
    memory = blocks(b"x", count)
    with opened(tmp_path / "f", os.O_RDWR | os.O_DIRECT) as (write, file):
        write.begin(file, memory, count * BLOCK_BYTES, 0)

    assert (tmp_path / "f").read_bytes() == b"x" * count * BLOCK_BYTES

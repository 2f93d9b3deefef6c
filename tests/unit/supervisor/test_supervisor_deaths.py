"""Deaths in words, and the kernel's count of those it killed for want of memory."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from flowyd.supervisor.deaths import MemoryWatch, describe_death
from flowyd.supervisor.plan import StopReason


def events(kills: int) -> str:
    return f"low 0\nhigh 12\nmax 34\noom 2\noom_kill {kills}\noom_group_kill 0\n"


def test_a_kill_for_want_of_memory_is_seen_once(tmp_path: Path) -> None:
    file = tmp_path / "memory.events"
    file.write_text(events(5))
    watch = MemoryWatch(file)
    assert not watch.killed_since_last_look()

    file.write_text(events(6))

    assert watch.killed_since_last_look()
    assert not watch.killed_since_last_look()


@pytest.mark.parametrize("content", ["", "oom 3\n"], ids=["empty", "no such counter"])
def test_a_file_without_the_counter_tells_of_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "memory.events"
    file.write_text(content)

    assert not MemoryWatch(file).killed_since_last_look()


def test_a_missing_file_tells_of_none(tmp_path: Path) -> None:
    assert not MemoryWatch(tmp_path / "missing").killed_since_last_look()
    assert not MemoryWatch(None).killed_since_last_look()


@pytest.mark.parametrize(
    ("status", "stop_reason", "killed", "oom", "text"),
    [
        (3 << 8, None, False, False, "exited with code 3"),
        (signal.SIGSEGV, None, False, False, "killed by SIGSEGV"),
        (signal.SIGSEGV, None, False, True, "killed by SIGSEGV"),
        (signal.SIGKILL, None, False, False, "killed by SIGKILL"),
        (signal.SIGKILL, None, False, True, "killed by SIGKILL: out of memory"),
        (signal.SIGKILL, StopReason.HUNG, True, True, "killed by SIGKILL: it was past its deadline"),
    ],
)
def test_a_death_in_words(
    status: int, stop_reason: StopReason | None, killed: bool, oom: bool, text: str
) -> None:
    assert describe_death(status, stop_reason=stop_reason, killed=killed, out_of_memory=oom) == text

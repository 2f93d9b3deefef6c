"""What the kernel tells of the module directories, and when a change has settled."""

from __future__ import annotations

import struct

import pytest

from flowyd.supervisor.watching import (
    IN_CLOSE_WRITE,
    IN_CREATE,
    IN_DELETE,
    IN_IGNORED,
    IN_ISDIR,
    IN_MODIFY,
    IN_MOVED_TO,
    IN_Q_OVERFLOW,
    LONGEST_WRITE_S,
    SETTLE_S,
    Event,
    Settling,
    matters,
    parse,
)

NOW = 1000.0


def event(name: str, mask: int) -> Event:
    return Event(watch=1, mask=mask, name=name)


def test_events_are_read_one_after_the_other() -> None:
    chunk = struct.pack("iIII16s", 1, IN_CREATE, 0, 16, b"tasks.py") + struct.pack("iIII", 2, IN_DELETE, 0, 0)

    assert list(parse(chunk)) == [
        Event(watch=1, mask=IN_CREATE, name="tasks.py"),
        Event(watch=2, mask=IN_DELETE, name=""),
    ]


@pytest.mark.parametrize(
    ("name", "mask", "expected"),
    [
        ("tasks.py", IN_CLOSE_WRITE, True),
        ("package", IN_MOVED_TO | IN_ISDIR, True),
        ("", IN_Q_OVERFLOW, True),
        (".tasks.py.swp", IN_CREATE, False),
        (".tasks.py", IN_CREATE, False),
        ("tasks.py~", IN_CREATE, False),
        ("tasks.py.tmp", IN_CLOSE_WRITE, False),
        ("4913", IN_CREATE, False),
        ("__pycache__", IN_CREATE | IN_ISDIR, False),
        (".git", IN_CREATE | IN_ISDIR, False),
        ("", IN_IGNORED, False),
    ],
)
def test_only_what_may_change_a_module_matters(name: str, mask: int, expected: bool) -> None:
    assert matters(event(name, mask)) is expected


def test_nothing_is_due_while_nothing_changes() -> None:
    assert Settling().due_at() is None


def test_a_change_settles_when_nothing_follows_it() -> None:
    settling = Settling()

    settling.take(event("a.py", IN_CREATE), NOW)
    settling.take(event("b.py", IN_MOVED_TO), NOW + 0.1)

    assert settling.due_at() == NOW + 0.1 + SETTLE_S


def test_a_file_that_is_being_written_is_waited_for_until_it_is_closed() -> None:
    settling = Settling()

    settling.take(event("a.py", IN_CREATE), NOW)
    settling.take(event("a.py", IN_MODIFY), NOW + 1)
    writing = settling.due_at()
    settling.take(event("a.py", IN_CLOSE_WRITE), NOW + 2)

    assert writing == NOW + 1 + LONGEST_WRITE_S
    assert settling.due_at() == NOW + 2 + SETTLE_S


def test_what_was_looked_at_is_forgotten() -> None:
    settling = Settling()
    settling.take(event("a.py", IN_MODIFY), NOW)

    settling.forget()

    assert settling.due_at() is None

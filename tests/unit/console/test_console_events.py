"""The daemon's events as rows."""

from __future__ import annotations

from flowyd.console.view_model import events
from flowyd.console.view_model.cells import plain

DRAIN = {
    "number": 7,
    "at": 1000.0,
    "level": "info",
    "text": "uid 0 (pid 5) asks: drain {'pool': 'images'}",
    "action": "control",
    "uid": 0,
    "command": "drain",
}
DEATH = {
    "number": 8,
    "at": 1001.0,
    "level": "error",
    "text": "images[9] killed by SIGKILL after 3.0 s",
    "action": "worker",
    "pool": "images",
    "worker_pid": 9,
}


def test_an_event_tells_who_asked_and_whom_it_is_about() -> None:
    drain, death = events.event_lines([DRAIN, DEATH])

    assert (drain.uid, drain.pid, drain.pool) == (0, 0, "")
    assert (death.uid, death.pid, death.pool) == (None, 9, "images")


def test_events_are_found_by_who_asked_and_by_kind() -> None:
    drain, death = events.event_lines([DRAIN, DEATH])

    assert events.matches(drain, "uid 0 drain")
    assert events.matches(death, "error sigkill")
    assert not events.matches(death, "uid 0")


def test_a_death_is_marked_by_a_sign_as_well_as_a_colour() -> None:
    (death,) = events.event_lines([DEATH])

    drawn = {column.title: plain(column.draw(death, 30)) for column in events.columns(now=1002.0)}

    assert drawn["What"] == "✘ worker"
    assert drawn["Pool"] == "images"

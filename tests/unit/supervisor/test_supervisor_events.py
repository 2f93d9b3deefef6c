"""The ring of the supervisor's events."""

from __future__ import annotations

import logging
from typing import Any

from flowyd.supervisor.events import KEPT, EventRing


def told(ring: EventRing, text: str, level: int = logging.INFO, **fields: Any) -> None:
    record = logging.LogRecord("flowyd.supervisor.crew", level, __file__, 1, text, (), None)
    record.__dict__.update(fields)
    ring.handle(record)


def test_an_event_tells_what_happened_and_who_asked() -> None:
    ring = EventRing()
    told(ring, "uid 7 asks: drain", action="control", uid=7, command="drain")

    (event,) = ring.after(0, 10)

    assert (event["text"], event["level"], event["uid"]) == ("uid 7 asks: drain", "info", 7)
    assert event["number"] == 1


def test_only_the_youngest_are_kept_and_numbers_go_on() -> None:
    ring = EventRing()
    for number in range(KEPT + 5):
        told(ring, f"event {number}")

    kept = ring.after(0, KEPT * 2)

    assert [kept[0]["number"], kept[-1]["number"], len(kept)] == [6, KEPT + 5, KEPT]


def test_only_what_is_new_is_told_to_who_knows_the_rest() -> None:
    ring = EventRing()
    for number in range(5):
        told(ring, f"event {number}")

    assert [event["number"] for event in ring.after(3, 10)] == [4, 5]
    assert [event["number"] for event in ring.after(0, 2)] == [4, 5]
    assert ring.after(0, 0) == []

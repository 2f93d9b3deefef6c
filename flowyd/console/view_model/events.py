"""What happened to the daemon, newest first: deaths, starts, reloads, quarantines, and who asked for what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Column, Tone, by_number, by_text, cell

_LEVELS = {
    "critical": ("✘", Tone.BAD),
    "error": ("✘", Tone.BAD),
    "warning": ("▲", Tone.WARN),
    "info": ("·", Tone.DIM),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """One event of the daemon."""

    number: int
    at: float
    level: str
    #: What kind of thing: worker, control, reload, quarantine and so on.
    action: str
    text: str
    #: Pool and pid of the worker it is about; empty and 0 when it is about none.
    pool: str
    pid: int
    #: Who asked for it; None when nobody did.
    uid: int | None

    @property
    def key(self) -> str:
        return str(self.number)


def event_lines(answer: Iterable[Mapping[str, Any]]) -> tuple[EventLine, ...]:
    """The rows of the control command `events`, in its order."""
    return tuple(
        EventLine(
            number=event["number"],
            at=float(event["at"]),
            level=event["level"],
            action=str(event.get("action") or ""),
            text=event["text"],
            pool=str(event.get("pool") or ""),
            pid=int(event.get("worker_pid") or 0),
            uid=event.get("uid"),
        )
        for event in answer
    )


def matches(line: EventLine, text: str) -> bool:
    """Whether all words occur in the event."""
    who = f"uid {line.uid}" if line.uid is not None else ""
    written = f"{line.level} {line.action} {line.text} {who}".lower()
    return all(word in written for word in text.lower().split())


def columns(*, now: float) -> tuple[Column[EventLine], ...]:
    """The columns of the events."""
    return (
        Column(
            title="At",
            draw=lambda e, _w: cell(wording.moment(e.at, now=now), Tone.DIM),
            order=lambda e: by_number(-e.at),
            width=12,
        ),
        Column(
            title="What",
            draw=lambda e, _w: _what(e),
            order=lambda e: by_text(e.action),
            width=12,
        ),
        Column(
            title="Pool",
            draw=lambda e, _w: cell(e.pool, Tone.DIM),
            order=lambda e: by_text(e.pool),
            width=10,
            spare=2,
        ),
        Column(
            title="By",
            draw=lambda e, _w: cell("" if e.uid is None else f"uid {e.uid}", Tone.STRONG),
            order=lambda e: by_text("" if e.uid is None else str(e.uid)),
            width=8,
            spare=1,
        ),
        Column(
            title="Event",
            draw=lambda e, _w: cell(e.text, _tone(e)),
            width=30,
            stretch=1,
        ),
    )


def _what(line: EventLine) -> Cell:
    sign, tone = _LEVELS.get(line.level, ("·", Tone.DIM))
    return cell(f"{sign} {line.action}", tone)


def _tone(line: EventLine) -> Tone:
    return _LEVELS.get(line.level, ("", Tone.PLAIN))[1] if line.level != "info" else Tone.PLAIN

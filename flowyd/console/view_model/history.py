"""A history as a table: one row per event, with what matters of its attributes in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Column, Part, Tone, by_number, by_text, cell
from flowyd.console.view_model.spans import Event, attributes
from flowyd.swf.references import from_wire

#: Members that name another event; shown last, as they explain little.
_LINKS = ("scheduledEventId", "startedEventId", "initiatedEventId", "decisionTaskCompletedEventId")
#: The members that say most, in the order they are written; all others follow.
_FIRST = (
    "activityId",
    "timerId",
    "signalName",
    "markerName",
    "workflowId",
    "cause",
    "timeoutType",
    "reason",
    "result",
    "input",
    "details",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event, ready to be shown."""

    event_id: int
    at: float
    type: str
    #: Seconds since the event before it.
    step_s: float
    #: The attributes in one line.
    text: str
    event: Event

    @property
    def key(self) -> str:
        return str(self.event_id)


def rows(events: Sequence[Event], *, before: float | None = None) -> tuple[EventRow, ...]:
    """One row per event, in the order given; `before` is when the one ahead of them was."""
    found = []
    if before is None:
        before = float(events[0]["eventTimestamp"]) if events else 0.0
    for event in events:
        at = float(event["eventTimestamp"])
        found.append(
            EventRow(
                event_id=event["eventId"],
                at=at,
                type=event["eventType"],
                step_s=at - before,
                text=summary(attributes(event)),
                event=event,
            )
        )
        before = at
    return tuple(found)


def summary(members: Mapping[str, Any]) -> str:
    """The attributes in one line, what says most first."""
    first = [name for name in _FIRST if name in members]
    rest = [name for name in members if name not in _FIRST and name not in _LINKS]
    last = [name for name in _LINKS if name in members]
    return "  ".join(f"{_short(name)}={_value(members[name])}" for name in (*first, *rest, *last))


def _short(name: str) -> str:
    return {"decisionTaskCompletedEventId": "decided", "taskList": "list"}.get(name, name).replace(
        "EventId", ""
    )


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = [str(part) for part in value.values()]
        return "/".join(parts)
    text = str(value)
    return _stored(text) or text


def found(row: EventRow, text: str) -> bool:
    """Whether the words, in any case, occur in the event's type, id or attributes; blanks divide words."""
    written = f"{row.event_id} {row.type} {row.text}".lower()
    return all(word in written for word in text.lower().split())


def event_cell(row: EventRow) -> Cell:
    """The event's type in the tone of what it means."""
    return cell(row.type, _tone(row.type))


def _tone(kind: str) -> Tone:
    if kind.startswith("DecisionTask") and not kind.endswith("TimedOut"):
        return Tone.DIM
    if kind.endswith(("Failed", "TimedOut")):
        return Tone.BAD
    if kind.endswith(("Terminated", "Canceled", "CancelRequested")):
        return Tone.WARN
    if kind.endswith(("Completed", "Fired")):
        return Tone.GOOD
    return Tone.PLAIN


def columns(*, now: float) -> tuple[Column[EventRow], ...]:
    """The columns of the history."""
    return (
        Column(
            title="#",
            draw=lambda r, _w: cell(r.event_id, Tone.DIM),
            order=lambda r: by_number(r.event_id),
            width=5,
            right=True,
        ),
        Column(
            title="At",
            draw=lambda r, _w: cell(wording.moment(r.at, now=now), Tone.DIM),
            width=12,
            spare=2,
        ),
        Column(
            title="+",
            draw=lambda r, _w: cell(wording.duration(r.step_s), Tone.DIM),
            order=lambda r: by_number(r.step_s),
            width=7,
            right=True,
            spare=1,
        ),
        Column(title="Event", draw=lambda r, _w: event_cell(r), order=lambda r: by_text(r.type), width=29),
        Column(title="Attributes", draw=lambda r, _w: cell(r.text), width=16, stretch=1),
    )


def as_json(value: object) -> str:
    """Any answer as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _stored(text: str) -> str:
    """What is said of a payload that is kept in a store; empty for all others."""
    reference = from_wire(text)
    if reference is None:
        return ""
    return f"({wording.number(reference.characters)} characters, stored as {reference.key})"


def readable(text: str) -> str:
    """A payload for reading: JSON is indented, all else stands as it is."""
    if stored := _stored(text):
        return stored
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict) and isinstance(value.get("traceback"), str):
        # How flowyd's workers tell of an exception.
        rest = {name: part for name, part in value.items() if name != "traceback" and part}
        return f"{readable(json.dumps(rest, ensure_ascii=False))}\n{value['traceback']}"
    if isinstance(value, (dict, list)):
        flat = json.dumps(value, ensure_ascii=False)
        return flat if len(flat) <= 100 else json.dumps(value, indent=2, ensure_ascii=False)
    return value if isinstance(value, str) and "\n" in value else text


def flat(text: str) -> str:
    """A payload for one line: `[[1, 2], {}]`, the arguments of a call, as `1, 2`; all else as it stands."""
    if stored := _stored(text):
        return stored
    try:
        value = json.loads(text)
    except ValueError:
        return text
    match value:
        case [list() as positional, dict() as named]:
            written = [json.dumps(item, ensure_ascii=False) for item in positional]
            written += [f"{name}={json.dumps(item, ensure_ascii=False)}" for name, item in named.items()]
            return ", ".join(written)
    return text


@dataclass(frozen=True, slots=True)
class Line:
    """One line of raw JSON."""

    number: int
    text: str

    @property
    def key(self) -> str:
        return str(self.number)


def lines(value: object) -> tuple[Line, ...]:
    """Any answer as numbered lines of JSON."""
    return tuple(Line(number, text) for number, text in enumerate(as_json(value).splitlines()))


def line_columns() -> tuple[Column[Line], ...]:
    """The raw JSON as a table of one column, names and values told apart."""
    return (Column(title="JSON", draw=lambda line, _w: _json_cell(line.text), width=20, stretch=1),)


def _json_cell(text: str) -> Cell:
    name, colon, value = text.partition('": ')
    if not colon or not name.strip().startswith('"'):
        return (Part(text),)
    return (Part(f"{name}{colon}", Tone.BUSY), Part(value))


def find(lines: Sequence[Line], text: str, *, start: int, by: int) -> int | None:
    """The place of the next line that holds the text, in any case, from `start` on and round the end.

    `by` is 1 forward, -1 back, and 0 forward beginning with `start` itself.
    """
    wanted, count = text.lower(), len(lines)
    step = by or 1
    for offset in range(0 if by == 0 else 1, count + 1):
        place = (start + offset * step) % count
        if wanted in lines[place].text.lower():
            return place
    return None

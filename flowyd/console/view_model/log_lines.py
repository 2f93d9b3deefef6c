"""The lines a worker wrote, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Column, Tone, cell

#: The standard library's numbers of severities, as the control command gives them.
_LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
_TONES = {"error": Tone.BAD, "critical": Tone.BAD, "warning": Tone.WARN, "debug": Tone.DIM}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a worker's output."""

    key: str
    at: float
    level: str
    text: str


def log_lines(answer: Iterable[Mapping[str, Any]]) -> tuple[LogLine, ...]:
    """The lines of the control command `log`, oldest first."""
    found = []
    same: dict[float, int] = {}
    for line in answer:
        at = float(line["at"])
        same[at] = same.get(at, 0) + 1
        level = _LEVELS.get(line.get("level", 0)) or str(line.get("stream") or "")
        found.append(LogLine(key=f"{at} {same[at]}", at=at, level=level, text=str(line["text"])))
    return tuple(found)


def matches(line: LogLine, text: str) -> bool:
    """Whether all words occur in the line."""
    written = f"{line.level} {line.text}".lower()
    return all(word in written for word in text.lower().split())


def columns(*, now: float) -> tuple[Column[LogLine], ...]:
    """The columns of a log."""
    return (
        Column(title="At", draw=lambda n, _w: cell(wording.moment(n.at, now=now), Tone.DIM), width=12),
        Column(
            title="Level",
            draw=lambda n, _w: cell(n.level, _TONES.get(n.level.lower(), Tone.DIM)),
            width=7,
            spare=1,
        ),
        Column(
            title="Text",
            draw=lambda n, _w: cell(n.text, _TONES.get(n.level.lower(), Tone.PLAIN)),
            width=30,
            stretch=1,
        ),
    )

"""Rows of a table as values: what is written, in which tone, and by what a column is sorted.

A tone says what a text means, never which colour it has; the style sheet knows the colours, and every tone
that matters has a sign or a word beside it, so that a screen without colours says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

Item = TypeVar("Item")

#: What a column may be sorted by: one kind per column.
Order = tuple[int, float, str]


class Tone(str, Enum):
    """What a text means."""

    PLAIN = "plain"
    DIM = "dim"  #: of less interest
    STRONG = "strong"  #: what the eye should find first
    GOOD = "good"  #: done as wanted
    BUSY = "busy"  #: at work
    WAITING = "waiting"  #: not at work, and that is as it should be
    WARN = "warn"  #: someone should look
    BAD = "bad"  #: failed


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text in one tone."""

    text: str
    tone: Tone = Tone.PLAIN


#: The content of a cell: its parts one after the other.
Cell = tuple[Part, ...]


def cell(text: object, tone: Tone = Tone.PLAIN) -> Cell:
    """A cell of one part; line breaks and control characters become blanks."""
    return (Part(one_line(str(text)), tone),)


def one_line(text: str) -> str:
    """The text without line breaks and control characters, which would break a table or the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text)


def greyed(parts: Cell) -> Cell:
    """The same text as something that was last seen so and may be otherwise by now."""
    return tuple(Part(part.text, Tone.DIM) for part in parts)


def plain(content: Cell) -> str:
    """The cell's text alone."""
    return "".join(part.text for part in content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[Item]):
    """One column of a table over items."""

    title: str
    #: What is written for an item, given the width in characters that the column has on the screen.
    draw: Callable[[Item, int], Cell]
    #: What stands above the column, given its width; None: the title.
    heading: Callable[[int], str] | None = None
    #: What the item is sorted by; None: the column cannot be sorted by.
    order: Callable[[Item], Order] | None = None
    #: Narrowest useful width in characters.
    width: int = 8
    #: Share of what is left over; 0: the column keeps its width.
    stretch: int = 0
    #: Numbers stand at the right.
    right: bool = False
    #: Columns of the highest number are left out first when the terminal is too narrow.
    spare: int = 0


def by_number(value: float | None) -> Order:
    """Sorts by a number, what has none last."""
    return (1, 0.0, "") if value is None else (0, float(value), "")


def by_text(value: str) -> Order:
    """Sorts by text, without regard to case."""
    return (0, 0.0, value.lower())


#: Between two columns.
GAP = 2


def widths(columns: Sequence[Column[Item]], total: int) -> list[int]:
    """The width each column gets of `total` characters; 0 for those that are left out.

    Columns are dropped by `spare`, highest first, until the rest fits; what is then left over goes to the
    stretching columns by share.
    """
    kept = list(range(len(columns)))
    while len(kept) > 1 and _needed(columns, kept) > total:
        worst = max(kept, key=lambda index: (columns[index].spare, index))
        if columns[worst].spare == 0:
            break
        kept.remove(worst)
    found = [columns[index].width if index in kept else 0 for index in range(len(columns))]
    spare = total - _needed(columns, kept)
    shares = sum(columns[index].stretch for index in kept)
    for index in kept:
        if spare > 0 and columns[index].stretch:
            more = spare * columns[index].stretch // shares
            found[index] += more
            spare -= more
            shares -= columns[index].stretch
    return found


def _needed(columns: Sequence[Column[Item]], kept: Sequence[int]) -> int:
    return sum(columns[index].width for index in kept) + GAP * (len(kept) - 1)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """The text cut or padded to exactly `width` characters; a cut is shown by an ellipsis."""
    if len(text) > width:
        return text[: max(width - 1, 0)] + "…" if width > 0 else ""
    return text.rjust(width) if right else text.ljust(width)


def cut_inside(text: str, width: int) -> str:
    """The text cut in its middle: of names that a program made, both ends tell them apart."""
    if len(text) <= width:
        return text
    kept = max(width - 1, 0)
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}" if width > 0 else ""


def cut_path(path: str, width: int) -> str:
    """The end of a path, in whole names as far as there is room: it tells more than the beginning."""
    if len(path) <= width:
        return path
    end = path[len(path) - width + 1 :]
    return f"…{end[end.find('/') :] if '/' in end else end}"


def cut(parts: Sequence[Part], width: int) -> list[Part]:
    """The parts of a line as far as they fit."""
    found: list[Part] = []
    for part in parts:
        if len(part.text) > width:
            return [*found, Part(fit(part.text, width), part.tone)] if width > 0 else found
        found.append(part)
        width -= len(part.text)
    return found

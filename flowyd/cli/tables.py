"""Columns over items as lines of text: aligned, as narrow as their content, fitted to the width there is.

The columns are those of the console's view model. On a page without a width only payloads are cut. Otherwise
columns of the highest `spare` are left out first, then those that stretch are cut, with an ellipsis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from flowyd.cli.output import Page
from flowyd.console.view_model.cells import GAP, Cell, Column, Part, Tone, cell, plain

Item = TypeVar("Item")

#: The widest a cell gets where nothing limits the page: payloads are read elsewhere.
_AMPLE = 240


def table(columns: Sequence[Column[Item]], items: Sequence[Item], page: Page) -> list[str]:
    """The heading and one line for each item."""
    natural = [_natural(column, items) for column in columns]
    if page.width is None:
        fitted = [width for width, _ in natural]
        for index, (_, empty) in enumerate(natural):
            if empty and columns[index].spare:
                fitted[index] = 0
    else:
        fitted = _fitted(columns, natural, page.width)
    kept = [index for index, width in enumerate(fitted) if width]
    shown = [columns[index] for index in kept]
    sizes = [fitted[index] for index in kept]
    heading = [cell(column.title.upper(), Tone.DIM) for column in shown]
    rows = [[column.draw(item, size) for column, size in zip(shown, sizes, strict=True)] for item in items]
    return [_line(shown, sizes, row, page) for row in [heading, *rows]]


def _natural(column: Column[Item], items: Sequence[Item]) -> tuple[int, bool]:
    """How wide the column would like to be, and whether there is nothing in it."""
    longest = max((len(plain(column.draw(item, _AMPLE))) for item in items), default=0)
    return max(min(longest, _AMPLE), len(column.title)), longest == 0


def _fitted(columns: Sequence[Column[Item]], natural: Sequence[tuple[int, bool]], total: int) -> list[int]:
    """The width of each column; 0 for those that are left out."""
    wanted = [width for width, _ in natural]
    least = [
        min(width, max(column.width, len(column.title))) if column.stretch else width
        for column, width in zip(columns, wanted, strict=True)
    ]
    kept = [i for i, column in enumerate(columns) if not (natural[i][1] and column.spare)]
    while sum(least[i] for i in kept) + GAP * (len(kept) - 1) > total:
        spare = [i for i in kept if columns[i].spare]
        if not spare:
            break
        kept.remove(max(spare, key=lambda i: (columns[i].spare, i)))
    left = total - sum(least[i] for i in kept) - GAP * (len(kept) - 1)
    found = [least[i] if i in kept else 0 for i in range(len(columns))]
    while left > 0:
        hungry = [i for i in kept if found[i] < wanted[i]]
        if not hungry:
            break
        # One character at a time to the column that got the least of its share.
        poorest = min(hungry, key=lambda i: (found[i] - least[i]) / max(columns[i].stretch, 1))
        found[poorest] += 1
        left -= 1
    return _squeezed(columns, found, kept, -left)


def _squeezed(columns: Sequence[Column[Item]], found: list[int], kept: list[int], excess: int) -> list[int]:
    """Takes what is still too much from the widest columns that stretch; never below 8 characters."""
    while excess > 0:
        candidates = [i for i in kept if columns[i].stretch and found[i] > 8]
        if not candidates:
            break
        widest = max(candidates, key=lambda i: found[i])
        found[widest] -= 1
        excess -= 1
    return found


def _line(columns: Sequence[Column[Item]], sizes: Sequence[int], row: Sequence[Cell], page: Page) -> str:
    pieces = []
    for column, size, content in zip(columns, sizes, row, strict=True):
        cut = shortened(content, size)
        blank = " " * (size - len(plain(cut)))
        drawn = page.drawn(cut)
        pieces.append(blank + drawn if column.right else drawn + blank)
    return (" " * GAP).join(pieces).rstrip()


def shortened(content: Cell, width: int) -> Cell:
    """The cell in at most `width` characters; a cut is shown by an ellipsis."""
    if len(plain(content)) <= width:
        return content
    parts: list[Part] = []
    left = max(width - 1, 0)
    for part in content:
        if len(part.text) > left:
            return (*parts, Part(part.text[:left] + "…", part.tone))
        parts.append(part)
        left -= len(part.text)
    return tuple(parts)

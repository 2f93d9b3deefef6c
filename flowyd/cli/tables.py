"""Columns over items as lines of text: aligned, as narrow as their content, fitted to the width there is.

Widths are columns of the terminal, not characters.

The columns are those of the console's view model. On a page without a width only payloads are cut. Otherwise
columns of the highest `spare` are left out first, then those that stretch are cut, with an ellipsis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flowyd.cli.char_width import cut, width
from flowyd.cli.output import Page
from flowyd.console.view_model.cells import GAP, Cell, Column, Part, Tone, cell, plain

Item = TypeVar("Item")

#: The widest a cell gets where nothing limits the page: payloads are read elsewhere.
_AMPLE = 240


@dataclass(frozen=True, slots=True)
class Layout(Generic[Item]):
    """Columns with the widths they got; those that were left out are not among them."""

    columns: tuple[Column[Item], ...]
    sizes: tuple[int, ...]
    page: Page

    def heading(self) -> str:
        """The line of titles."""
        titles = [
            cell(column.heading(size) if column.heading else column.title.upper(), Tone.DIM)
            for column, size in zip(self.columns, self.sizes, strict=True)
        ]
        return _line(self.columns, self.sizes, titles, self.page)

    def lines(self, items: Iterable[Item]) -> list[str]:
        """A line for each item; items that were not there when the widths were found are cut to them."""
        return [
            _line(
                self.columns,
                self.sizes,
                [column.draw(item, size) for column, size in zip(self.columns, self.sizes, strict=True)],
                self.page,
            )
            for item in items
        ]


def table(columns: Sequence[Column[Item]], items: Sequence[Item], page: Page) -> list[str]:
    """The heading and one line for each item."""
    found = layout(columns, items, page)
    return [found.heading(), *found.lines(items)]


def layout(columns: Sequence[Column[Item]], items: Sequence[Item], page: Page) -> Layout[Item]:
    """The columns with widths that suit the items and the page."""
    natural = [_natural(column, items) for column in columns]
    if page.width is None:
        fitted = [wanted for wanted, _ in natural]
        for index, (_, empty) in enumerate(natural):
            if empty and columns[index].spare:
                fitted[index] = 0
    else:
        fitted = _fitted(columns, natural, page.width)
    kept = [index for index, size in enumerate(fitted) if size]
    return Layout(tuple(columns[index] for index in kept), tuple(fitted[index] for index in kept), page)


def _natural(column: Column[Item], items: Sequence[Item]) -> tuple[int, bool]:
    """How wide the column would like to be, and whether there is nothing in it."""
    longest = max((width(plain(column.draw(item, _AMPLE))) for item in items), default=0)
    return max(min(longest, _AMPLE), len(column.title)), longest == 0


def _fitted(columns: Sequence[Column[Item]], natural: Sequence[tuple[int, bool]], total: int) -> list[int]:
    """The width of each column; 0 for those that are left out."""
    wanted = [size for size, _ in natural]
    least = [
        min(size, max(column.width, len(column.title))) if column.stretch else size
        for column, size in zip(columns, wanted, strict=True)
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
        short = shortened(content, size)
        blank = " " * (size - width(plain(short)))
        drawn = page.drawn(short)
        pieces.append(blank + drawn if column.right else drawn + blank)
    return (" " * GAP).join(pieces).rstrip()


def shortened(content: Cell, size: int) -> Cell:
    """The cell in at most `size` columns; a cut is shown by an ellipsis."""
    if width(plain(content)) <= size:
        return content
    parts: list[Part] = []
    left = max(size - 1, 0)
    for part in content:
        taken = width(part.text)
        if taken > left:
            return (*parts, Part(cut(part.text, left) + "…", part.tone))
        parts.append(part)
        left -= taken
    return tuple(parts)

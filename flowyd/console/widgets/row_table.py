"""A table over items with a key each: only visible lines are drawn, the selection follows its key.

A refresh replaces the items at once, whatever their number. The cursor stays on the item it was on and on
the same line of the screen; marks stay on their items; an item that is gone leaves the cursor where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from flowyd.console.view_model.cells import GAP, Cell, Column, Tone, fit, widths


class Keyed(Protocol):
    """What a table holds: anything with a key that stays the same from one refresh to the next."""

    @property
    def key(self) -> str: ...


Item = TypeVar("Item", bound=Keyed)

#: A mark and the blank behind it, left of the first column.
_MARGIN = 2


class RowTable(ScrollView, Generic[Item], can_focus=True):
    """Items as rows under fixed headings."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b,ctrl+u", "move_page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f,ctrl+d", "move_page(1)", "Page down", show=False),
        Binding("home,g", "move_to_first", "First", show=False),
        Binding("end,G", "move_to_last", "Last", show=False),
        Binding("enter,l,right", "open", "Open", show=False),
        Binding("space", "mark", "Mark", show=False),
        Binding("greater_than_sign", "sort_next(1)", "Sort by next", show=False),
        Binding("less_than_sign", "sort_next(-1)", "Sort by previous", show=False),
        Binding("equals_sign", "sort_turn", "Turn sort", show=False),
    ]

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row-table--heading",
        "row-table--cursor",
        "row-table--cursor-blurred",
        "row-table--marked",
        "row-table--empty",
        "row-table--stale",
        *(f"row-table--{tone.value}" for tone in Tone),
    }

    @dataclass
    class Opened(Message):
        """Enter or a double click on a row."""

        table: RowTable[Any]
        item: Any

        @property
        def control(self) -> RowTable[Any]:
            return self.table

    @dataclass
    class Moved(Message):
        """The cursor is on another row, or on none."""

        table: RowTable[Any]

        @property
        def control(self) -> RowTable[Any]:
            return self.table

    def __init__(self, *, id: str, empty: str = "nothing here", marks: bool = False) -> None:  # noqa: A002
        super().__init__(id=id)
        self.empty = empty
        self._marks_allowed = marks
        self._items: Sequence[Item] = ()
        self._columns: Sequence[Column[Item]] = ()
        self._widths: list[int] = []
        self._cursor = 0
        self._sort: int | None = None
        self._descending = False
        self._loaded = False
        # Caches of what the style sheet says.
        self._styles: dict[str, Style] = {}
        self._tones: dict[Tone, Style] = {}
        #: Keys of the marked items, which may be out of sight.
        self.marked: set[str] = set()

    # What others read.

    @property
    def items(self) -> Sequence[Item]:
        """The items in the order shown."""
        return self._items

    @property
    def item(self) -> Item | None:
        """The item under the cursor."""
        return self._items[self._cursor] if self._items else None

    @property
    def targets(self) -> tuple[Item, ...]:
        """The marked items that are shown, or else the one under the cursor."""
        marked = tuple(item for item in self._items if item.key in self.marked) if self.marked else ()
        if marked:
            return marked
        return () if self.item is None else (self.item,)

    @property
    def sorted_by(self) -> str:
        """The title of the column sorted by; empty for the given order."""
        return "" if self._sort is None else self._columns[self._sort].title

    # Filling.

    def show(self, items: Sequence[Item], columns: Sequence[Column[Item]]) -> None:
        """Replaces the items and columns; cursor, marks and scroll stay on their items."""
        top, cursor = round(self.scroll_y), self._cursor
        before = self.item.key if self.item is not None else None
        seen = top <= cursor < top + self._body_height
        anchor = cursor if seen else min(top, max(len(self._items) - 1, 0))
        anchor_key = self._items[anchor].key if self._items else None
        self._columns = columns
        if self._sort is not None and self._sort >= len(columns):
            self._sort = None
        self._items = self._in_order(items)
        self._loaded = True
        places = {item.key: place for place, item in enumerate(self._items)}
        last = max(len(self._items) - 1, 0)
        self._cursor = places.get(before or "", min(cursor, last))
        self._resize()
        if anchor_key in places and places[anchor_key] != anchor:
            self.scroll_to(y=max(top + places[anchor_key] - anchor, 0), animate=False)
        self.refresh()
        if (self.item.key if self.item is not None else None) != before:
            self.post_message(self.Moved(self))

    def select(self, key: str) -> None:
        """Puts the cursor on the item of that key, if it is shown."""
        for place, item in enumerate(self._items):
            if item.key == key:
                self._go(place)
                return

    def select_place(self, place: int) -> None:
        """Puts the cursor on a row by its place from the top."""
        self._go(place)

    def _in_order(self, items: Sequence[Item]) -> Sequence[Item]:
        order = self._columns[self._sort].order if self._sort is not None else None
        return items if order is None else sorted(items, key=order, reverse=self._descending)

    # Moving.

    def action_move(self, by: int) -> None:
        self._go(self._cursor + by)

    def action_move_page(self, by: int) -> None:
        self._go(self._cursor + by * max(self._body_height - 1, 1))

    def action_move_to_first(self) -> None:
        self._go(0)

    def action_move_to_last(self) -> None:
        self._go(len(self._items) - 1)

    def _go(self, place: int) -> None:
        place = max(min(place, len(self._items) - 1), 0)
        before = self._cursor
        if place != before:
            self._cursor = place
            self.post_message(self.Moved(self))
        top, height = round(self.scroll_y), self._body_height
        if place < top:
            self.scroll_to(y=place, animate=False)
        elif place >= top + height:
            self.scroll_to(y=place - height + 1, animate=False)
        # Scrolling draws everything anew by itself; without it two lines have changed.
        self.refresh(*(Region(0, line - top + 1, self.size.width, 1) for line in {before, place}))

    def action_open(self) -> None:
        if self.item is not None:
            self.post_message(self.Opened(self, self.item))

    def action_mark(self) -> None:
        if not self._marks_allowed or self.item is None:
            return
        self.marked ^= {self.item.key}
        self.post_message(self.Moved(self))
        self.action_move(1)

    def mark_all(self) -> None:
        """Marks every item shown, or none if all are marked."""
        shown = {item.key for item in self._items}
        self.marked = set() if shown <= self.marked else self.marked | shown
        self.post_message(self.Moved(self))
        self.refresh()

    def unmark(self) -> None:
        """Takes all marks away."""
        self.marked = set()
        self.post_message(self.Moved(self))
        self.refresh()

    # Sorting.

    def action_sort_next(self, by: int) -> None:
        sortable: list[int | None] = [None]
        sortable += [place for place, column in enumerate(self._columns) if column.order is not None]
        place = sortable.index(self._sort) if self._sort in sortable else 0
        self._sort_by(sortable[(place + by) % len(sortable)], descending=False)

    def action_sort_turn(self) -> None:
        self._sort_by(self._sort, descending=not self._descending)

    def _sort_by(self, place: int | None, *, descending: bool) -> None:
        self._sort, self._descending = place, descending
        self.show(self._items, self._columns)

    # Drawing.

    @property
    def _body_height(self) -> int:
        return max(self.size.height - 1, 1)

    def _resize(self) -> None:
        self._widths = widths(self._columns, max(self.size.width - _MARGIN - 1, 1))
        height = self.virtual_size.height
        self.virtual_size = Size(self.size.width, max(len(self._items), 1) + 1)
        if self.virtual_size.height != height and self.styles.is_auto_height:
            self.refresh(layout=True)

    def on_resize(self) -> None:
        self._resize()
        self._go(self._cursor)

    def notify_style_update(self) -> None:
        self._styles, self._tones = {}, {}
        super().notify_style_update()

    def _style(self, name: str) -> Style:
        key = f"row-table--{name}"
        if key not in self._styles:
            self._styles[key] = self.get_component_rich_style(key)
        return self._styles[key]

    def _tone(self, tone: Tone) -> Style:
        """Only the tone's own colour and weight, so that it lies over any row's background."""
        if self.has_class("-stale"):
            tone = Tone.DIM
        known = self._tones.get(tone)
        if known is None:
            found = self._style(tone.value)
            known = Style(color=found.color, bold=found.bold, italic=found.italic, dim=found.dim)
            self._tones[tone] = known
        return known

    def _over(self, row: Style, tone: Tone) -> Style:
        """The tone on a row; of a reversed row its colour would be the ground, so it is left out there."""
        style = self._tone(tone)
        return row + (style.without_color if row.reverse else style)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return self._heading_line(width)
        place = round(self.scroll_y) + y - 1
        if place >= len(self._items):
            return self._empty_line(width, first=y == 1)
        return self._item_line(place, width)

    def _heading_line(self, width: int) -> Strip:
        style = self._style("heading")
        found = [Segment(" " * _MARGIN, style)]
        for place, (column, size) in enumerate(zip(self._columns, self._widths, strict=False)):
            if not size:
                continue
            sign = ("▼" if self._descending else "▲") if place == self._sort else ""
            text = column.heading(size) if column.heading is not None else column.title + sign
            found.append(Segment(fit(text, size, right=column.right) + " " * GAP, style))
        return Strip(found).adjust_cell_length(width, style)

    def _empty_line(self, width: int, *, first: bool) -> Strip:
        if not (first and self._loaded and not self._items):
            return Strip.blank(width, self.rich_style)
        style = self.rich_style + self._style("empty")
        return Strip([Segment(f"  {self.empty}", style)]).adjust_cell_length(width, self.rich_style)

    def _item_line(self, place: int, width: int) -> Strip:
        item = self._items[place]
        marked, under = item.key in self.marked, place == self._cursor
        row = self.rich_style
        if marked:
            row += self._style("marked")
        if under:
            row += self._style("cursor" if self.has_focus else "cursor-blurred")
        sign = "● " if marked else "▌ " if under and self.has_focus else "  "
        found = [Segment(sign, row)]
        for column, size in zip(self._columns, self._widths, strict=False):
            if size:
                found += self._cell(column.draw(item, size), size, row, right=column.right)
                found.append(Segment(" " * GAP, row))
        return Strip(found).adjust_cell_length(width, row)

    def _cell(self, content: Cell, size: int, row: Style, *, right: bool) -> list[Segment]:
        """The parts of a cell, cut or padded to its width; wide characters count for two."""
        parts = [Segment(part.text, self._over(row, part.tone)) for part in content if part.text]
        strip = Strip(parts)
        if strip.cell_length > size:
            ellipsis = Segment("…", parts[-1].style if parts else row)
            return [*Strip(parts).crop(0, max(size - 1, 0)), ellipsis]
        pad = Segment(" " * (size - strip.cell_length), row)
        return [pad, *parts] if right else [*parts, pad]

    # The mouse.

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            self._click_heading(event.x)
            return
        place = round(self.scroll_y) + event.y - 1
        if place >= len(self._items):
            return
        again = place == self._cursor and event.chain > 1
        self._go(place)
        if again:
            self.action_open()

    def _click_heading(self, x: int) -> None:
        left = _MARGIN
        for place, size in enumerate(self._widths):
            if size and left <= x < left + size and self._columns[place].order is not None:
                self._sort_by(place, descending=place == self._sort and not self._descending)
                return
            left += size + GAP if size else 0

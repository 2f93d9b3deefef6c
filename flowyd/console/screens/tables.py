"""Screens that are one table under one line: what most main screens are.

A screen says what its rows are, which of them a filter leaves, and its columns; when to place them anew is
decided here. `TableScreen` shows answers to its own questions, `StatusScreen` the daemon's status, which the
app asks for all the time anyway.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from flowyd.console.screens.live import Answer, LiveScreen, Question
from flowyd.console.view_model.cells import Cell, Column, Part, Tone
from flowyd.console.widgets.head import content
from flowyd.console.widgets.row_table import Keyed, RowTable

Row = TypeVar("Row", bound=Keyed)


class TableScreen(LiveScreen[Question, Answer], Generic[Question, Answer, Row]):
    """A live screen that is one table."""

    #: What stands above the table, and behind it in a softer tone.
    heading: ClassVar[str]
    subheading: ClassVar[str] = ""
    #: The table's id, and what it says when it has no rows.
    table_id: ClassVar[str]
    empty: ClassVar[str]
    marks: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        #: The last answer; None: there was none yet.
        self.answer: Answer | None = None

    @abstractmethod
    def rows(self) -> Sequence[Row]:
        """All rows, in the order they stand in before anybody sorts."""

    @abstractmethod
    def found(self, row: Row) -> bool:
        """Whether the filter text leaves the row."""

    @abstractmethod
    def columns(self) -> Sequence[Column[Row]]:
        """The table's columns."""

    def title_line(self) -> Cell:
        """What stands above the table."""
        line = (Part(self.heading, Tone.STRONG),)
        return (*line, Part(f"  {self.subheading}", Tone.DIM)) if self.subheading else line

    @property
    def table(self) -> RowTable[Row]:
        return self.query_one(f"#{self.table_id}", RowTable)

    def body(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Static(id="title-line")
        yield RowTable[Row](id=self.table_id, empty=self.empty, marks=self.marks)

    def on_mount(self) -> None:
        super().on_mount()
        self.write_title()
        # At once, not with the next message: what is typed in the same moment is meant for this table.
        self.set_focus(self.table)

    def write_title(self) -> None:
        """Writes the line above the table anew."""
        self.query_one("#title-line", Static).update(content(self.title_line()), layout=False)

    def show(self, answer: Answer) -> None:
        self.answer = answer
        self.set_stale(False)
        self.filtered()

    def refused(self, error: Exception) -> None:
        super().refused(error)
        self.set_stale(True)

    def filtered(self) -> None:
        rows = self.rows()
        if self.filter_text:
            rows = tuple(row for row in rows if self.found(row))
        self.table.show(rows, self.columns())


class StatusScreen(TableScreen[None, Any, Row], Generic[Row]):
    """A table over what the app knows; it asks nothing by itself."""

    asks_swf = False

    def on_mount(self) -> None:
        super().on_mount()
        self.status_changed()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self.is_placed:
            self.status_changed()

    def question(self) -> None:
        return None

    def fetch(self, question: None) -> None:
        return question

    def status_changed(self) -> None:
        self.set_stale(bool(self.console_app.daemon_trouble))
        self.write_title()
        self.filtered()

"""Chooses a registered workflow type: type a part of its name, Enter."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from flowyd.console.view_model.cells import Column, Tone, by_text, cell
from flowyd.console.view_model.types import TypeRow, type_found
from flowyd.console.widgets.row_table import RowTable

COLUMNS: tuple[Column[TypeRow], ...] = (
    Column(
        title="Type",
        draw=lambda r, _w: cell(r.name, Tone.STRONG),
        order=lambda r: by_text(r.name),
        width=18,
        stretch=1,
    ),
    Column(title="Version", draw=lambda r, _w: cell(r.version), width=8),
    Column(
        title="Served by",
        draw=lambda r, _w: cell(", ".join(r.pools) or "no pool here", Tone.PLAIN if r.pools else Tone.DIM),
        width=14,
        stretch=1,
    ),
)


class TypePicker(ModalScreen[TypeRow | None]):
    """Answers a type, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back", key_display="Esc"),
        Binding("down,ctrl+n", "move(1)", "Down", show=False, priority=True),
        Binding("up", "move(-1)", "Up", show=False, priority=True),
    ]

    def __init__(self, rows: tuple[TypeRow, ...]) -> None:
        super().__init__()
        self._rows = rows

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("Start a workflow of type", classes="title")
            yield Input(placeholder="part of its name", id="wanted", compact=True)
            yield RowTable[TypeRow](id="choices", empty="no registered type matches")
        yield Footer(show_command_palette=False)

    @property
    def table(self) -> RowTable[TypeRow]:
        return self.query_one("#choices", RowTable)

    def on_mount(self) -> None:
        self.table.styles.height = min(max(len(self._rows), 3), 12) + 1
        self._narrow()
        self.set_focus(self.query_one("#wanted"))

    @on(Input.Changed)
    def _narrow(self) -> None:
        text = self.query_one("#wanted", Input).value
        self.table.show(tuple(row for row in self._rows if type_found(row, text)), COLUMNS)

    def action_move(self, by: int) -> None:
        self.table.action_move(by)

    @on(Input.Submitted)
    @on(RowTable.Opened)
    def _choose(self) -> None:
        if self.table.item is not None:
            self.dismiss(self.table.item)

"""What the pools have loaded, and what they could not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from flowyd.console.dialogs.text import TextDialog
from flowyd.console.screens.tables import StatusScreen
from flowyd.console.view_model import commands, daemon_actions, modules
from flowyd.console.view_model.cells import Cell, Column, Part, Tone
from flowyd.console.view_model.modules import ModuleRow
from flowyd.console.widgets.row_table import RowTable


class ModulesScreen(StatusScreen[ModuleRow]):
    """Types served and modules in quarantine, from the daemon's status."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "reload", "Reload"),
        Binding("y", "copy", "Copy command", show=False),
    ]
    changes = frozenset({"reload"})
    help_text = """\
Enter  why a module is not served: its traceback, what has drifted
ctrl+l  reload modules and configuration
y  copy the command that shows this

A module is quarantined when it cannot be imported, when its defaults are
not those its type is registered with (they drifted), and when open
executions could not go on with it. What was served before goes on."""
    heading = "Modules"
    table_id = "modules"
    empty = "no daemon has told of modules"

    def rows(self) -> Sequence[ModuleRow]:
        status = self.console_app.status
        return modules.module_rows(status) if status is not None else ()

    def found(self, row: ModuleRow) -> bool:
        return modules.module_found(row, self.filter_text)

    def columns(self) -> Sequence[Column[ModuleRow]]:
        return modules.module_columns()

    def title_line(self) -> Cell:
        return (Part(self.heading, Tone.STRONG), *modules.summary(self.rows()))

    def action_reload(self) -> None:
        self.propose(daemon_actions.reload())

    def action_copy(self) -> None:
        self.copy_command(commands.line("status"), scoped=False)

    @on(RowTable.Opened)
    def _open(self, event: RowTable.Opened) -> None:
        row: ModuleRow = event.item
        said = row.problem or f"served by pool {row.pool}"
        self.app.push_screen(TextDialog(row.name, (Part(said, Tone.BAD if row.problem else Tone.PLAIN),)))

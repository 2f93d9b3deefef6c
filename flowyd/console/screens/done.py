"""What was done from this console, newest first, with the commands that do the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from flowyd.console.dialogs.text import TextDialog
from flowyd.console.screens.tables import StatusScreen
from flowyd.console.view_model import done
from flowyd.console.view_model.cells import Column, Part, Tone
from flowyd.console.view_model.done import DoneRow
from flowyd.console.widgets.row_table import RowTable


class DoneScreen(StatusScreen[DoneRow]):
    """The console's own command log."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "copy", "Copy command")]
    help_text = """\
Enter  command and result in full    y  copy the command"""

    heading = "Done here"
    subheading = "and the equal command"
    table_id = "done"
    empty = "nothing yet: each action of this console is listed here"

    def rows(self) -> Sequence[DoneRow]:
        return tuple(self.console_app.done)

    def found(self, row: DoneRow) -> bool:
        return done.matches(row, self.filter_text)

    def columns(self) -> Sequence[Column[DoneRow]]:
        return done.columns(now=time.time())

    def status_changed(self) -> None:
        # What was done here stays true without a daemon.
        self.filtered()

    def changed(self, step_error: str) -> None:  # noqa: ARG002
        self.filtered()

    def action_copy(self) -> None:
        item = self.table.item
        if item is not None:
            self.app.copy_to_clipboard(item.command)
            self.notify("copied", timeout=2)

    @on(RowTable.Opened)
    def _open(self, event: RowTable.Opened) -> None:
        row: DoneRow = event.item
        parts = (
            Part(f"$ {row.command}\n\n", Tone.STRONG),
            Part(row.result, Tone.BAD if row.failed else Tone.GOOD),
        )
        self.app.push_screen(TextDialog(row.target, parts))

"""What was done from this console, newest first, with the commands that do the same."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from flowyd.console.dialogs.text import TextDialog
from flowyd.console.screens.live import LiveScreen
from flowyd.console.view_model import done
from flowyd.console.view_model.cells import Part, Tone
from flowyd.console.view_model.done import DoneRow
from flowyd.console.widgets.head import content
from flowyd.console.widgets.row_table import RowTable


class DoneScreen(LiveScreen[None, None]):
    """The console's own command log."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "copy", "Copy command")]
    help_text = """\
Enter  command and result in full    y  copy the command"""

    def body(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Static(content((Part("Done here", Tone.STRONG), Part("  and the equal command", Tone.DIM))))
        yield RowTable[DoneRow](id="done", empty="nothing yet: each action of this console is listed here")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#done").focus()
        self.filtered()

    def question(self) -> None:
        return None

    def fetch(self, question: None) -> None:
        return question

    def show(self, answer: None) -> None:
        return answer

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self.is_placed:
            self.filtered()

    def changed(self, step_error: str) -> None:  # noqa: ARG002
        self.filtered()

    def filtered(self) -> None:
        shown = tuple(row for row in self.console_app.done if done.matches(row, self.filter_text))
        self.query_one("#done", RowTable).show(shown, done.columns(now=time.time()))

    def action_copy(self) -> None:
        item = self.query_one("#done", RowTable).item
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

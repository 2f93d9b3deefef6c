"""What the pools have loaded, and what they could not."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from flowyd.console.dialogs.text import TextDialog
from flowyd.console.screens.live import LiveScreen
from flowyd.console.view_model import actions, modules
from flowyd.console.view_model.cells import Part, Tone
from flowyd.console.view_model.modules import ModuleRow
from flowyd.console.widgets.head import content
from flowyd.console.widgets.row_table import RowTable


class ModulesScreen(LiveScreen[None, None]):
    """Types served and modules in quarantine, from the daemon's status, which the app keeps."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+l", "reload", "Reload")]
    changes = frozenset({"reload"})
    help_text = """\
Enter  the traceback of a quarantined module
ctrl+l  reload modules and configuration"""

    def body(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Static(content((Part("Modules", Tone.STRONG),)))
        yield RowTable[ModuleRow](id="modules", empty="no daemon has told of modules")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#modules").focus()
        self.status_changed()

    def question(self) -> None:
        return None

    def fetch(self, question: None) -> None:
        return question

    def show(self, answer: None) -> None:
        return answer

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self.is_placed:
            self.status_changed()

    def status_changed(self) -> None:
        self.set_stale(bool(self.console_app.daemon_trouble))
        status = self.console_app.status
        rows = modules.module_rows(status) if status is not None else ()
        words = self.filter_text.lower().split()
        shown = tuple(
            row for row in rows if all(word in f"{row.key} {row.problem}".lower() for word in words)
        )
        self.query_one("#modules", RowTable).show(shown, modules.module_columns())

    def filtered(self) -> None:
        self.status_changed()

    def action_reload(self) -> None:
        self.propose(actions.reload())

    @on(RowTable.Opened)
    def _open(self, event: RowTable.Opened) -> None:
        row: ModuleRow = event.item
        said = row.problem or f"served by pool {row.pool}"
        self.app.push_screen(TextDialog(row.name, (Part(said, Tone.BAD if row.problem else Tone.PLAIN),)))

"""What one worker wrote last, followed as it writes."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from flowyd.console.dialogs.text import TextDialog
from flowyd.console.screens.live import LiveScreen
from flowyd.console.view_model import commands, log_lines
from flowyd.console.view_model.cells import Part, Tone
from flowyd.console.view_model.log_lines import LogLine
from flowyd.console.widgets.head import content
from flowyd.console.widgets.row_table import RowTable

#: How many of the last lines are asked for.
LINES = 2_000


class LogScreen(LiveScreen[int, dict[str, Any]]):
    """The tail of a worker's output."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow"),
        Binding("y", "copy", "Copy lines"),
        Binding("Y", "copy_command", "Copy command", key_display="Y"),
        Binding("space", "mark", "Mark", show=False),
    ]
    help_text = """\
f  follow the end, or stay       Enter  the whole line
Space  mark lines                y  copy the marked lines, or this one
Y  copy the command that shows the log"""
    every_s = 1.0

    def __init__(self, pid: int, name: str) -> None:
        super().__init__()
        self.pid = pid
        self.whose = name
        self._lines: tuple[LogLine, ...] = ()
        self._following = True

    def body(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Static(id="whose")
        yield RowTable[LogLine](id="log", empty="it has written nothing yet", marks=True)

    def on_mount(self) -> None:
        super().on_mount()
        self._title()
        self.table.focus()

    @property
    def table(self) -> RowTable[LogLine]:
        return self.query_one("#log", RowTable)

    def question(self) -> int:
        return self.pid

    def fetch(self, question: int) -> dict[str, Any]:
        return self.console_app.backend.control("log", {"pid": question, "lines": LINES})

    def show(self, answer: dict[str, Any]) -> None:
        self._lines = log_lines.log_lines(answer["lines"])
        self.set_stale(False)
        self.filtered()

    def refused(self, error: Exception) -> None:
        self.set_stale(True)
        self.query_one("#whose", Static).update(content((Part(str(error), Tone.WARN),)))

    def filtered(self) -> None:
        shown = tuple(line for line in self._lines if log_lines.matches(line, self.filter_text))
        self.table.show(shown, log_lines.columns(now=time.time()))
        if self._following:
            self.table.action_move_to_last()

    def _title(self) -> None:
        follows = "following" if self._following else "not following"
        parts = (Part(f"Log of {self.whose} {self.pid}", Tone.STRONG), Part(f"  {follows}", Tone.DIM))
        self.query_one("#whose", Static).update(content(parts))

    def action_follow(self) -> None:
        self._following = not self._following
        self._title()
        self.filtered()

    @on(RowTable.Moved)
    def _moved(self) -> None:
        """Going up from the end stops following, as in `less`."""
        at_end = self.table.item is None or self.table.item is self.table.items[-1]
        if self._following and not at_end:
            self._following = False
            self._title()

    def action_copy(self) -> None:
        lines = self.table.targets
        if lines:
            self.app.copy_to_clipboard("\n".join(line.text for line in lines))
            self.notify(f"{len(lines)} lines copied", timeout=2)

    def action_copy_command(self) -> None:
        self.copy_command(commands.line("log", "--pid", str(self.pid)), scoped=False)

    @on(RowTable.Opened)
    def _open(self, event: RowTable.Opened) -> None:
        self.app.push_screen(TextDialog(f"{self.whose} {self.pid}", (Part(event.item.text),)))

    def leave(self) -> None:
        self.app.pop_screen()

"""What one worker wrote last, followed as it writes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Static

from flowyd.console.dialogs.text import TextDialog
from flowyd.console.screens.tables import TableScreen
from flowyd.console.view_model import commands, log_lines
from flowyd.console.view_model.cells import Cell, Column, Part, Tone
from flowyd.console.view_model.log_lines import LogLine
from flowyd.console.widgets.head import content
from flowyd.console.widgets.row_table import RowTable

#: How many of the last lines are asked for.
LINES = 2_000


class LogScreen(TableScreen[int, dict[str, Any], LogLine]):
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

    asks_swf = False
    heading = "Log"
    table_id = "log"
    empty = "it has written nothing yet"
    marks = True

    def title_line(self) -> Cell:
        follows = "following" if self._following else "not following"
        return (Part(f"Log of {self.whose} {self.pid}", Tone.STRONG), Part(f"  {follows}", Tone.DIM))

    def question(self) -> int:
        return self.pid

    def fetch(self, question: int) -> dict[str, Any]:
        return self.console_app.backend.control("log", {"pid": question, "lines": LINES})

    def show(self, answer: dict[str, Any]) -> None:
        self._lines = log_lines.log_lines(answer["lines"])
        self.write_title()
        super().show(answer)

    def refused(self, error: Exception) -> None:
        self.set_stale(True)
        self.query_one("#title-line", Static).update(content((Part(str(error), Tone.WARN),)))

    def rows(self) -> Sequence[LogLine]:
        return self._lines

    def found(self, row: LogLine) -> bool:
        return log_lines.matches(row, self.filter_text)

    def columns(self) -> Sequence[Column[LogLine]]:
        return log_lines.columns(now=time.time())

    def filtered(self) -> None:
        super().filtered()
        if self._following:
            self.table.action_move_to_last()

    def action_follow(self) -> None:
        self._following = not self._following
        self.write_title()
        self.filtered()

    @on(RowTable.Moved)
    def _moved(self) -> None:
        """Going up from the end stops following, as in `less`."""
        at_end = self.table.item is None or self.table.item is self.table.items[-1]
        if self._following and not at_end:
            self._following = False
            self.write_title()

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

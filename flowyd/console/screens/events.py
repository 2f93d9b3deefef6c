"""What happened to the daemon and who asked for it, on one time axis, newest first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from flowyd.console.dialogs.text import TextDialog
from flowyd.console.screens.tables import TableScreen
from flowyd.console.screens.worker_log import LogScreen
from flowyd.console.view_model import events
from flowyd.console.view_model.cells import Column, Part
from flowyd.console.view_model.events import EventLine
from flowyd.console.widgets.row_table import RowTable

#: As many events are kept here; the daemon keeps fewer, so a console left open knows more.
KEPT = 5_000
#: Asked for at a time.
MOST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Whose events are known up to which number."""

    daemon_pid: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """The events beyond what was known, oldest first."""

    daemon_pid: int
    fresh: tuple[EventLine, ...]


class EventsScreen(TableScreen[Known, Fresh, EventLine]):
    """The daemon's events."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("L", "log", "Log", key_display="L"),
        Binding("y", "copy", "Copy line"),
    ]
    help_text = """\
Enter  the event in full         L  log of the worker it is about
y  copy the line

Starts and deaths of workers, reloads, quarantines, and every command
with the user id that asked. /uid 0 shows what root asked for."""
    every_s = 1.0

    asks_swf = False
    heading = "Events"
    subheading = "of the daemon, newest first"
    table_id = "daemon-events"
    empty = "no daemon has told of events"

    def __init__(self) -> None:
        super().__init__()
        self._daemon_pid = 0
        self._lines: tuple[EventLine, ...] = ()

    def question(self) -> Known | None:
        status = self.console_app.status
        if status is None:
            return None
        known = self._lines[0].number if self._lines and status.pid == self._daemon_pid else 0
        return Known(daemon_pid=status.pid, number=known)

    def fetch(self, question: Known) -> Fresh:
        answer: dict[str, Any] = self.console_app.backend.control(
            "events", {"after": question.number, "most": MOST}
        )
        return Fresh(daemon_pid=question.daemon_pid, fresh=events.event_lines(answer["events"]))

    def show(self, answer: Fresh) -> None:
        kept = self._lines if answer.daemon_pid == self._daemon_pid else ()
        self._daemon_pid = answer.daemon_pid
        self._lines = (*reversed(answer.fresh), *kept)[:KEPT]
        super().show(answer)

    def refused(self, error: Exception) -> None:  # noqa: ARG002 (the status tells of the daemon)
        self.set_stale(True)

    def rows(self) -> Sequence[EventLine]:
        return self._lines

    def found(self, row: EventLine) -> bool:
        return events.matches(row, self.filter_text)

    def columns(self) -> Sequence[Column[EventLine]]:
        return events.columns(now=time.time())

    def action_log(self) -> None:
        line = self.table.item
        if line is None or not line.pid:
            self.notify("This event is about no worker", timeout=3)
            return
        self.app.push_screen(LogScreen(line.pid, line.pool))

    def action_copy(self) -> None:
        line = self.table.item
        if line is not None:
            self.app.copy_to_clipboard(line.text)
            self.notify("copied", timeout=2)

    @on(RowTable.Opened)
    def _open(self, event: RowTable.Opened) -> None:
        line: EventLine = event.item
        self.app.push_screen(TextDialog(f"{line.level} {line.action}", (Part(line.text),)))

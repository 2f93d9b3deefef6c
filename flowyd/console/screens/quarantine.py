"""Activity tasks that killed their workers, and what is to become of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from flowyd.console.dialogs.text import TextDialog
from flowyd.console.screens.tables import StatusScreen
from flowyd.console.view_model import commands, daemon_actions, quarantine
from flowyd.console.view_model.actions import Action
from flowyd.console.view_model.cells import Column
from flowyd.console.widgets.row_table import RowTable
from flowyd.control.quarantine import QuarantinedTask


class QuarantineScreen(StatusScreen[QuarantinedTask]):
    """Opened from the workers: their deaths led here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "release", "Release"),
        Binding("f", "fail", "Fail"),
        Binding("m", "raise_limit", "Raise limit"),
        Binding("a", "mark_all", "Mark all", show=False),
        Binding("y", "copy", "Copy command", show=False),
    ]
    changes = frozenset({"release", "fail", "raise_limit"})
    help_text = """\
r  release: run it again in a fresh worker
f  fail it: this attempt and all further ones fail at once
m  raise the limit of deaths of this task, and run it again
Enter  what happened           Space, a  mark one, all
y  copy the command that shows this

A task is held here after its pool's quarantine_deaths deaths in a row.
Its attempts stay open meanwhile, within their own timeouts."""
    heading = "Quarantined tasks"
    subheading = "killed their workers; they wait for you"
    table_id = "quarantine"
    empty = "no task has killed its workers"
    marks = True

    def rows(self) -> Sequence[QuarantinedTask]:
        status = self.console_app.status
        return status.quarantined if status is not None else ()

    def found(self, row: QuarantinedTask) -> bool:
        return quarantine.found(row, self.filter_text)

    def columns(self) -> Sequence[Column[QuarantinedTask]]:
        return quarantine.columns(now=time.time())

    def leave(self) -> None:
        self.app.pop_screen()

    def action_mark_all(self) -> None:
        self.table.mark_all()

    def action_release(self) -> None:
        self._propose(daemon_actions.release_tasks)

    def action_fail(self) -> None:
        self._propose(daemon_actions.fail_tasks)

    def action_raise_limit(self) -> None:
        self._propose(daemon_actions.raise_task_limit)

    def _propose(self, make: Callable[[Sequence[QuarantinedTask]], Action]) -> None:
        if self.table.targets:
            self.propose(make(self.table.targets))

    def action_copy(self) -> None:
        self.copy_command(commands.line("quarantine"), scoped=False)

    @on(RowTable.Opened)
    def _open(self, event: RowTable.Opened) -> None:
        task: QuarantinedTask = event.item
        self.app.push_screen(TextDialog(f"Task {task.key}", quarantine.in_full(task, now=time.time())))

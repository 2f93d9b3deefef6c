"""Pools and workers, live, and what an operator does with them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from flowyd.console.screens.execution import ExecutionScreen
from flowyd.console.screens.quarantine import QuarantineScreen
from flowyd.console.screens.tables import StatusScreen
from flowyd.console.screens.worker_log import LogScreen
from flowyd.console.view_model import commands, daemon_actions, workers
from flowyd.console.view_model.cells import Cell, Column, Part, Tone
from flowyd.console.view_model.workers import WorkerRow
from flowyd.console.widgets.row_table import RowTable


class WorkersScreen(StatusScreen[WorkerRow]):
    """The daemon's processes. The status is the app's: it asks for it all the time, for the head."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("L", "log", "Log", key_display="L"),
        Binding("e", "execution", "Execution", show=False),
        Binding("s", "scale", "Scale"),
        Binding("d", "drain", "Drain"),
        Binding("u", "resume", "Resume"),
        Binding("x", "recycle", "Recycle"),
        Binding("t", "dump", "Stacks", show=False),
        Binding("z", "quarantine", "Held"),
        Binding("ctrl+l", "reload", "Reload", show=False),
        Binding("y", "copy", "Copy command", show=False),
    ]
    changes = frozenset({"scale", "drain", "resume", "recycle", "reload", "dump"})
    help_text = """\
Enter or L  log of the worker    e  the execution it works for
s  scale the pool                d  drain it   u  resume it, and try
                                    again what gave up (fatal)
x  recycle the worker, or each worker of the pool
t  have the worker write its stacks into its log
z  tasks that killed their workers and wait for you
ctrl+l  reload modules and configuration
y  copy the command that shows this

For: how long in that state. Beat: age of the task's last heartbeat.
Report: age of the last word from the worker."""

    heading = "Workers"
    table_id = "workers"
    empty = "no daemon answers"

    def rows(self) -> Sequence[WorkerRow]:
        status = self.console_app.status
        return workers.rows(status) if status is not None else ()

    def found(self, row: WorkerRow) -> bool:
        return workers.found(row, self.filter_text)

    def columns(self) -> Sequence[Column[WorkerRow]]:
        return workers.columns(now=time.time())

    def title_line(self) -> Cell:
        status = self.console_app.status
        heading = Part(self.heading, Tone.STRONG)
        return (heading, *workers.daemon_line(status, now=time.time())) if status is not None else (heading,)

    # Keys.

    @on(RowTable.Opened, "#workers")
    def action_log(self) -> None:
        row = self.table.item
        if row is None:
            return
        if row.worker is None or not row.worker.pid:
            self.notify("Choose a running worker below the pool", timeout=3)
            return
        self.app.push_screen(LogScreen(row.worker.pid, f"{row.pool.name if row.pool else 'engine'}"))

    def action_execution(self) -> None:
        row = self.table.item
        task = row.worker.task if row is not None and row.worker is not None else None
        status, shown = self.console_app.status, self.console_app.domain
        if task is None:
            self.notify("It works for no execution at the moment", timeout=3)
        elif status is not None and status.domain != shown:
            text = f"It works for domain {status.domain}; {shown} is shown, screen 6 changes that"
            self.notify(text, markup=False)
        else:
            self.app.push_screen(ExecutionScreen(task["workflow_id"], task["run_id"]))

    def action_scale(self) -> None:
        row = self.table.item
        if row is not None and row.pool is not None:
            self.propose(daemon_actions.scale(row.pool.name, row.pool.processes))

    def action_drain(self) -> None:
        self._on_pool("drain")

    def action_resume(self) -> None:
        self._on_pool("resume")

    def _on_pool(self, command: str) -> None:
        row = self.table.item
        if row is not None and row.pool is not None:
            self.propose(daemon_actions.on_pool(command, row.pool.name))

    def action_recycle(self) -> None:
        row = self.table.item
        if row is None or row.pool is None:
            return
        chosen = row.pool.workers if row.worker is None else (row.worker,)
        pids = [worker.pid for worker in chosen if worker.pid]
        if pids:
            self.propose(daemon_actions.recycle(row.pool.name, pids))

    def action_dump(self) -> None:
        row = self.table.item
        if row is None or row.worker is None or not row.worker.pid:
            self.notify("Choose a running worker below the pool", timeout=3)
        else:
            self.propose(daemon_actions.dump(row.pool.name if row.pool else "engine", row.worker.pid))

    def action_quarantine(self) -> None:
        self.app.push_screen(QuarantineScreen())

    def action_reload(self) -> None:
        self.propose(daemon_actions.reload())

    def action_copy(self) -> None:
        self.copy_command(commands.line("workers"), scoped=False)

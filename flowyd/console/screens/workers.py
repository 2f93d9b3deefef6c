"""Pools and workers, live, and what an operator does with them."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from flowyd.console.screens.execution import ExecutionScreen
from flowyd.console.screens.live import LiveScreen
from flowyd.console.screens.worker_log import LogScreen
from flowyd.console.view_model import actions, commands, workers
from flowyd.console.view_model.cells import Part, Tone
from flowyd.console.view_model.wording import duration
from flowyd.console.view_model.workers import WorkerRow
from flowyd.console.widgets.head import content
from flowyd.console.widgets.row_table import RowTable


class WorkersScreen(LiveScreen[None, None]):
    """The daemon's processes. The status is the app's: it asks for it all the time, for the head."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("L", "log", "Log", key_display="L"),
        Binding("e", "execution", "Execution"),
        Binding("s", "scale", "Scale"),
        Binding("d", "drain", "Drain"),
        Binding("u", "resume", "Resume"),
        Binding("x", "recycle", "Recycle"),
        Binding("t", "dump", "Stacks", show=False),
        Binding("ctrl+l", "reload", "Reload"),
        Binding("y", "copy", "Copy command", show=False),
    ]
    changes = frozenset({"scale", "drain", "resume", "recycle", "reload", "dump"})
    help_text = """\
Enter or L  log of the worker    e  the execution it works for
s  scale the pool                d  drain it   u  resume it, and try
                                    again what gave up (fatal)
x  recycle the worker, or each worker of the pool
t  have the worker write its stacks into its log
ctrl+l  reload modules and configuration
y  copy the command that shows this

For: how long in that state. Beat: age of the task's last heartbeat.
Report: age of the last word from the worker."""

    def body(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Static(id="daemon")
        yield RowTable[WorkerRow](id="workers", empty="no daemon answers")

    @property
    def table(self) -> RowTable[WorkerRow]:
        return self.query_one("#workers", RowTable)

    def on_mount(self) -> None:
        super().on_mount()
        self.table.focus()
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
        console, now = self.console_app, time.time()
        self.set_stale(bool(console.daemon_trouble))
        if console.status is None:
            self.table.show((), workers.columns(now=now))
            return
        rows = workers.rows(console.status)
        if self.filter_text:
            rows = tuple(row for row in rows if workers.found(row, self.filter_text))
        self.table.show(rows, workers.columns(now=now))
        status = console.status
        self.query_one("#daemon", Static).update(
            content(
                (
                    Part("Workers", Tone.STRONG),
                    Part(f"  daemon {status.pid} {status.state} for {duration(now - status.started_at)}"),
                    Part(f"  flowyd {status.version}  {status.config_file}", Tone.DIM),
                )
            )
        )

    def filtered(self) -> None:
        self.status_changed()

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
        if task is None:
            self.notify("It works for no execution at the moment", timeout=3)
        else:
            self.app.push_screen(ExecutionScreen(task["workflow_id"], task["run_id"]))

    def action_scale(self) -> None:
        row = self.table.item
        if row is not None and row.pool is not None:
            self.propose(actions.scale(row.pool.name, row.pool.processes))

    def action_drain(self) -> None:
        self._on_pool("drain")

    def action_resume(self) -> None:
        self._on_pool("resume")

    def _on_pool(self, command: str) -> None:
        row = self.table.item
        if row is not None and row.pool is not None:
            self.propose(actions.on_pool(command, row.pool.name))

    def action_recycle(self) -> None:
        row = self.table.item
        if row is None or row.pool is None:
            return
        chosen = row.pool.workers if row.worker is None else (row.worker,)
        pids = [worker.pid for worker in chosen if worker.pid]
        if pids:
            self.propose(actions.recycle(row.pool.name, pids))

    def action_dump(self) -> None:
        row = self.table.item
        if row is None or row.worker is None or not row.worker.pid:
            self.notify("Choose a running worker below the pool", timeout=3)
        else:
            self.propose(actions.dump(row.pool.name if row.pool else "engine", row.worker.pid))

    def action_reload(self) -> None:
        self.propose(actions.reload())

    def action_copy(self) -> None:
        self.copy_command(commands.line("workers"), scoped=False)

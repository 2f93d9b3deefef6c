"""Open and closed executions of the domain, newest first, filtered as one types."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from flowyd.console.reading import PAGE, Listing, ListQuestion, Side, list_executions
from flowyd.console.screens.execution import ExecutionScreen
from flowyd.console.screens.live import LiveScreen
from flowyd.console.screens.starting import start_again, start_new
from flowyd.console.view_model import commands, execution_actions, executions, query
from flowyd.console.view_model.cells import Part, Tone
from flowyd.console.view_model.executions import Execution
from flowyd.console.view_model.wording import number
from flowyd.console.widgets.head import content
from flowyd.console.widgets.row_table import RowTable


class ExecutionsScreen(LiveScreen[ListQuestion, Listing]):
    """The list of executions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "side", "Closed"),
        Binding("n", "start", "Start"),
        Binding("r", "again", "Start again", show=False),
        Binding("s", "signal", "Signal"),
        Binding("c", "cancel", "Cancel"),
        Binding("ctrl+t", "terminate", "Terminate"),
        Binding("a", "mark_all", "Mark all", show=False),
        Binding("m", "more", "More", show=False),
        Binding("y", "copy", "Copy command", show=False),
    ]
    changes = frozenset({"start", "again", "signal", "cancel", "terminate"})
    help_text = """\
Enter  open the execution        o  open, closed or all
n  start a workflow              r  start again with changes
s  signal   c  request a cancel  ctrl+t  terminate
Space  mark, a  mark all shown: actions then concern all marked
m  load more than the newest     y  copy the command that shows it

Filter: words, and terms such as type:imagecateg status:failed
tag:nightly id:order- since:2h before:1d; -term turns it round."""

    def __init__(self) -> None:
        super().__init__()
        self.side = Side.OPEN
        self._most = PAGE
        self._listing: Listing | None = None
        self._query = query.parse("")

    def body(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Static(id="counts")
        yield RowTable[Execution](id="executions", marks=True)

    @property
    def table(self) -> RowTable[Execution]:
        return self.query_one("#executions", RowTable)

    def on_mount(self) -> None:
        super().on_mount()
        self.set_focus(self.table)

    # Asking.

    def question(self) -> ListQuestion:
        # A filter looks at everything, so everything is asked for while one is set.
        most = self._most if self._query.is_empty else 0
        return ListQuestion(
            domain=self.console_app.domain,
            side=self.side,
            most=most,
            close_status=query.close_status(self._query),
        )

    def fetch(self, question: ListQuestion) -> Listing:
        return list_executions(self.console_app.backend, question)

    def show(self, answer: Listing) -> None:
        self._listing = answer
        self.set_stale(False)
        self._place()

    def refused(self, error: Exception) -> None:
        super().refused(error)
        self.set_stale(True)

    def filtered(self) -> None:
        self._query = query.parse(self.filter_text)
        if self._listing is not None:
            self._place()
            if self._listing.more and not self._query.is_empty:
                self.ask_soon()

    def _place(self) -> None:
        listing, now = self._listing, time.time()
        if listing is None:
            return
        shown = tuple(e for e in listing.executions if query.matches(self._query, e, now=now))
        words = {Side.OPEN: "no open executions", Side.CLOSED: "no closed executions"}
        self.table.empty = (
            "nothing matches the filter; Escape clears it"
            if listing.executions
            else f"{words.get(self.side, 'no executions')} in domain {self.console_app.domain}; n starts one"
        )
        self.table.show(shown, executions.columns(now))
        self._count(len(shown))

    def _count(self, shown: int) -> None:
        listing = self._listing
        if listing is None:
            return
        plus = "+" if listing.truncated else ""
        parts = [
            Part(f"{self.side.value.capitalize()} executions  ", Tone.STRONG),
            Part(
                f"{number(listing.open_count)}{plus} open",
                Tone.BUSY if self.side is not Side.CLOSED else Tone.DIM,
            ),
            Part("  "),
            Part(
                f"{number(listing.closed_count)}{plus} closed",
                Tone.PLAIN if self.side is not Side.OPEN else Tone.DIM,
            ),
        ]
        if shown != len(listing.executions):
            parts.append(Part(f"   {number(shown)} match", Tone.STRONG))
            if listing.more:
                parts.append(Part(f" among {number(len(listing.executions))} so far", Tone.DIM))
        elif listing.more:
            parts.append(Part(f"   newest {number(shown)} shown, m for more", Tone.DIM))
        keys = self.table.marked
        marked = sum(1 for item in self.table.items if item.key in keys) if keys else 0
        if marked:
            parts.append(Part(f"   {number(marked)} marked", Tone.WARN))
        if self.table.sorted_by:
            parts.append(Part(f"   by {self.table.sorted_by.lower()}", Tone.DIM))
        self.query_one("#counts", Static).update(content(tuple(parts)), layout=False)

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self._count(len(self.table.items))

    # Keys.

    def action_side(self) -> None:
        self.side = self.side.next
        self.ask_soon()

    def action_more(self) -> None:
        self._most += PAGE
        self.ask_soon()

    def action_mark_all(self) -> None:
        self.table.mark_all()

    def action_start(self) -> None:
        start_new(self)

    def action_again(self) -> None:
        if self.table.item is not None:
            start_again(self, self.table.item)

    def action_signal(self) -> None:
        self._propose_open(execution_actions.signal)

    def action_cancel(self) -> None:
        self._propose_open(execution_actions.cancel)

    def action_terminate(self) -> None:
        self._propose_open(execution_actions.terminate)

    def _propose_open(self, make: execution_actions.OnExecutions) -> None:
        chosen = self.table.targets
        open_ones = tuple(execution for execution in chosen if execution.is_open)
        if open_ones:
            self.propose(make(self.console_app.domain, open_ones))
        elif chosen:
            self.notify("It is closed already", severity="warning")

    def action_copy(self) -> None:
        item = self.table.item
        if item is not None:
            self.copy_command(commands.show(("show",), item.workflow_id, item.run_id), scoped=True)

    @on(RowTable.Opened, "#executions")
    def _open(self, event: RowTable.Opened) -> None:
        self.app.push_screen(ExecutionScreen(event.item.workflow_id, event.item.run_id))

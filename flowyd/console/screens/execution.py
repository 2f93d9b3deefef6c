"""One execution: summary, timeline and what it waits for; its history; its payloads; its raw JSON.

The screen follows an open execution; of a history it knows, only new events are asked for. Of a long history
the first page is shown while the others come.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import ContentSwitcher, Static

from flowyd.console import collecting
from flowyd.console.dialogs.text import TextDialog
from flowyd.console.reading import ExecutionAnswer, ExecutionQuestion, read_execution
from flowyd.console.screens.live import LiveScreen
from flowyd.console.screens.starting import start_again
from flowyd.console.sources import line_of
from flowyd.console.view_model import (
    commands,
    execution_actions,
    history,
    payloads,
    summary,
    timeline,
    waiting,
)
from flowyd.console.view_model.cells import Part, Tone, cut_inside
from flowyd.console.view_model.history import EventRow
from flowyd.console.view_model.spans import Event, Kind, Span
from flowyd.console.view_model.waiting import Wait
from flowyd.console.widgets.head import content
from flowyd.console.widgets.row_table import RowTable

#: The views and their keys.
VIEWS = {
    "overview": ("t", "Timeline"),
    "history": ("h", "History"),
    "payloads": ("i", "Input/result"),
    "raw": ("w", "Raw JSON"),
}

#: So much of the workflow id is always shown, characters, whatever else stands in its line.
ID_WIDTH = 16


class ExecutionScreen(LiveScreen[ExecutionQuestion, ExecutionAnswer]):
    """One execution from all sides."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"view('{name}')", title, show=False) for name, (key, title) in VIEWS.items()),
        Binding("d", "decisions", "Decisions", show=False),
        Binding("p", "parent", "Parent", show=False),
        Binding("s", "signal", "Signal"),
        Binding("c", "cancel", "Cancel"),
        Binding("ctrl+t", "terminate", "Terminate"),
        Binding("r", "again", "Again"),
        Binding("y", "copy", "Copy", tooltip="the equal command"),
        Binding("n", "found(1)", "Next found", show=False),
        Binding("N", "found(-1)", "Previous found", show=False),
    ]
    changes = frozenset({"again", "signal", "cancel", "terminate"})
    help_text = """\
t  timeline   h  history   i  input and result   w  raw JSON
Enter  on a bar or event: all of it; on a child: the child
d  show decision tasks           p  go to the parent
s  signal   c  request a cancel  ctrl+t  terminate
r  start again with changes      y  copy the command that shows it
/  filter timeline or history; search in the raw JSON, n and N: next

░ waits for a worker   █ is worked on   ┄ timer   ✉ signal   ⚑ marker"""
    every_s = 1.0

    def __init__(self, workflow_id: str, run_id: str) -> None:
        super().__init__()
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.answer: ExecutionAnswer | None = None
        self._spans: tuple[Span, ...] = ()
        self._decisions_shown = False
        self._rows: list[EventRow] = []
        #: A long history is thousands of lines of JSON: they are written only for who looks at them.
        self._raw_is_old = True

    def body(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Static(id="views")
        with ContentSwitcher(initial="overview"):
            with Vertical(id="overview"):
                yield Static(id="summary")
                yield RowTable[Span](id="timeline", empty="nothing has been scheduled yet")
                yield RowTable[Wait](id="waits")
                yield RowTable[EventRow](id="latest")
            with Horizontal(id="history"):
                yield RowTable[EventRow](id="events", empty="no event matches; Escape clears the filter")
                with VerticalScroll(id="event"):
                    yield Static(id="event-text", markup=False)
            with VerticalScroll(id="payloads"):
                yield Static(id="payload-text")
            with Vertical(id="raw"):
                yield RowTable[history.Line](id="lines")

    def on_mount(self) -> None:
        super().on_mount()
        self._title()
        self.set_focus(self.query_one("#timeline"))

    @property
    def view(self) -> str:
        """The view that is shown."""
        return self.query_one(ContentSwitcher).current or "overview"

    # Asking.

    def question(self) -> ExecutionQuestion | None:
        answer = self.answer
        if answer is not None and answer.whole and not answer.execution.is_open:
            return None
        known = None if answer is None else answer.events if answer.whole else ()
        return ExecutionQuestion(
            domain=self.console_app.domain, workflow_id=self.workflow_id, run_id=self.run_id, known=known
        )

    def fetch(self, question: ExecutionQuestion) -> ExecutionAnswer:
        backend = self.console_app.backend
        answer = read_execution(backend, question)
        at = summary.stands_at(answer.description)
        return replace(answer, source_line=line_of(backend.target.workflow_directories, at))

    def show(self, answer: ExecutionAnswer) -> None:
        grown = self.answer is None or len(answer.events) != len(self.answer.events)
        self.answer = answer
        if grown:
            self._spans = answer.spans
        self.set_stale(False)
        self._title()
        self._place_overview()
        if grown:
            self._extend_rows(answer.events)
            self._raw_is_old = True
            self._place_history()
            self._place_payloads()
            self._place_raw()
        if not answer.whole:
            self.ask_soon()

    def refused(self, error: Exception) -> None:
        super().refused(error)
        self.set_stale(True)

    def status_changed(self) -> None:
        self._place_overview()

    def filtered(self) -> None:
        if self.view == "raw":
            self.action_found(0)
            return
        self._place_overview()
        self._place_history()

    # Placing.

    def _title(self) -> None:
        parts = [Part("  ")]
        for name, (key, title) in VIEWS.items():
            here = name == self.view
            parts += [Part(f" {key} ", Tone.DIM), Part(title, Tone.STRONG if here else Tone.DIM)]
        if self.answer is not None and not self.answer.whole:
            parts.append(Part(f"  first {len(self.answer.events)} events, the others are coming", Tone.WARN))
        room = self.size.width - 2 - sum(len(part.text) for part in parts)
        parts.insert(0, Part(cut_inside(self.workflow_id, max(room, ID_WIDTH)), Tone.STRONG))
        self.query_one("#views", Static).update(content(tuple(parts)))

    def on_resize(self) -> None:
        self._title()

    def _place_overview(self) -> None:
        answer, now = self.answer, time.time()
        if answer is None or self.view != "overview":
            return
        lines = summary.lines(
            answer.execution, answer.description, answer.events, source_line=answer.source_line, now=now
        )
        self.query_one("#summary", Static).update(content(summary.joined(lines, self.size.width)))
        hidden = {Kind.DECISION} if not self._decisions_shown else set()
        words = self.filter_text.lower().split()
        shown = tuple(
            s for s in self._spans if s.kind not in hidden and (not words or summary.found(s, words))
        )
        run = answer.execution
        line = timeline.axis(self._spans, started_at=run.started_at, closed_at=run.closed_at, now=now)
        self.query_one("#timeline", RowTable).show(shown, timeline.columns(line, now=now))
        table = self.query_one("#waits", RowTable)
        # What it waits for is told by the end of its history.
        table.display = run.is_open and answer.whole
        if table.display:
            found = waiting.waits(
                self._spans,
                workflow_id=run.workflow_id,
                run_id=run.run_id,
                status=self.console_app.status,
                now=now,
                workflow_type=f"{run.type_name} {run.type_version}",
                context=answer.description.get("latestExecutionContext"),
            )
            table.show(found, waiting.columns(found))

    def _extend_rows(self, events: Sequence[Event]) -> None:
        """Appends the rows of new events; a history only grows, so what is written stays."""
        known = len(self._rows)
        before = self._rows[-1].at if self._rows else None
        self._rows += history.rows(events[known:], before=before)

    def _place_history(self) -> None:
        if self.answer is None:
            return
        rows = self._rows
        if self.filter_text:
            rows = [row for row in rows if history.found(row, self.filter_text)]
        shown = tuple(rows)
        self.query_one("#events", RowTable).show(shown, history.columns(now=time.time()))
        if self.answer.whole:
            self.query_one("#latest", RowTable).show(shown[::-1], history.columns(now=time.time()))
        self._show_event()

    @on(RowTable.Moved, "#events")
    def _show_event(self) -> None:
        item = self.query_one("#events", RowTable).item
        text = "" if item is None else history.as_json(item.event)
        self.query_one("#event-text", Static).update(text)

    def _place_payloads(self) -> None:
        if self.answer is not None and self.answer.whole:
            parts = payloads.parts(self.answer.description, self.answer.events)
            self.query_one("#payload-text", Static).update(content(parts))

    def _place_raw(self) -> None:
        if self.answer is not None and self.answer.whole and self._raw_is_old and self.view == "raw":
            self._raw_is_old = False
            whole = {"execution": self.answer.description, "events": self.answer.events}
            self.query_one("#lines", RowTable).show(history.lines(whole), history.line_columns())

    # Keys.

    def action_view(self, name: str) -> None:
        self.query_one(ContentSwitcher).current = name
        self._title()
        self._place_raw()
        self._place_overview()
        self.focus_table()

    async def action_next_view(self, by: int) -> None:
        names = list(VIEWS)
        self.action_view(names[(names.index(self.view) + by) % len(names)])

    def focus_table(self) -> None:
        inside = {"overview": "#timeline", "history": "#events", "payloads": "#payloads", "raw": "#lines"}
        self.set_focus(self.query_one(inside[self.view]))

    def action_decisions(self) -> None:
        self._decisions_shown = not self._decisions_shown
        self._place_overview()

    def action_found(self, by: int) -> None:
        """Goes to the next line of the raw JSON that holds the searched text; 0: this one may be it."""
        table: RowTable[history.Line] = self.query_one("#lines", RowTable)
        if self.view != "raw" or not self.filter_text or table.item is None:
            return
        place = history.find(table.items, self.filter_text, start=table.item.number, by=by)
        if place is None:
            self.notify("not found", severity="warning", timeout=2)
        else:
            table.select_place(place)

    def leave(self) -> None:
        self.app.pop_screen()
        self.app.set_timer(collecting.AFTER_LEAVING_S, collecting.collect)

    def action_parent(self) -> None:
        parent = self.answer.execution.parent if self.answer is not None else ()
        if parent:
            self.app.push_screen(ExecutionScreen(*parent))
        else:
            self.notify("It has no parent")

    @on(RowTable.Opened, "#timeline")
    def _open_span(self, event: RowTable.Opened) -> None:
        span: Span = event.item
        if span.kind is Kind.CHILD and span.run_id:
            self.app.push_screen(ExecutionScreen(span.id, span.run_id))
        else:
            self.app.push_screen(TextDialog(f"{span.kind.value} {span.id}", payloads.span_parts(span)))

    @on(RowTable.Opened, "#waits")
    def _open_wait(self, event: RowTable.Opened) -> None:
        wait: Wait = event.item
        parts = [Part(f"{wait.what}\n\n"), Part(wait.reason, wait.tone)]
        if wait.advice:
            parts += [Part("\n\n"), Part(wait.advice, Tone.STRONG)]
        self.app.push_screen(TextDialog("Why it does not go on", tuple(parts)))

    @on(RowTable.Opened, "#events")
    @on(RowTable.Opened, "#latest")
    def _open_event(self, event: RowTable.Opened) -> None:
        row: EventRow = event.item
        self.app.push_screen(TextDialog(f"{row.event_id} {row.type}", (Part(history.as_json(row.event)),)))

    def action_signal(self) -> None:
        self._propose_open(execution_actions.signal)

    def action_cancel(self) -> None:
        self._propose_open(execution_actions.cancel)

    def action_terminate(self) -> None:
        self._propose_open(execution_actions.terminate)

    def _propose_open(self, make: execution_actions.OnExecutions) -> None:
        if self.answer is None:
            return
        if self.answer.execution.is_open:
            self.propose(make(self.console_app.domain, (self.answer.execution,)))
        else:
            self.notify("It is closed already", severity="warning")

    def action_again(self) -> None:
        if self.answer is not None:
            start_again(self, self.answer.execution)

    def action_copy(self) -> None:
        words = {"history": ("history",), "raw": ("history", "--raw")}.get(self.view, ("show",))
        self.copy_command(commands.show(words, self.workflow_id, self.run_id), scoped=True)

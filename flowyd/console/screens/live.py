"""What all live screens have in common: the head, the filter line, and asking again while visible.

A screen says what it asks (`question`, on the UI thread), how it is answered (`fetch`, in a thread), and
shows the answer (`show`). Only the visible screen asks; one question is under way at a time; when answers
take long, the pause grows with them.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Input

from flowyd.console.messages import Fetched, NotFetched
from flowyd.console.view_model.actions import Action
from flowyd.console.widgets.head import Head
from flowyd.console.widgets.row_table import RowTable
from flowyd.errors import FlowydError
from flowyd.swf.faults import ThrottlingException

if TYPE_CHECKING:
    from flowyd.console.app import Console

Question = TypeVar("Question")
Answer = TypeVar("Answer")

#: How often a visible screen looks whether it should ask again.
TICK_S = 0.25
#: After an answer the screen pauses at least this many times as long as the answer took.
PAUSE_FACTOR = 5.0
#: So long after a letter of the filter nothing is asked: reading long answers would make the next one wait.
TYPING_S = 0.5
#: While the service throttles, the pause doubles up to this.
LONGEST_PAUSE_S = 30.0


class LiveScreen(Screen[None], Generic[Question, Answer]):
    """A screen that keeps itself up to date."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "back", "Back", show=False),
        Binding("ctrl+r,f5", "ask_now", "Refresh", show=False),
        Binding("tab", "next_view(1)", "Next view", show=False),
        Binding("shift+tab", "next_view(-1)", "Previous view", show=False),
    ]

    #: Pause between two questions, seconds.
    every_s: ClassVar[float] = 2.0
    #: Its questions go to the SWF service, so that their answers tell that it is there.
    asks_swf: ClassVar[bool] = True
    #: Actions that change something: who may only look sees their keys greyed, and is told on pressing one.
    changes: ClassVar[frozenset[str]] = frozenset()
    #: What the help says of this screen, one line per key or fact.
    help_text: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self._asked_at = 0.0
        #: Pause between the last answer and the next question, seconds.
        self.pause_s = 0.0
        self._asking = False
        self.filter_text = ""
        #: When a letter of the filter was typed last, monotonic seconds.
        self._typed_at = 0.0
        #: What is shown is not yet what the filter text leaves.
        self._filter_is_old = False
        #: Its widgets stand, so that something can be shown in them.
        self.is_placed = False
        #: When the last answer came, epoch seconds.
        self.answered_at: float | None = None

    @property
    def console_app(self) -> Console:
        return cast("Console", self.app)

    # What each screen says for itself.

    @abstractmethod
    def question(self) -> Question | None:
        """What to ask now; None: nothing."""

    @abstractmethod
    def fetch(self, question: Question) -> Answer:
        """The answer; runs in a thread and may block.

        Raises:
            FlowydError: it was refused, or nobody answers.
        """

    @abstractmethod
    def show(self, answer: Answer) -> None:
        """Places the answer."""

    @abstractmethod
    def body(self) -> ComposeResult:
        """The widgets between head and foot."""

    def status_changed(self) -> None:
        """The daemon's status has been seen anew, or could not be."""

    def filtered(self) -> None:
        """The filter text has changed."""

    # The frame.

    def compose(self) -> ComposeResult:
        yield Head()
        yield from self.body()
        yield Input(id="filter", placeholder="filter", compact=True)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.is_placed = True
        self.set_interval(TICK_S, self._tick)
        self._tick()

    def on_screen_resume(self) -> None:
        self.redraw_head()
        self.ask_soon()

    def redraw_head(self) -> None:
        """Writes the head anew; a screen that is not yet composed has none."""
        for head in self.query(Head):
            head.redraw()

    def ask_soon(self) -> None:
        """Asks again at the next tick."""
        self._asked_at = 0.0
        self.pause_s = 0.0
        self._tick()

    def action_ask_now(self) -> None:
        self.ask_soon()

    def _tick(self) -> None:
        if not self.is_current or self._asking:
            return
        now = time.monotonic()
        if now < self._asked_at + self.pause_s or now < self._typed_at + TYPING_S:
            return
        question = self.question()
        if question is None:
            return
        self._asking = True
        self.run_worker(lambda: self._fetch(question), thread=True, exit_on_error=False)

    def _fetch(self, question: Question) -> None:
        began = time.monotonic()
        try:
            answer = self.fetch(question)
        except FlowydError as error:
            self.post_message(NotFetched(error))
        else:
            self.post_message(Fetched(answer, time.monotonic() - began))

    def _pause(self, seconds: float) -> None:
        self._asking = False
        self._asked_at = time.monotonic()
        self.pause_s = seconds

    @on(Fetched)
    def _show_fetched(self, message: Fetched) -> None:
        patience = self.console_app.backend.target.patience
        self._pause(max(self.every_s * patience, message.took_s * PAUSE_FACTOR))
        self.answered_at = time.time()
        if self.asks_swf:
            self.console_app.swf_trouble = ""
        self.show(cast(Answer, message.answer))

    @on(NotFetched)
    def _show_not_fetched(self, message: NotFetched) -> None:
        pause_s = self.every_s
        if isinstance(message.error, ThrottlingException):
            pause_s = max(self.pause_s * 2, self.every_s * self.console_app.backend.target.patience)
        self._pause(min(pause_s, LONGEST_PAUSE_S))
        self.refused(message.error)

    def refused(self, error: Exception) -> None:
        """Shows that the question was not answered; the last data stay, greyed."""
        self.console_app.swf_trouble = str(error)

    def set_stale(self, stale: bool) -> None:
        """Greys what is shown, or takes that back."""
        for table in self.query(RowTable):
            table.set_class(stale, "-stale")
            table.refresh()

    def changed(self, step_error: str) -> None:
        """An action has been carried out: what is shown is probably old."""
        if not step_error:
            self.ask_soon()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Greys the keys of what this reader may not do."""
        if action in self.changes and self.console_app.read_only:
            return None
        return super().check_action(action, parameters)

    # The filter line.

    def action_filter(self) -> None:
        line = self.query_one("#filter", Input)
        line.display = True
        # At once, not with the next message: letters typed in the same moment belong to the line already.
        self.set_focus(line)

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        self._typed_at = time.monotonic()
        self.filter_text = event.value
        if not self._filter_is_old:
            self._filter_is_old = True
            # The letter is drawn first, and what matches is looked for once for all letters that have come.
            self.call_after_refresh(self._filter)

    def _filter(self) -> None:
        if self._filter_is_old:
            self._filter_is_old = False
            self.filtered()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self._filter()
        line = self.query_one("#filter", Input)
        line.display = bool(line.value)
        self.focus_table()

    def focus_table(self) -> None:
        """Gives the keys back to the table that is shown."""
        for table in self.query(RowTable):
            if table.display and all(
                parent.display for parent in table.ancestors if hasattr(parent, "display")
            ):
                self.set_focus(table)
                return

    def action_back(self) -> None:
        """Out of the filter line, the filter, the marks, the screen: one at a time."""
        line = self.query_one("#filter", Input)
        if line.has_focus or line.value:
            line.value = ""
            line.display = False
            self.focus_table()
            return
        marked = [table for table in self.query(RowTable) if table.marked]
        if marked:
            marked[0].unmark()
            return
        self.leave()

    def leave(self) -> None:
        """Out of the screen; a main screen stays."""

    async def action_next_view(self, by: int) -> None:
        """The next main screen, or the next view of a screen that has several."""
        await self.console_app.action_next_place(by)

    # Actions.

    def propose(self, action: Action) -> None:
        """Opens the dialog of an action; its targets are fixed from now on."""
        self.console_app.propose(action)

    def copy_command(self, command: str, *, scoped: bool) -> None:
        """Copies a command to the terminal's clipboard, as it works from a shell here."""
        text = self.console_app.spell_line(command, scoped=scoped)
        self.app.copy_to_clipboard(text)
        self.notify(f"copied: {text}", markup=False, timeout=3)

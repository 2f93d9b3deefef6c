"""The console: its main screens, what they share, and the carrying out of actions.

Leaving the console stops nothing: it holds no process and no task, only connections. The module is long
because the screens share one state of daemon and service, which all handlers here keep.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, TypeVar

from textual import events, on
from textual.app import App, ScreenStackError, SystemCommand
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.reactive import var
from textual.screen import Screen

from flowyd.console import collecting
from flowyd.console.backend import Backend, Target
from flowyd.console.dialogs.action import SHORT, ActionDialog
from flowyd.console.dialogs.help import HelpDialog
from flowyd.console.memory import Memory
from flowyd.console.messages import StatusLost, StatusSeen, StepDone, SwfAnswers
from flowyd.console.screens.domains import DomainsScreen
from flowyd.console.screens.done import DoneScreen
from flowyd.console.screens.events import EventsScreen
from flowyd.console.screens.executions import ExecutionsScreen
from flowyd.console.screens.live import LiveScreen
from flowyd.console.screens.modules import ModulesScreen
from flowyd.console.screens.task_lists import TaskListsScreen
from flowyd.console.screens.types import TypesScreen
from flowyd.console.screens.workers import WorkersScreen
from flowyd.console.themes import THEMES
from flowyd.console.typed_ahead import Released, Typed, TypedAhead
from flowyd.console.view_model import commands
from flowyd.console.view_model.actions import Action, Step
from flowyd.console.view_model.done import DoneRow
from flowyd.console.widgets.row_table import RowTable
from flowyd.control.status import DaemonStatus
from flowyd.errors import FlowydError
from flowyd.swf.faults import SwfFault, ThrottlingException

#: Pause between two looks at the daemon's status, seconds; it answers within a millisecond.
STATUS_EVERY_S = 1.0
#: Pause between two looks for a service that was lost, seconds.
PROBE_EVERY_S = 2.0
#: A service answers within a second; a call that has waited for so long, seconds, tells that it is lost.
SILENT_S = 5.0
#: After so long, seconds, it is said that a screen that must ask first is on its way.
PATIENCE_S = 0.5
#: How many actions the console remembers of itself.
DONE_KEPT = 500


Answer = TypeVar("Answer")


class Console(App[None]):
    """`flowyd console`."""

    TITLE = "flowyd"
    CSS_PATH = "console.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (SHORT, "-tall")]  # noqa: RUF012

    MODES = {  # noqa: RUF012 (Textual declares it without ClassVar)
        "executions": ExecutionsScreen,
        "workers": WorkersScreen,
        "task_lists": TaskListsScreen,
        "types": TypesScreen,
        "modules": ModulesScreen,
        "domains": DomainsScreen,
        "done": DoneScreen,
        "events": EventsScreen,
    }
    DEFAULT_MODE = "executions"
    #: Main screens that show, or open, what belongs to one domain: for another one they are made anew.
    OF_DOMAIN: ClassVar[tuple[str, ...]] = ("executions", "workers", "task_lists", "types")
    #: The main screens in the order of their digits.
    PLACES: ClassVar[dict[str, str]] = {
        "executions": "Executions",
        "workers": "Workers",
        "task_lists": "Lists",
        "types": "Types",
        "modules": "Modules",
        "domains": "Domains",
        "done": "Done",
        "events": "Events",
    }

    #: How far an action on many has got, such as "terminated 12 of 300"; empty while none goes on.
    progress: var[str] = var("")

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(digit), f"go('{name}')", title, show=False)
            for digit, (name, title) in enumerate(PLACES.items(), start=1)
        ),
        Binding("colon", "command_palette", "More", key_display=":"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("f1", "help", "Help", show=False),
        Binding("q,ctrl+q", "quit", "Leave", show=False),
    ]

    def __init__(self, target: Target, *, memory: Memory, theme: str | None = None) -> None:
        chosen = theme or memory.theme or fitting_theme()
        # Textual decides here, before it knows the theme, how NO_COLOR is honoured.
        super().__init__(ansi_color=True if chosen.startswith("ansi-") else None)
        self.backend = Backend(target)
        self.memory = memory
        self.domain = target.domain
        #: The daemon's last status; None: none yet, or there is no daemon.
        self.status: DaemonStatus | None = None
        #: Why the daemon, and why the SWF service, cannot be asked; empty when they can.
        self.daemon_trouble = ""
        self.swf_trouble = ""
        self.viewer = False
        self.done: list[DoneRow] = []
        self._asking_status = False
        #: A service that was lost is being asked for; and when it was last, monotonic seconds.
        self._probing = False
        self._probed_at = 0.0
        self._typed_ahead = TypedAhead(self)
        self._thresholds: collecting.Thresholds | None = None
        for known in THEMES:
            self.register_theme(known)
        self.theme = chosen
        self._given_theme = self.theme

    # What the screens share.

    @property
    def read_only(self) -> bool:
        """Nobody may change anything here."""
        return self.viewer or self.backend.target.read_only

    @property
    def daemon_loss(self) -> str:
        """Why a daemon that did answer does so no more; one that never did is no loss."""
        return self.daemon_trouble if self.status is not None else ""

    def on_mount(self) -> None:
        self._thresholds = collecting.make_rare()
        self.run_worker(self._typed_ahead.hand_on())
        self.set_interval(STATUS_EVERY_S, self._ask_status)
        self.set_interval(STATUS_EVERY_S, self._look_for_silence)
        self.set_interval(STATUS_EVERY_S, self._look_for_swf)
        self._ask_status()

    def on_unmount(self) -> None:
        if self._thresholds is not None:
            collecting.as_before(self._thresholds)
        self.backend.close()

    def _look_for_swf(self) -> None:
        """Asks for a service that was lost, where the screen does not do so itself."""
        screen = self.live_screen
        asks = screen is not None and screen.asks_swf and screen.question() is not None
        due = time.monotonic() >= self._probed_at + PROBE_EVERY_S * self.backend.target.patience
        if not self.swf_trouble or asks or self._probing or not due:
            return
        self._probing, self._probed_at = True, time.monotonic()
        self.run_worker(self._probe, thread=True, exit_on_error=False)

    def _probe(self) -> None:
        try:
            self.backend.swf("DescribeDomain", {"name": self.domain})
        except ThrottlingException:
            return
        except SwfFault:
            # Refused is answered.
            self.post_message(SwfAnswers())
        except FlowydError:
            return
        else:
            self.post_message(SwfAnswers())
        finally:
            self._probing = False

    @on(SwfAnswers)
    def _find_swf(self) -> None:
        self.swf_trouble = ""
        self._tell_screen()

    def _look_for_silence(self) -> None:
        """Tells of calls that are not answered; a service that is started anew lets them wait."""
        waited_s = self.backend.waiting_s
        if waited_s < SILENT_S:
            return
        self.swf_trouble = f"{self.backend.target.service} has not answered for {waited_s:.0f} s"
        if self.live_screen is not None:
            self.live_screen.set_stale(True)
            self.live_screen.redraw_head()

    def _ask_status(self) -> None:
        if self._asking_status or self.backend.target.control_socket is None:
            return
        self._asking_status = True
        self.run_worker(self._fetch_status, thread=True, exit_on_error=False)

    def _fetch_status(self) -> None:
        try:
            seen = self.backend.status()
        except FlowydError as error:
            self.post_message(StatusLost(str(error)))
        else:
            self.post_message(StatusSeen(seen))

    @on(StatusSeen)
    def _take_status(self, message: StatusSeen) -> None:
        self._asking_status = False
        changed = self.viewer != message.seen.viewer
        self.status, self.viewer = message.seen.status, message.seen.viewer
        if changed and self.live_screen is not None:
            self.live_screen.refresh_bindings()
        self.daemon_trouble = ""
        self._tell_screen()

    @on(StatusLost)
    def _lose_status(self, message: StatusLost) -> None:
        self._asking_status = False
        if self.status is None and not self.daemon_trouble:
            self.notify(f"There is no daemon to see or steer: {message.text}", markup=False)
        self.daemon_trouble = message.text
        self._tell_screen()

    def _tell_screen(self) -> None:
        screen = self.live_screen
        if screen is None or not screen.is_placed:
            return
        # A screen that is being taken apart has lost some of its widgets already.
        with contextlib.suppress(NoMatches):
            screen.redraw_head()
            screen.status_changed()

    @property
    def live_screen(self) -> LiveScreen[Any, Any] | None:
        """The main screen on top; None under a dialog and while the console is being left."""
        try:
            return self.screen if isinstance(self.screen, LiveScreen) else None
        except ScreenStackError:
            return None

    # Going about.

    async def on_event(self, event: events.Event) -> None:
        """Holds what is typed until its turn has come."""
        if not isinstance(event, (events.Key, events.Paste)) or event.is_forwarded:
            await super().on_event(event)
        elif not self._typed_ahead.holds(event):
            await self._hand_on(event)

    @on(Released)
    async def _hand_on_released(self, message: Released) -> None:
        # While the console is being left there may be no screen for it any more.
        with contextlib.suppress(ScreenStackError):
            await self._hand_on(message.typed)

    async def _hand_on(self, typed: Typed) -> None:
        """Gives a key to who has the focus.

        Textual lets a key climb through the queues of all widgets from the focused one upwards before its
        binding is found. A table has no use for a key but as a binding, so there the climb is left out.
        """
        focused = self.focused
        self._typed_ahead.handed_on(to=focused or self.screen)
        if isinstance(focused, RowTable) and isinstance(typed, events.Key):
            bound = self.screen.active_bindings.get(typed.key)
            if bound is not None and bound.enabled:
                await self.run_action(bound.binding.action, bound.node)
                return
            if bound is not None and self.read_only:
                self.refuse(bound.binding.description)
                return
        await super().on_event(typed)

    def open_after(self, ask: Callable[[], Answer], then: Callable[[Answer], Any], *, progress: str) -> None:
        """Asks in a thread for what a screen needs, and opens it with the answer; a refusal is shown.

        What is typed meanwhile is for that screen. `progress` says what takes so long, if it does.
        """
        expected = self._typed_ahead.expect()

        def refused(error: Exception) -> None:
            if expected.is_wanted:
                expected.fail()
                self.notify(str(error), severity="error", markup=False)

        def work() -> None:
            try:
                answer = ask()
            except FlowydError as error:
                self.call_from_thread(refused, error)
            else:
                self.call_from_thread(expected.come, partial(then, answer))

        def tell() -> None:
            if expected.is_wanted:
                self.notify(f"{progress} …  Esc leaves it", markup=False)

        self.set_timer(PATIENCE_S, tell)
        self.run_worker(work, thread=True)

    def delay_update(self, delay: float = 0.0) -> None:
        """Does not wait: Textual draws nothing for 50 ms when the main screen changes; see `action_go`."""

    async def action_go(self, name: str) -> None:
        # One picture, when all widgets of the screen stand.
        with self.batch_update():
            await self.switch_mode(name)

    async def action_next_place(self, by: int) -> None:
        names = list(self.PLACES)
        here = names.index(self.current_mode) if self.current_mode in names else 0
        await self.action_go(names[(here + by) % len(names)])

    def action_help(self) -> None:
        if self.live_screen is not None:
            self.push_screen(HelpDialog(self.live_screen))

    def look_at(self, domain: str) -> None:
        """Shows another domain from now on."""
        is_another, self.domain = domain != self.domain, domain
        if is_another:
            for name in self.OF_DOMAIN:
                self.remove_mode(name)
                self.add_mode(name, self.MODES[name])
        self.call_later(self.action_go, "executions")

    def watch_theme(self, theme: str) -> None:
        """Remembers a theme that the reader chose, not the one the console came with."""
        if theme != getattr(self, "_given_theme", theme):
            self.memory.remember_theme(theme)
            self.ansi_color = None

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        for name, title in self.PLACES.items():
            show = partial(self.call_later, self.action_go, name)
            yield SystemCommand(title, f"Show {title.lower()}", show)
        if isinstance(screen, LiveScreen):
            # Several keys may do the same: the first is named.
            by_action = {
                active.binding.action: active for active in reversed(screen.active_bindings.values())
            }
            for active in reversed(by_action.values()):
                binding = active.binding
                ours = active.node is screen and "." not in binding.action and binding.action != "back"
                if ours and binding.description and active.enabled:
                    yield SystemCommand(
                        binding.description,
                        f"Key {self.get_key_display(binding)}",
                        lambda action=binding.action: screen.call_later(screen.run_action, action),
                    )
        yield SystemCommand("Theme", "Choose colours", self.action_change_theme)
        yield SystemCommand("Leave", "Leave the console; everything goes on", self.exit)

    # Actions.

    def spell(self, step: Step) -> str:
        """A step's equal command as it works from a shell here."""
        return self.spell_line(step.command, scoped=step.scoped)

    def spell_line(self, command: str, *, scoped: bool) -> str:
        """A command with the options that lead to this service and, if `scoped`, to this domain."""
        target = self.backend.target
        domain = ("--domain", self.domain) if scoped and self.domain != target.default_domain else ()
        return commands.with_options(command, (*target.command_options, *domain))

    def propose(self, action: Action) -> None:
        """Opens the action's dialog, and carries it out when it is confirmed."""
        if self.read_only:
            self.refuse(action.title)
            return

        def confirmed(steps: tuple[Step, ...] | None) -> None:
            if steps:
                self.carry_out(steps, done=action.done)

        self.push_screen(ActionDialog(action, spell=self.spell), confirmed)

    def refuse(self, what: str) -> None:
        """Says that this reader may not do it, and why."""
        only = self.backend.target.read_only
        why = "this console was started with --read-only" if only else "the daemon takes you for a viewer"
        self.notify(f"{what}: you may look, not change; {why}", severity="warning", markup=False)

    def carry_out(self, steps: tuple[Step, ...], *, done: str) -> None:
        """Sends the steps one after the other, in a thread; each one's result is shown."""

        def work() -> None:
            for place, step in enumerate(steps, start=1):
                answer, error = {}, ""
                try:
                    answer = self.backend.carry_out(step)
                except FlowydError as refused:
                    error = str(refused)
                self.post_message(
                    StepDone(step=step, place=place, total=len(steps), answer=answer, error=error, done=done)
                )

        self.run_worker(work, thread=True, exit_on_error=False)

    @on(StepDone)
    def _show_done(self, message: StepDone) -> None:
        step, error = message.step, message.error
        text = error or result_text(message.answer) or message.done
        self.done.insert(
            0,
            DoneRow(
                key=f"{len(self.done)} {time.time()}",
                at=time.time(),
                target=step.target,
                command=self.spell(step),
                result=text,
                failed=bool(error),
            ),
        )
        del self.done[DONE_KEPT:]
        more = message.place < message.total
        self.progress = f"{message.done} {message.place} of {message.total}" if more else ""
        if error:
            self.notify(f"{step.target}: {error}", severity="error", markup=False, timeout=10)
        elif message.place == message.total:
            failed = sum(1 for row in self.done[: message.total] if row.failed)
            self._toast_all_done(message, failed)
        if self.live_screen is not None:
            self.live_screen.changed(error)

    def _toast_all_done(self, message: StepDone, failed: int) -> None:
        if message.total == 1:
            text = f"{message.step.target}: {message.done}"
        else:
            text = f"{message.total - failed} of {message.total} {message.done}"
        self.notify(text, markup=False, severity="warning" if failed else "information")


def result_text(answer: dict[str, Any]) -> str:
    """An action's answer in one line; empty when it has none."""
    return "  ".join(f"{name} {value}" for name, value in answer.items())


def fitting_theme() -> str:
    """The theme for the terminal: the terminal's own 16 colours where it has no more."""
    term = os.environ.get("TERM", "")
    many = os.environ.get("COLORTERM") or "256" in term or "kitty" in term or "direct" in term
    return "flowyd-dark" if many else "ansi-dark"

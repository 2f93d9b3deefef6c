"""The dialog before an action: its frozen targets, what must be filled in, the equal command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Footer, Input, Label, Select, Static

from flowyd.console.view_model import commands
from flowyd.console.view_model.actions import Action, Field, Step, problems
from flowyd.console.view_model.wording import plural

#: As many targets are written out, and as many on a short screen; of the rest only the number is.
TARGETS_SHOWN = 5
TARGETS_SHOWN_SHORT = 2
#: Screens of fewer lines are short, as in the app's VERTICAL_BREAKPOINTS.
SHORT = 34


class ActionDialog(ModalScreen[tuple[Step, ...] | None]):
    """Answers the steps to carry out, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back", key_display="Esc"),
        Binding("ctrl+y", "copy", "Copy command"),
    ]

    def __init__(self, action: Action, *, spell: Callable[[Step], str]) -> None:
        super().__init__()
        self._action = action
        #: Writes a step's equal command as it works from a shell here.
        self._spell = spell

    def compose(self) -> ComposeResult:
        action = self._action
        with Vertical(classes="dialog"):
            yield Static(action.title, classes="title", markup=False)
            with VerticalScroll(classes="fields", can_focus=False):
                most = TARGETS_SHOWN if self.app.size.height >= SHORT else TARGETS_SHOWN_SHORT
                yield Static(_targets(action, most), classes="targets", markup=False)
                if action.warning:
                    yield Static(action.warning, classes="warning", markup=False)
                for field in action.fields:
                    yield from _asked(field)
                if action.is_bulk:
                    count = str(len(action.targets))
                    yield from _asked(Field(name="count", label="How many", hint=f"type {count} to confirm"))
            yield Static(id="problem", markup=False)
            yield Static(id="command", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Back", id="back", compact=True)
                yield Button(
                    action.verb, id="go", variant="error" if action.warning else "primary", compact=True
                )
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        inputs = self.query(Input)
        self.set_focus(inputs.first() if inputs else self.query_one("#back"))
        self._review()

    @property
    def values(self) -> dict[str, str]:
        """What is written in the fields."""
        found = {field.id.removeprefix("field-"): field.value for field in self.query(Input) if field.id}
        for choice in self.query(Select):
            if choice.id:
                found[choice.id.removeprefix("field-")] = str(choice.value)
        return found

    @on(Input.Changed)
    @on(Select.Changed)
    def _review(self) -> None:
        """Writes the equal command for what is filled in so far."""
        self.query_one("#problem", Static).update("")
        show_command(self.query_one("#command", Static), self.command_text())

    def command_text(self) -> str:
        """The first target's equal command, and how many more there are; empty while fields are wrong."""
        values = self.values
        wrong = set(problems(self._action, values)) - {"count"}
        if wrong:
            return ""
        steps = self._action.steps(values)
        more = f"\n… and {plural(len(steps) - 1, 'command')} more" if len(steps) > 1 else ""
        return f"{self._spell(steps[0])}{more}"

    def action_copy(self) -> None:
        values = self.values
        if not set(problems(self._action, values)) - {"count"}:
            steps = self._action.steps(values)
            self.app.copy_to_clipboard("\n".join(map(self._spell, steps)))
            self.notify(f"{plural(len(steps), 'command')} copied", timeout=2)

    @on(Button.Pressed, "#back")
    def _back(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    def _next(self) -> None:
        """Enter goes on to the next field and at last to the button, so that nothing is sent by one key."""
        self.focus_next()
        if isinstance(self.focused, Button) and self.focused.id == "back":
            self.focus_next()

    @on(Button.Pressed, "#go")
    def _go(self) -> None:
        values = self.values
        wrong = problems(self._action, values)
        if not wrong:
            self.dismiss(self._action.steps(values))
            return
        labels = {field.name: field.label for field in self._action.fields}
        text = "; ".join(f"{labels.get(name, 'How many')} {said}" for name, said in wrong.items())
        self.query_one("#problem", Static).update(text)
        self.set_focus(self.query_one(f"#field-{next(iter(wrong))}"))


def show_command(place: Static, command: str) -> None:
    """Writes a command as far as there is room for it; none is written as nothing."""
    # It has no size before it was first drawn.
    width = place.content_size.width or place.screen.size.width * 9 // 10 - 8
    place.update(commands.in_lines(f"$ {command}", width) if command else "")


def _targets(action: Action, most: int) -> str:
    shown = [f"  {target}" for target in action.targets[:most]]
    more = len(action.targets) - most
    if more > 0:
        shown.append(f"  … and {more:,} more")
    return "\n".join(shown)


def _asked(field: Field) -> Iterator[Widget]:
    name = f"field-{field.name}"
    with Horizontal(classes="row"):
        yield Label(field.label + (" *" if field.needed else ""), markup=False)
        if field.choices:
            options = [(choice, choice) for choice in field.choices]
            yield Select(options, value=field.value, allow_blank=False, id=name, compact=True)
        else:
            yield Input(field.value, placeholder=field.hint, id=name, compact=True, select_on_focus=False)

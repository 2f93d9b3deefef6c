"""The form that starts a workflow: fields of `run()`'s signature, or JSON; options; the equal command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Collapsible, Footer, Input, Label, Select, Static

from flowyd.console.dialogs.action import show_command
from flowyd.console.dialogs.text import TextDialog
from flowyd.console.view_model import execution_actions, first_decision, start_form
from flowyd.console.view_model.actions import Step
from flowyd.console.view_model.cells import Cell
from flowyd.console.view_model.signatures import Parameter, Presence, Signature
from flowyd.console.view_model.start_form import CHILD_POLICIES, FormError, Options
from flowyd.errors import FlowydError

#: The options in the order they are asked: name, label, hint.
OPTIONS = (
    ("workflow_id", "Workflow id", "a new one is made"),
    ("tags", "Tags", "up to five, blanks between"),
    ("task_list", "Decision list", "the type's default"),
    ("workflow_duration", "Longest run, s", "the type's default"),
    ("decision_duration", "Decision, s", "the type's default"),
    ("priority", "Priority", "a whole number"),
)
_DEFAULT_POLICY = "the type's default"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartDraft:
    """What the form begins with."""

    domain: str
    name: str
    version: str
    #: None: the source is not on this machine, so arguments are asked for as JSON.
    signature: Signature | None
    #: The input shown at first, `[[…], {…}]` as JSON text; empty: none.
    given: str
    #: Where that input comes from, such as "as last time"; empty: nowhere.
    origin: str
    options: Options
    #: The workflow id when none is written; one for the life of the form: the command shown is the one sent.
    free_id: str
    #: How many characters an input may have; None: any number.
    most: int | None
    #: Writes a step's equal command as it works from a shell here.
    spell: Callable[[Step], str]
    #: What a start command would lead to; blocks. None: there is no code here to try.
    first_decision: Callable[[str], dict[str, Any]] | None = None


class StartDialog(ModalScreen[dict[str, Any] | None]):
    """Answers SWF's StartWorkflowExecution, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back", key_display="Esc"),
        Binding("ctrl+s", "send", "Start"),
        Binding("ctrl+r", "dry_run", "Dry run", tooltip="what its first decision would be"),
        Binding("ctrl+y", "copy", "Copy command"),
    ]

    def __init__(self, draft: StartDraft) -> None:
        super().__init__()
        self._draft = draft

    def compose(self) -> ComposeResult:
        draft = self._draft
        with Vertical(classes="dialog wide"):
            origin = f", {draft.origin}" if draft.origin else ""
            yield Static(f"Start {draft.name} {draft.version}{origin}", classes="title", markup=False)
            with VerticalScroll(classes="fields", can_focus=False):
                if draft.signature is not None and draft.signature.doc:
                    yield Static(draft.signature.doc, classes="doc", markup=False)
                yield from self._arguments()
                with Collapsible(title="Options", collapsed=draft.options == Options()):
                    yield from self._options()
            yield Static(id="problem", markup=False)
            yield Static(id="command", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Back", id="back", compact=True)
                if draft.first_decision is not None:
                    yield Button("Dry run", id="dry-run", compact=True)
                yield Button("Start", id="go", variant="primary", compact=True)
        yield Footer(show_command_palette=False)

    def _arguments(self) -> Iterator[Widget]:
        signature = self._draft.signature
        if signature is None:
            hint = '["a", 1] by place, {"name": 1} by name, [["a"], {"name": 1}] both'
            yield from _row("JSON arguments", _input("arg-json", self._draft.given, hint))
            return
        texts = start_form.texts_of(signature, self._draft.given) if self._draft.given else {}
        if not signature.parameters:
            yield Static("It takes no arguments.", classes="doc")
        for parameter in signature.parameters:
            field = _input(f"arg-{parameter.name}", texts.get(parameter.name, ""), start_form.hint(parameter))
            yield from _row(_label(parameter), field)

    def _options(self) -> Iterator[Widget]:
        for name, label, hint in OPTIONS:
            yield from _row(label, _input(f"option-{name}", getattr(self._draft.options, name), hint))
        choices = [(policy, policy) for policy in (_DEFAULT_POLICY, *CHILD_POLICIES)]
        policy = self._draft.options.child_policy or _DEFAULT_POLICY
        yield from _row(
            "Children", Select(choices, value=policy, allow_blank=False, id="policy", compact=True)
        )

    def on_mount(self) -> None:
        self.set_focus(self.query(Input).first())
        self._review()

    # What is written.

    def request(self) -> dict[str, Any]:
        """SWF's request for what is written.

        Raises:
            FormError: something is missing or wrong.
        """
        draft = self._draft
        texts = {field.id: field.value for field in self.query(Input) if field.id}
        if draft.signature is None:
            given = start_form.from_json(texts["arg-json"])
        else:
            named = {p.name: texts[f"arg-{p.name}"] for p in draft.signature.parameters}
            given = start_form.arguments(draft.signature, named)
        policy = str(self.query_one("#policy", Select).value)
        options = Options(
            child_policy="" if policy == _DEFAULT_POLICY else policy,
            **{name: texts[f"option-{name}"].strip() for name, _, _ in OPTIONS},
        )
        return start_form.request(
            domain=draft.domain,
            name=draft.name,
            version=draft.version,
            given=given,
            options=options,
            free_id=draft.free_id,
            most=draft.most,
        )

    @on(Input.Changed)
    @on(Select.Changed)
    def _review(self) -> None:
        """Writes the equal command, or nothing while the form cannot be sent."""
        self.query_one("#problem", Static).update("")
        try:
            text = self._draft.spell(execution_actions.start(self.request()))
        except FormError:
            text = ""
        show_command(self.query_one("#command", Static), text)

    @on(Input.Submitted)
    def _next(self) -> None:
        self.focus_next()

    @on(Button.Pressed, "#back")
    def _back(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#go")
    def action_send(self) -> None:
        request = self._checked()
        if request is not None:
            self.dismiss(request)

    @on(Button.Pressed, "#dry-run")
    def action_dry_run(self) -> None:
        """Shows what the code would decide first; nothing is started."""
        request, ask = self._checked(), self._draft.first_decision
        if request is None or ask is None:
            return
        command = self._draft.spell(execution_actions.start(request))
        self.query_one("#problem", Static).update("trying …")
        self.run_worker(lambda: self._try(ask, command), thread=True, exit_on_error=False, exclusive=True)

    def _try(self, ask: Callable[[str], dict[str, Any]], command: str) -> None:
        """In a thread: asks, then has the answer shown over the form, if that is still open."""
        try:
            found, text = first_decision.parts(ask(command)), ""
        except FlowydError as error:
            found, text = (), str(error)
        self.app.call_from_thread(self._show_tried, found, text)

    def _show_tried(self, found: Cell, problem: str) -> None:
        if self.is_current:
            self.query_one("#problem", Static).update(problem)
            if found:
                self.app.push_screen(TextDialog("Dry run: nothing was started", found))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hides the dry run where there is no code to try."""
        if action == "dry_run" and self._draft.first_decision is None:
            return False
        return super().check_action(action, parameters)

    def action_copy(self) -> None:
        request = self._checked()
        if request is not None:
            self.app.copy_to_clipboard(self._draft.spell(execution_actions.start(request)))
            self.notify("command copied", timeout=2)

    def _checked(self) -> dict[str, Any] | None:
        """The request; None if something is wrong, which is said, and its field chosen."""
        try:
            return self.request()
        except FormError as error:
            self.query_one("#problem", Static).update(str(error))
            fields = [
                field
                for name in error.problems
                for prefix in ("arg", "option")
                for field in self.query(f"#{prefix}-{name}")
            ]
            if fields:
                self.set_focus(fields[0])
            return None


def _row(label: str, field: Widget) -> Iterator[Widget]:
    with Horizontal(classes="row"):
        yield Label(label, markup=False)
        yield field


def _input(name: str, value: str, hint: str) -> Input:
    return Input(value, placeholder=hint, id=name, compact=True, select_on_focus=False)


def _label(parameter: Parameter) -> str:
    stars = {Presence.MANY: "*", Presence.NAMED: "**"}.get(parameter.presence, "")
    needed = " *" if parameter.presence is Presence.REQUIRED else ""
    return f"{stars}{parameter.name}{needed}"

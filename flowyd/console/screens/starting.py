"""From a key to a started workflow: choose the type, fill in the form, send it, open the new execution."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from flowyd.console.dialogs.start import StartDialog, StartDraft
from flowyd.console.dialogs.type_picker import TypePicker
from flowyd.console.reading import ExecutionAnswer, ExecutionQuestion, list_types, read_execution
from flowyd.console.sources import find_signature
from flowyd.console.view_model import execution_actions
from flowyd.console.view_model.executions import Execution
from flowyd.console.view_model.spans import attributes
from flowyd.console.view_model.start_form import Options
from flowyd.console.view_model.types import TypeRow, type_rows
from flowyd.swf.limits import DATA_CHARACTERS

if TYPE_CHECKING:
    from flowyd.console.screens.live import LiveScreen


def start_new(screen: LiveScreen[Any, Any]) -> None:
    """Lets the operator choose a registered type, then opens its form."""
    console = screen.console_app
    if _refused(screen):
        return

    def choose(infos: list[dict[str, Any]]) -> None:
        rows = tuple(row for row in type_rows("workflow", infos, console.status) if not row.deprecated)

        def chosen(row: TypeRow | None) -> None:
            if row is not None:
                start_type(screen, row.name, row.version)

        console.push_screen(TypePicker(rows), chosen)

    domain = console.domain
    console.open_after(
        lambda: list_types(console.backend, domain, "workflow"), choose, progress="asking for the types"
    )


def start_type(screen: LiveScreen[Any, Any], name: str, version: str) -> None:
    """Opens the form of a type, with what it was last started with."""
    given = screen.console_app.memory.last_input(name, version)
    _open_form(
        screen,
        name=name,
        version=version,
        given=given,
        origin="arguments as last time" if given else "",
        options=Options(),
    )


def start_again(screen: LiveScreen[Any, Any], execution: Execution) -> None:
    """Opens the form of an execution's type with that execution's input and options."""
    console = screen.console_app
    if _refused(screen):
        return
    question = ExecutionQuestion(
        domain=console.domain, workflow_id=execution.workflow_id, run_id=execution.run_id, known=None
    )

    def fetch() -> tuple[ExecutionAnswer, str]:
        answer = read_execution(console.backend, question)
        return answer, console.backend.whole(attributes(answer.events[0]).get("input") or "")

    def fetched(found: tuple[ExecutionAnswer, str]) -> None:
        answer, given = found
        settings = answer.description["executionConfiguration"]
        _open_form(
            screen,
            name=execution.type_name,
            version=execution.type_version,
            given=given,
            origin=f"as {execution.workflow_id}",
            options=Options(
                task_list=settings["taskList"]["name"],
                workflow_duration=settings["executionStartToCloseTimeout"],
                decision_duration=settings["taskStartToCloseTimeout"],
                child_policy=settings["childPolicy"],
                tags=" ".join(execution.tags),
                priority=settings.get("taskPriority") or "",
            ),
        )

    console.open_after(fetch, fetched, progress="asking for its input")


def _open_form(
    screen: LiveScreen[Any, Any], *, name: str, version: str, given: str, origin: str, options: Options
) -> None:
    console = screen.console_app
    if _refused(screen):
        return

    def filled_in(request: dict[str, Any] | None) -> None:
        if request is None:
            return
        console.memory.remember_input(name, version, request["input"])
        console.carry_out((execution_actions.start(request),), done="started")

    directories = console.backend.target.workflow_directories

    def opened(signature: Any) -> None:
        draft = StartDraft(
            domain=console.domain,
            name=name,
            version=version,
            signature=signature,
            given=given,
            origin=origin,
            options=options,
            free_id=f"{name}-{uuid.uuid4().hex[:12]}",
            most=None if console.backend.target.long_payloads is not None else DATA_CHARACTERS,
            spell=console.spell,
            first_decision=console.backend.first_decision if directories else None,
        )
        console.push_screen(StartDialog(draft), filled_in)

    console.open_after(
        lambda: find_signature(directories, name, version), opened, progress="looking for the source"
    )


def _refused(screen: LiveScreen[Any, Any]) -> bool:
    if screen.console_app.read_only:
        screen.console_app.refuse("Start")
        return True
    return False

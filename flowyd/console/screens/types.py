"""Registered workflow and activity types."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from flowyd.console.dialogs.text import TextDialog
from flowyd.console.reading import list_types
from flowyd.console.screens.starting import start_type
from flowyd.console.screens.tables import TableScreen
from flowyd.console.view_model import history, registration_actions, types
from flowyd.console.view_model.cells import Column, Part, Tone
from flowyd.console.view_model.types import TypeRow
from flowyd.console.widgets.row_table import RowTable
from flowyd.errors import FlowydError

#: Infos of workflow types and of activity types.
Infos = dict[str, list[dict[str, Any]]]


class TypesScreen(TableScreen[str, Infos, TypeRow]):
    """The types of the domain."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "start", "Start"),
        Binding("ctrl+n", "register", "Register"),
        Binding("ctrl+d", "deprecate", "Deprecate", priority=True),
    ]
    changes = frozenset({"start", "register", "deprecate"})
    help_text = """\
Enter  all of the type's defaults   n  start a workflow of the type
ctrl+n  register a type
ctrl+d  deprecate the type, or take that back

≠ drift  a module here names other defaults than are registered; Enter says
which. That module is not served until the type has a new version."""
    every_s = 5.0

    heading = "Types"
    table_id = "types"
    empty = "no types are registered in this domain"

    def question(self) -> str:
        return self.console_app.domain

    def fetch(self, question: str) -> Infos:
        backend = self.console_app.backend
        return {kind: list_types(backend, question, kind) for kind in ("workflow", "activity")}

    def rows(self) -> Sequence[TypeRow]:
        status = self.console_app.status
        return tuple(
            row for kind, infos in (self.answer or {}).items() for row in types.type_rows(kind, infos, status)
        )

    def found(self, row: TypeRow) -> bool:
        return types.type_found(row, self.filter_text)

    def columns(self) -> Sequence[Column[TypeRow]]:
        return types.type_columns(now=time.time())

    def action_start(self) -> None:
        row = self.table.item
        if row is not None and row.kind == "workflow":
            start_type(self, row.name, row.version)
        else:
            self.notify("Choose a workflow type", timeout=3)

    def action_register(self) -> None:
        self.propose(registration_actions.register_type(self.console_app.domain))

    def action_deprecate(self) -> None:
        row = self.table.item
        if row is not None:
            domain = self.console_app.domain
            self.propose(
                registration_actions.set_deprecated(
                    domain, row.kind, row.name, row.version, deprecated=row.deprecated
                )
            )

    @on(RowTable.Opened)
    def _open(self, event: RowTable.Opened) -> None:
        row: TypeRow = event.item
        domain = self.console_app.domain

        def describe() -> Part:
            request = {"domain": domain, f"{row.kind}Type": {"name": row.name, "version": row.version}}
            try:
                answer = self.console_app.backend.swf(f"Describe{row.kind.capitalize()}Type", request)
            except FlowydError as error:
                return Part(str(error), Tone.BAD)
            return Part(history.as_json(answer))

        def show(text: Part) -> None:
            self.app.push_screen(TextDialog(row.key, (*types.drift_note(row), text)))

        self.console_app.open_after(describe, show, progress="asking for the type")

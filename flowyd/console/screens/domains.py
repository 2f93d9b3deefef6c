"""SWF domains: choose the one that is shown, register one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from flowyd.console.reading import list_domains
from flowyd.console.screens.tables import TableScreen
from flowyd.console.view_model import domains, registration_actions
from flowyd.console.view_model.cells import Column
from flowyd.console.view_model.domains import DomainRow
from flowyd.console.widgets.row_table import RowTable


class DomainsScreen(TableScreen[str, list[dict[str, Any]], DomainRow]):
    """All domains of the service."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "register", "Register"),
        Binding("ctrl+d", "deprecate", "Deprecate", priority=True),
    ]
    changes = frozenset({"register", "deprecate"})
    help_text = """\
Enter  show the executions of this domain
n  register a domain
ctrl+d  deprecate the domain, or take that back"""
    every_s = 5.0

    heading = "Domains"
    table_id = "domains"
    empty = "no domains; n registers one"

    def question(self) -> str:
        return self.console_app.domain

    def fetch(self, question: str) -> list[dict[str, Any]]:  # noqa: ARG002
        return list_domains(self.console_app.backend)

    def rows(self) -> Sequence[DomainRow]:
        return domains.domain_rows(self.answer or (), self.console_app.domain)

    def found(self, row: DomainRow) -> bool:
        return domains.domain_found(row, self.filter_text)

    def columns(self) -> Sequence[Column[DomainRow]]:
        return domains.domain_columns()

    @on(RowTable.Opened)
    def _open(self, event: RowTable.Opened) -> None:
        self.console_app.look_at(event.item.name)

    def action_deprecate(self) -> None:
        row = self.table.item
        if row is not None:
            self.propose(registration_actions.set_domain_deprecated(row.name, deprecated=row.deprecated))

    def action_register(self) -> None:
        self.propose(registration_actions.register_domain())

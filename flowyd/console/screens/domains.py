"""SWF domains: choose the one that is shown, register one."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from flowyd.console.reading import list_domains
from flowyd.console.screens.live import LiveScreen
from flowyd.console.view_model import actions, domains
from flowyd.console.view_model.cells import Part, Tone
from flowyd.console.view_model.domains import DomainRow
from flowyd.console.widgets.head import content
from flowyd.console.widgets.row_table import RowTable


class DomainsScreen(LiveScreen[str, list[dict[str, Any]]]):
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

    def __init__(self) -> None:
        super().__init__()
        self._infos: list[dict[str, Any]] = []

    def body(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Static(content((Part("Domains", Tone.STRONG),)))
        yield RowTable[DomainRow](id="domains", empty="no domains; n registers one")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#domains").focus()

    def question(self) -> str:
        return self.console_app.domain

    def fetch(self, question: str) -> list[dict[str, Any]]:  # noqa: ARG002
        return list_domains(self.console_app.backend)

    def show(self, answer: list[dict[str, Any]]) -> None:
        self._infos = answer
        self.set_stale(False)
        self.filtered()

    def refused(self, error: Exception) -> None:
        super().refused(error)
        self.set_stale(True)

    def filtered(self) -> None:
        rows = domains.domain_rows(self._infos, self.console_app.domain)
        words = self.filter_text.lower().split()
        shown = tuple(row for row in rows if all(word in row.name.lower() for word in words))
        self.query_one("#domains", RowTable).show(shown, domains.domain_columns())

    @on(RowTable.Opened)
    def _open(self, event: RowTable.Opened) -> None:
        self.console_app.look_at(event.item.name)

    def action_deprecate(self) -> None:
        row: DomainRow | None = self.query_one("#domains", RowTable).item
        if row is not None:
            self.propose(actions.set_domain_deprecated(row.name, deprecated=row.deprecated))

    def action_register(self) -> None:
        self.propose(actions.register_domain())

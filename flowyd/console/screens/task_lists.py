"""Task lists: what waits in each, and which workers take from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from flowyd.console.reading import count_pending, default_lists, list_types
from flowyd.console.screens.live import LiveScreen
from flowyd.console.view_model import task_lists
from flowyd.console.view_model.cells import Part, Tone
from flowyd.console.view_model.task_lists import ListKey, PendingCounts, TaskListRow
from flowyd.console.widgets.head import content
from flowyd.console.widgets.row_table import RowTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsQuestion:
    """Whose lists, and those known already."""

    domain: str
    #: Lists of the pools here.
    pools: tuple[ListKey, ...]
    #: Lists that types name, if they have been looked for.
    named: frozenset[ListKey] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsAnswer:
    """The counts, and the lists that types name."""

    domain: str
    named: frozenset[ListKey]
    counts: PendingCounts


class TaskListsScreen(LiveScreen[ListsQuestion, ListsAnswer]):
    """The task lists of the domain: those of pools here, and those that registered types name."""

    help_text: ClassVar[str] = """\
Waiting: tasks that no worker has taken yet; red where none here takes them.
Workers: those here that serve the list; Busy: how many of them run a task.
Lists of pools here and the default lists of registered types are shown."""

    def __init__(self) -> None:
        super().__init__()
        self._answer: ListsAnswer | None = None

    def body(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Static(content((Part("Task lists", Tone.STRONG),)))
        yield RowTable[TaskListRow](id="lists", empty="no pool serves a list and no type names one")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#lists").focus()

    def question(self) -> ListsQuestion:
        domain = self.console_app.domain
        known = self._answer if self._answer is not None and self._answer.domain == domain else None
        return ListsQuestion(
            domain=domain,
            pools=task_lists.task_lists(self.console_app.status, ()),
            named=known.named if known is not None else None,
        )

    def fetch(self, question: ListsQuestion) -> ListsAnswer:
        backend, domain = self.console_app.backend, question.domain
        named = question.named
        if named is None:
            kinds = [
                (kind, info[f"{kind}Type"])
                for kind in ("workflow", "activity")
                for info in list_types(backend, domain, kind)
                if info["status"] == "REGISTERED"
            ]
            named = frozenset(default_lists(backend, domain, kinds))
        counts = count_pending(backend, domain, sorted({*question.pools, *named}))
        return ListsAnswer(domain=domain, named=named, counts=counts)

    def show(self, answer: ListsAnswer) -> None:
        self._answer = answer
        self.set_stale(False)
        self.filtered()

    def refused(self, error: Exception) -> None:
        super().refused(error)
        self.set_stale(True)

    def filtered(self) -> None:
        if self._answer is None:
            return
        status, counts = self.console_app.status, self._answer.counts
        rows = (task_lists.task_list_row(key, counts[key], status) for key in sorted(counts))
        words = self.filter_text.lower().split()
        shown = tuple(row for row in rows if all(word in row.key.lower() for word in words))
        self.query_one("#lists", RowTable).show(shown, task_lists.task_list_columns())

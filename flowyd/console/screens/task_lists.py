"""Task lists: what waits in each, and which workers take from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from flowyd.console.reading import count_pending, default_lists, list_types
from flowyd.console.screens.tables import TableScreen
from flowyd.console.view_model import task_lists
from flowyd.console.view_model.cells import Column
from flowyd.console.view_model.task_lists import BacklogAges, ListKey, PendingCounts, TaskListRow
from flowyd.control.status import DaemonStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsQuestion:
    """Whose lists, and what is known already."""

    domain: str
    #: Of whose pools the lists are shown.
    status: DaemonStatus | None
    #: Lists that types name, if they have been looked for.
    named: frozenset[ListKey] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsAnswer:
    """The counts and ages, and the lists that types name."""

    domain: str
    named: frozenset[ListKey]
    counts: PendingCounts
    ages: BacklogAges


class TaskListsScreen(TableScreen[ListsQuestion, ListsAnswer, TaskListRow]):
    """The task lists of the domain: of pools here, named by registered types, and waited in."""

    help_text: ClassVar[str] = """\
Waiting: tasks that no worker has taken yet; red where none here takes them.
Oldest: how long the one of them waits that came first; - on Amazon SWF.
Workers: those here that serve the list; Busy: how many of them run a task.
Lists of pools here and the default lists of registered types are shown,
and, where Oldest is known, every list in which activity tasks wait."""

    heading = "Task lists"
    table_id = "lists"
    empty = "no pool serves a list and no type names one"

    def question(self) -> ListsQuestion:
        domain = self.console_app.domain
        known = self.answer if self.answer is not None and self.answer.domain == domain else None
        return ListsQuestion(
            domain=domain,
            status=self.console_app.status,
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
        ages = backend.backlog_ages(domain)
        counts = count_pending(backend, domain, task_lists.task_lists(question.status, named, ages))
        return ListsAnswer(domain=domain, named=named, counts=counts, ages=ages)

    def rows(self) -> Sequence[TaskListRow]:
        if self.answer is None:
            return ()
        status, counts, ages = self.console_app.status, self.answer.counts, self.answer.ages
        return tuple(task_lists.task_list_row(key, counts[key], status, ages=ages) for key in sorted(counts))

    def found(self, row: TaskListRow) -> bool:
        return all(word in row.key.lower() for word in self.filter_text.lower().split())

    def columns(self) -> Sequence[Column[TaskListRow]]:
        return task_lists.task_list_columns()

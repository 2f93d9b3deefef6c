"""Task lists as rows: what waits in each, and who takes from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Column, Tone, by_number, by_text, cell
from flowyd.console.view_model.workers import AT_WORK
from flowyd.control.status import DaemonStatus

#: Kind ("activity" or "decision") and name of a task list.
ListKey = tuple[str, str]
#: SWF's PendingTaskCount of each list.
PendingCounts = Mapping[ListKey, Mapping[str, Any]]
#: How long the oldest waiting task of each list waits, seconds; lists of which it is not known are left out.
BacklogAges = Mapping[ListKey, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskListRow:
    """One task list that a pool serves, a type names, or a task waits in."""

    #: "activity" or "decision".
    kind: str
    name: str
    #: Tasks that wait; None while it is not known.
    pending: int | None
    #: The count is a lower bound.
    truncated: bool
    #: How long the oldest of them waits, seconds; None: none waits, or the service does not tell.
    oldest_s: float | None
    #: Workers here that take tasks from it, and how many of them are busy.
    workers: int
    busy: int
    pools: tuple[str, ...]

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name}"


def task_lists(
    status: DaemonStatus | None, named: Iterable[ListKey], ages: BacklogAges
) -> tuple[ListKey, ...]:
    """Every list known, in order: of pools here, `named` by types, and those in which activity tasks wait.

    Decisions also wait in lists that belong to one worker each, for a few seconds: those are left out.
    """
    pools = status.pools if status is not None else ()
    waited_in = {key for key in ages if key[0] == "activity"}
    return tuple(sorted({(pool.kind, pool.task_list) for pool in pools} | set(named) | waited_in))


def task_list_row(
    key: ListKey, count: Mapping[str, Any] | None, status: DaemonStatus | None, *, ages: BacklogAges
) -> TaskListRow:
    """The row of one list; `count` is SWF's PendingTaskCount."""
    kind, name = key
    pools = [p for p in (status.pools if status else ()) if (p.kind, p.task_list) == key]
    workers = [worker for pool in pools for worker in pool.workers if worker.state in AT_WORK]
    return TaskListRow(
        kind=kind,
        name=name,
        pending=int(count["count"]) if count is not None else None,
        truncated=bool(count and count.get("truncated")),
        # The ages are asked for a moment after the count.
        oldest_s=ages.get(key) if count is not None and count["count"] else None,
        workers=len(workers),
        busy=sum(1 for worker in workers if worker.state == "running"),
        pools=tuple(pool.name for pool in pools),
    )


def task_list_columns() -> tuple[Column[TaskListRow], ...]:
    """The columns of the task lists' table."""
    return (
        Column(
            title="Kind", draw=lambda r, _w: cell(r.kind, Tone.DIM), order=lambda r: by_text(r.kind), width=8
        ),
        Column(
            title="Task list",
            draw=lambda r, _w: cell(r.name, Tone.STRONG),
            order=lambda r: by_text(r.name),
            width=18,
            stretch=3,
        ),
        Column(
            title="Waiting",
            draw=lambda r, _w: _pending(r),
            order=lambda r: by_number(r.pending),
            width=8,
            right=True,
        ),
        Column(
            title="Oldest",
            draw=lambda r, _w: cell(wording.age(r.oldest_s), Tone.DIM if r.oldest_s is None else _urgency(r)),
            order=lambda r: by_number(r.oldest_s),
            width=6,
            right=True,
        ),
        Column(
            title="Workers",
            draw=lambda r, _w: cell(r.workers, Tone.PLAIN if r.workers else Tone.DIM),
            order=lambda r: by_number(r.workers),
            width=7,
            right=True,
        ),
        Column(
            title="Busy",
            draw=lambda r, _w: cell(r.busy),
            order=lambda r: by_number(r.busy),
            width=5,
            right=True,
        ),
        Column(title="Pools", draw=lambda r, _w: _list_pools(r), width=14, stretch=2),
    )


def _pending(row: TaskListRow) -> Cell:
    if row.pending is None:
        return cell("…", Tone.DIM)
    text = wording.number(row.pending) + ("+" if row.truncated else "")
    return cell(text, _urgency(row) if row.pending else Tone.DIM)


def _urgency(row: TaskListRow) -> Tone:
    """What it means that tasks wait."""
    return Tone.WAITING if row.workers else Tone.BAD


def _list_pools(row: TaskListRow) -> Cell:
    if row.pools:
        return cell(", ".join(row.pools))
    return cell("no pool here", Tone.BAD if row.pending else Tone.DIM)

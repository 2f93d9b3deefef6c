"""The daemon as lines: its state, its pools, what runs now, and what needs attention. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flowyd.cli.output import Page, safe
from flowyd.cli.tables import table
from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Column, Part, Tone, cell
from flowyd.console.view_model.modules import last_line
from flowyd.console.view_model.workers import AT_WORK, STATES, task_text
from flowyd.control.status import DaemonStatus, PoolStatus, WorkerStatus

#: Workers at work that are shown; `flowyd workers` has all.
BUSY_SHOWN = 10
#: A death this long ago, in a place where a worker is at work again, is history and not news.
NEWS_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the SWF service counts, beside what the daemon knows."""

    #: Open executions; None: the service did not answer.
    open_executions: int | None = None
    #: Waiting tasks by kind ("activity", "decision") and task list.
    waiting: Mapping[tuple[str, str], int] | None = None
    #: Why there are no counts.
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _PoolRow:
    pool: PoolStatus
    waiting: int | None


def lines(status: DaemonStatus, counts: Counts, *, now: float, page: Page) -> list[str]:
    """The whole page."""
    out = [_headline(status, page, now)]
    if status.engine is not None:
        out.append(page.drawn(_engine(status.engine)))
    out.append(_executions(status, counts))
    waiting = counts.waiting
    rows = [
        _PoolRow(pool, waiting.get((pool.kind, pool.task_list)) if waiting is not None else None)
        for pool in status.pools
    ]
    out += ["", *table(_pool_columns(), rows, page)] if rows else ["", "no pools are configured"]
    busy = [worker for pool in status.pools for worker in pool.workers if worker.task is not None]
    if busy:
        out += ["", *table(_busy_columns(), busy[:BUSY_SHOWN], page)]
        if len(busy) > BUSY_SHOWN:
            out.append(f"… {wording.number(len(busy) - BUSY_SHOWN)} more: flowyd workers")
    news = list(_attention(status, counts, now))
    if news:
        out += ["", page.drawn(cell("Needs attention", Tone.BAD)), *(f"  {safe(line)}" for line in news)]
    return out


def _headline(status: DaemonStatus, page: Page, now: float) -> str:
    tone = {"running": Tone.GOOD}.get(status.state, Tone.WARN)
    up = wording.duration(now - status.started_at)
    since = wording.full_moment(status.started_at)
    return page.drawn(
        (
            Part("flowyd ", Tone.STRONG),
            Part(status.version),
            Part(f"  {status.state}", tone),
            Part(f"  for {up} (since {since})  pid {status.pid}"),
        )
    )


def _engine(engine: WorkerStatus) -> Cell:
    # An engine has nothing to poll: while it lives and reports, it serves.
    serves = engine.state == "polling"
    sign, tone = ("●", Tone.GOOD) if serves else STATES.get(engine.state, ("?", Tone.WARN))
    restarts = f"  {wording.plural(engine.restarts, 'restart')}" if engine.restarts else ""
    use = f"{wording.size(engine.rss_bytes)}, {engine.cpu_percent:.0f}% CPU" if engine.rss_bytes else ""
    return (
        Part("engine  "),
        Part(f"{sign} {'serving' if serves else engine.state}", tone),
        Part(f"  pid {engine.pid or '-'}  {use}{restarts}".rstrip()),
    )


def _executions(status: DaemonStatus, counts: Counts) -> str:
    opened = counts.open_executions
    count = "executions unknown" if opened is None else wording.plural(opened, "open execution")
    backend = "Amazon SWF" if status.backend == "aws" else "embedded engine"
    return f"domain  {safe(status.domain)}: {count}  {backend}  {safe(status.config_file)}"


def _pool_columns() -> tuple[Column[_PoolRow], ...]:
    return (
        Column(title="Pool", draw=lambda r, _w: cell(r.pool.name, Tone.STRONG), width=10, stretch=1),
        Column(title="Kind", draw=lambda r, _w: cell(r.pool.kind), width=8),
        Column(title="Task list", draw=lambda r, _w: cell(r.pool.task_list), width=12, stretch=1, spare=1),
        Column(title="Workers", draw=lambda r, _w: _up(r.pool), width=7, right=True),
        Column(title="Busy", draw=lambda r, _w: cell(_in(r.pool, "running")), width=4, right=True),
        Column(title="Waiting", draw=lambda r, _w: _waiting(r), width=7, right=True),
        Column(
            title="Done",
            draw=lambda r, _w: cell(wording.number(sum(w.tasks_done for w in r.pool.workers))),
            width=5,
            right=True,
        ),
        Column(title="Failed", draw=lambda r, _w: _failed(r.pool), width=6, right=True),
        Column(
            title="Memory",
            draw=lambda r, _w: cell(wording.size(sum(w.rss_bytes for w in r.pool.workers)), Tone.DIM),
            width=8,
            right=True,
            spare=2,
        ),
        Column(title="State", draw=lambda r, _w: _pool_state(r.pool), width=8, stretch=1),
    )


def _in(pool: PoolStatus, state: str) -> int:
    return sum(1 for worker in pool.workers if worker.state == state)


def _up(pool: PoolStatus) -> Cell:
    up = sum(1 for worker in pool.workers if worker.state in AT_WORK)
    return cell(f"{up}/{pool.processes}", Tone.GOOD if up >= pool.processes else Tone.WARN)


def _waiting(row: _PoolRow) -> Cell:
    if row.waiting is None:
        return cell("-", Tone.DIM)
    return cell(wording.number(row.waiting), Tone.WAITING if row.waiting else Tone.DIM)


def _failed(pool: PoolStatus) -> Cell:
    failed = sum(worker.tasks_failed for worker in pool.workers)
    return cell(wording.number(failed), Tone.WARN if failed else Tone.DIM)


def _pool_state(pool: PoolStatus) -> Cell:
    """The states of its workers that are not simply at work, or ok."""
    if pool.draining:
        return cell("draining", Tone.WARN)
    odd = [worker.state for worker in pool.workers if worker.state not in AT_WORK]
    counted = ", ".join(f"{odd.count(state)} {state}" for state in sorted(set(odd)))
    if pool.broken_modules:
        broken = f"{wording.plural(len(pool.broken_modules), 'module')} quarantined"
        return cell(", ".join(part for part in (broken, counted) if part), Tone.BAD)
    return cell(counted, Tone.WARN) if counted else cell("ok", Tone.GOOD)


def _busy_columns() -> tuple[Column[WorkerStatus], ...]:
    def execution(worker: WorkerStatus, _width: int) -> Cell:
        return cell((worker.task or {}).get("workflow_id", ""))

    def beat(worker: WorkerStatus, _width: int) -> Cell:
        age = worker.heartbeat_age_s
        return () if age is None else cell(f"{wording.age(age)} ago", Tone.DIM)

    def task(worker: WorkerStatus, _width: int) -> Cell:
        members = worker.task or {}
        kind = f"{members.get('type_name', '')} {members.get('type_version', '')}".strip()
        return cell(f"decides {kind}" if members.get("kind") == "decision" else kind, Tone.STRONG)

    return (
        Column(title="Now", draw=task, width=16, stretch=1),
        Column(title="For", draw=lambda w, _w: cell(wording.duration(w.state_s)), width=6, right=True),
        Column(title="Heartbeat", draw=beat, width=9, spare=1),
        Column(title="Execution", draw=execution, width=20, stretch=3),
        Column(title="Worker", draw=lambda w, _w: cell(f"pid {w.pid}", Tone.DIM), width=10),
    )


def _attention(status: DaemonStatus, counts: Counts, now: float) -> Iterator[str]:
    if counts.problem:
        yield f"the SWF service does not answer: {counts.problem}"
    if status.engine is not None:
        yield from _trouble("the engine", "flowyd resume", status.engine, now)
    for task in status.quarantined:
        yield (
            f"{task.type_name} of {task.workflow_id} killed its worker {wording.plural(task.deaths, 'time')} "
            f"and is {task.verdict.value}; flowyd quarantine"
        )
    for pool in status.pools:
        for module, reason in pool.broken_modules.items():
            yield f"pool {pool.name}: {module} is not served: {last_line(reason)}"
        for worker in pool.workers:
            yield from _trouble(f"pool {pool.name}: a worker", f"flowyd resume {pool.name}", worker, now)
        if pool.draining:
            yield f"pool {pool.name} is draining and takes no tasks; undo: flowyd resume {pool.name}"
        if pool.processes == 0 and counts.waiting and counts.waiting.get((pool.kind, pool.task_list)):
            yield f"pool {pool.name} has no workers and tasks wait; flowyd scale {pool.name} 1"


def _trouble(who: str, resume: str, worker: WorkerStatus, now: float) -> Iterator[str]:
    """What is wrong with a worker or the engine, and what to do.

    Args:
        who: such as "pool images: a worker".
        resume: the command that tries it at once.
    """
    retry = f"; next start in {wording.duration(worker.retry_in_s)}" if worker.retry_in_s is not None else ""
    if worker.state == "hung":
        doing = f": {task_text(worker)}" if worker.task else ""
        yield (
            f"{who} (pid {worker.pid}) is hung for {wording.duration(worker.state_s)}{doing}; "
            f"flowyd log --pid {worker.pid}"
        )
    elif worker.state == "fatal":
        yield f"{who} dies again and again: {worker.last_death}{retry}; at once: {resume}"
    elif worker.state == "back-off":
        yield f"{who} died: {worker.last_death}{retry}"
    elif worker.last_death_at is not None and now - worker.last_death_at < NEWS_S:
        ago = wording.duration(now - worker.last_death_at)
        yield f"{who} died {ago} ago: {worker.last_death}; pid {worker.pid} has taken its place"

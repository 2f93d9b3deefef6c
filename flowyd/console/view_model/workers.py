"""Pools and workers as rows: a heading per pool, then its workers, the engine first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flowyd.console.view_model import quarantine, wording
from flowyd.console.view_model.cells import Cell, Column, Part, Tone, cell, cut_inside
from flowyd.control.drift import drifts_in
from flowyd.control.status import DaemonStatus, PoolStatus, WorkerStatus

#: State from outside to sign and tone.
STATES = {
    "starting": ("◌", Tone.WAITING),
    "loading": ("◌", Tone.WAITING),
    "polling": ("○", Tone.DIM),
    "idle": ("○", Tone.DIM),
    "serving": ("●", Tone.GOOD),
    "running": ("▶", Tone.BUSY),
    "hung": ("‼", Tone.BAD),
    "draining": ("◑", Tone.WARN),
    "stopping": ("◑", Tone.WARN),
    "back-off": ("↻", Tone.WARN),
    "fatal": ("✘", Tone.BAD),
    "quarantined": ("✘", Tone.BAD),
}
#: So much of a workflow id is always shown, characters.
_ID = 16
_IDLE = frozenset({"polling", "running", "idle"})
#: States in which a worker takes tasks or soon will.
AT_WORK = frozenset({"starting", "loading", "idle", "polling", "running"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """One line of the workers' table: a pool (worker is None), one of its workers, or the engine."""

    key: str
    pool: PoolStatus | None
    worker: WorkerStatus | None

    @property
    def is_pool(self) -> bool:
        return self.worker is None


def rows(status: DaemonStatus) -> tuple[WorkerRow, ...]:
    """The engine, then each pool with its workers below it.

    A worker's key is its place in the pool, so that the selection stays on the place when a process is
    replaced by its successor.
    """
    return tuple(_rows(status))


def _rows(status: DaemonStatus) -> Iterator[WorkerRow]:
    if status.engine is not None:
        # The engine waits for requests, it polls nothing.
        engine = replace(status.engine, state="serving") if status.engine.state in _IDLE else status.engine
        yield WorkerRow(key="engine", pool=None, worker=engine)
    for pool in status.pools:
        yield WorkerRow(key=f"pool {pool.name}", pool=pool, worker=None)
        for place, worker in enumerate(pool.workers):
            yield WorkerRow(key=f"worker {pool.name} {place}", pool=pool, worker=worker)


def found(row: WorkerRow, text: str) -> bool:
    """Whether all words occur in what the row shows."""
    parts = [row.key]
    if row.pool is not None:
        parts += [row.pool.name, row.pool.task_list, row.pool.kind]
    if row.worker is not None:
        parts += [row.worker.state, str(row.worker.pid), task_text(row.worker), row.worker.last_death]
    written = " ".join(parts).lower()
    return all(word in written for word in text.lower().split())


def columns(*, now: float) -> tuple[Column[WorkerRow], ...]:
    """The columns of the workers' table."""
    return (
        Column(title="Pool / pid", draw=_name, width=13, stretch=1),
        Column(title="State", draw=lambda r, _w: _state(r), width=14),
        Column(title="For", draw=lambda r, _w: _for(r), width=4, right=True),
        Column(title="Task", draw=_task, width=27, stretch=4),
        Column(title="Beat", draw=lambda r, _w: _beat(r), width=4, right=True),
        Column(title="Done", draw=lambda r, _w: _done(r), width=5, right=True),
        Column(title="Fail", draw=lambda r, _w: _failed(r), width=4, right=True, spare=1),
        Column(title="RSS", draw=lambda r, _w: _rss(r), width=7, right=True, spare=2),
        Column(title="CPU", draw=lambda r, _w: _cpu(r), width=4, right=True, spare=3),
        Column(title="Up", draw=lambda r, _w: _up(r, now), width=4, right=True, spare=4),
        Column(title="Report", draw=lambda r, _w: _report(r), width=6, right=True, spare=5),
        Column(title="Died", draw=lambda r, _w: _restarts(r), width=4, right=True, spare=1),
        Column(title="Last death", draw=lambda r, _w: _death(r), width=17, stretch=2, spare=2),
    )


def _workers(row: WorkerRow) -> tuple[WorkerStatus, ...]:
    if row.worker is not None:
        return (row.worker,)
    return row.pool.workers if row.pool is not None else ()


def _name(row: WorkerRow, _width: int) -> Cell:
    if row.pool is None:
        return (Part("engine ", Tone.STRONG), Part(str(row.worker.pid if row.worker else ""), Tone.DIM))
    if row.worker is None:
        return (Part(row.pool.name, Tone.STRONG),)
    return (Part("  "), Part(str(row.worker.pid or "-")))


def _state(row: WorkerRow) -> Cell:
    if row.worker is not None:
        sign, tone = STATES.get(row.worker.state, ("?", Tone.WARN))
        retry = row.worker.retry_in_s
        text = f" {wording.age(retry)}" if retry is not None else ""
        return cell(f"{sign} {row.worker.state}{text}", tone)
    assert row.pool is not None
    alive = sum(1 for w in row.pool.workers if w.state in AT_WORK)
    if row.pool.draining:
        return cell(f"◑ draining {alive}", Tone.WARN)
    if row.pool.broken_modules:
        sign = "✘ module" if _unserved(row.pool)[0] else "≠ drift"
        return cell(f"{alive}/{row.pool.processes} {sign}", Tone.BAD)
    if alive < row.pool.processes:
        return cell(f"{alive}/{row.pool.processes} up", Tone.WARN if alive else Tone.BAD)
    return cell(f"{alive}/{row.pool.processes} up", Tone.GOOD)


def _for(row: WorkerRow) -> Cell:
    return cell(wording.age(row.worker.state_s), Tone.DIM) if row.worker is not None else ()


def _task(row: WorkerRow, width: int) -> Cell:
    if row.worker is not None:
        return _task_parts(row.worker, width)
    assert row.pool is not None
    return cell(f"list {row.pool.task_list}", Tone.DIM)


def _task_parts(worker: WorkerStatus, width: int | None = None) -> Cell:
    """Type, workflow id and activity id; the workflow id is cut where the width does not hold them all."""
    task = worker.task
    if task is None:
        return cell("not started, see last death" if worker.state == "fatal" else "", Tone.DIM)
    kind = task.get("type_name", "")
    label = f"decides {kind}" if task.get("kind") == "decision" else kind
    workflow_id, activity_id = task.get("workflow_id", ""), task.get("activity_id", "")
    if width is not None:
        room = width - len(label) - len(activity_id) - (4 if activity_id else 2)
        workflow_id = cut_inside(workflow_id, max(room, _ID))
    ids = f"  {workflow_id}  {activity_id}"
    return (Part(label), Part(ids.rstrip(), Tone.DIM))


def task_text(worker: WorkerStatus) -> str:
    """The task in hand in words; empty when idle."""
    return "".join(part.text for part in _task_parts(worker)) if worker.task is not None else ""


def _beat(row: WorkerRow) -> Cell:
    if row.worker is None or row.worker.heartbeat_age_s is None:
        return ()
    return cell(wording.age(row.worker.heartbeat_age_s))


def _done(row: WorkerRow) -> Cell:
    return cell(wording.number(sum(w.tasks_done for w in _workers(row))), _dim_if(row.is_pool))


def _failed(row: WorkerRow) -> Cell:
    failed = sum(w.tasks_failed for w in _workers(row))
    return cell(wording.number(failed), Tone.WARN) if failed else cell("0", Tone.DIM)


def _rss(row: WorkerRow) -> Cell:
    return cell(wording.size(sum(w.rss_bytes for w in _workers(row))), _dim_if(row.is_pool))


def _cpu(row: WorkerRow) -> Cell:
    return cell(f"{sum(w.cpu_percent for w in _workers(row)):.0f}%", _dim_if(row.is_pool))


def _dim_if(condition: bool) -> Tone:
    return Tone.DIM if condition else Tone.PLAIN


def _up(row: WorkerRow, now: float) -> Cell:
    if row.worker is None or row.worker.started_at is None:
        return ()
    return cell(wording.age(now - row.worker.started_at), Tone.DIM)


def _report(row: WorkerRow) -> Cell:
    return cell(wording.age(row.worker.report_age_s), Tone.DIM) if row.worker is not None else ()


def _restarts(row: WorkerRow) -> Cell:
    restarts = sum(w.restarts for w in _workers(row))
    return cell(wording.number(restarts), Tone.WARN) if restarts else cell("0", Tone.DIM)


def _death(row: WorkerRow) -> Cell:
    if row.worker is not None:
        return cell(row.worker.last_death, Tone.WARN)
    if row.pool is None:
        return ()
    named = zip(("quarantined", "drift"), _unserved(row.pool), strict=True)
    return cell("; ".join(f"{word}: {_files(found)}" for word, found in named if found), Tone.BAD)


def _files(modules: list[str]) -> str:
    """The modules by the names of their files; their folders are those of the configuration."""
    return ", ".join(module.rpartition("/")[2] for module in modules)


def _unserved(pool: PoolStatus) -> tuple[list[str], list[str]]:
    """The modules the pool does not serve: those that are quarantined, and those that drifted."""
    drifted = [module for module, reason in pool.broken_modules.items() if drifts_in(reason)]
    return [module for module in pool.broken_modules if module not in drifted], drifted


def daemon_line(status: DaemonStatus, *, now: float) -> Cell:
    """What the daemon is, for the line above its workers."""
    ran = wording.duration(now - status.started_at)
    held = quarantine.held(status.quarantined)
    told = (Part(f"  ‼ {wording.plural(held, 'task')} held, z shows them", Tone.BAD),) if held else ()
    return (
        Part(f"  daemon {status.pid} {status.state} for {ran}"),
        *told,
        Part(f"  flowyd {status.version}  {status.config_file}", Tone.DIM),
    )


def health(status: DaemonStatus) -> Cell:
    """The daemon in one line: its state, workers up of wanted, what is broken."""
    wanted = sum(pool.processes for pool in status.pools)
    up = sum(1 for pool in status.pools for w in pool.workers if w.state in AT_WORK)
    busy = sum(1 for pool in status.pools for w in pool.workers if w.state == "running")
    unserved = [_unserved(pool) for pool in status.pools]
    broken = len({module for quarantined, _ in unserved for module in quarantined})
    drifted = len({module for _, drifted in unserved for module in drifted})
    parts = [Part(f"workers {up}/{wanted}", Tone.GOOD if up >= wanted else Tone.WARN)]
    # What needs somebody comes first: a narrow terminal cuts the end.
    held = quarantine.held(status.quarantined)
    if held:
        parts.append(Part(f"  ‼ {held} held", Tone.BAD))
    if broken:
        parts.append(Part(f"  ✘ {wording.plural(broken, 'module')}", Tone.BAD))
    if drifted:
        parts.append(Part(f"  ≠ {drifted} drift", Tone.BAD))
    if busy:
        parts.append(Part(f"  {busy} busy", Tone.BUSY))
    return tuple(parts)

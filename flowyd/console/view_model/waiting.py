"""What an open execution waits for, and the reason it does not go on, with the evidence.

Two sides are read together: the execution's history (what is open) and the daemon's status (who could do
it). Without a daemon, or with workers elsewhere, only the first side is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Column, Tone, cell, cut_inside
from flowyd.console.view_model.spans import Kind, Span
from flowyd.console.view_model.workers import AT_WORK
from flowyd.control.quarantine import QuarantinedTask, Verdict, key_of
from flowyd.control.status import DaemonStatus, PoolStatus, WorkerStatus


class Cause(str, Enum):
    """Why something is not there yet; `flowyd why` looks for evidence by it."""

    TIMER = "timer"  #: a timer runs
    CHILD = "child"  #: a child execution is open
    LAMBDA = "lambda"  #: a Lambda function was called
    RUNNING = "running"  #: a worker has it in hand, as far as is known
    HUNG = "hung"  #: the worker that has it in hand is past its deadline
    UNKNOWN = "unknown"  #: nobody has taken it, and no daemon says who could
    STICKY = "sticky"  #: a decision is offered first to the worker that knows the execution
    NO_POOL = "no pool"  #: no pool here serves its task list
    HELD = "held"  #: it has killed its workers, and an operator's choice is waited for
    QUARANTINED = "quarantined"  #: no pool serves its type, and modules of the pool are broken
    NOT_SERVED = "not served"  #: no pool serves its type
    DRAINING = "draining"  #: the pools of its list take no tasks
    NO_WORKER = "no worker"  #: no worker of the pools of its list is up
    BUSY = "busy"  #: all workers of the pools of its list are busy
    SOON = "soon"  #: a worker will take it at once
    SIGNAL = "signal"  #: nothing is scheduled


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One thing an execution waits for."""

    key: str
    #: What is waited for, such as "resize-0-0 (resize 1)".
    what: str
    cause: Cause
    #: The cause in words.
    reason: str
    tone: Tone
    #: How long already, seconds.
    for_s: float
    #: What to do about it; empty when nothing is wrong.
    advice: str = ""


#: How flowyd's decider begins the name of a signal that code waits for.
_SIGNAL = "signal "
#: Cause, reason, tone and advice of a wait.
_Reason = tuple[Cause, str, Tone, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What a reason is looked for in."""

    status: DaemonStatus | None
    workflow_id: str
    run_id: str
    workflow_type: str
    now: float


def waits(
    spans: Sequence[Span],
    *,
    workflow_id: str,
    run_id: str,
    status: DaemonStatus | None,
    now: float,
    workflow_type: str = "",
    context: str | None = None,
) -> tuple[Wait, ...]:
    """What the open spans of an open execution wait for, what is wrong first.

    `status` is None where no daemon is asked; with `workflow_type`, "name version", it is told whether a pool
    knows it. `context` is the latest execution context, in which flowyd's decider names the signals that the
    code waits for. An execution with nothing open in it waits for a signal or a cancel request.
    """
    scene = _Scene(
        status=status, workflow_id=workflow_id, run_id=run_id, workflow_type=workflow_type, now=now
    )
    found = [_wait(span, scene) for span in spans if span.is_open]
    found.sort(key=lambda wait: (wait.tone is not Tone.BAD, wait.tone is not Tone.WARN))
    since = max((span.ended_at or 0.0 for span in spans if span.ended_at is not None), default=now)
    # An open decision may have been scheduled by the very signal.
    decided = not any(span.is_open and span.kind is Kind.DECISION for span in spans)
    found += [_signal(name, now - since) for name in _signals_in(context) if decided]
    if found:
        return tuple(found)
    return (
        Wait(
            key="signal",
            what="a signal",
            cause=Cause.SIGNAL,
            reason="nothing is scheduled: it goes on only when it is signaled, canceled or timed out",
            tone=Tone.WARN,
            for_s=now - since,
            advice="send the signal it waits for, or terminate it",
        ),
    )


def _signal(name: str, for_s: float) -> Wait:
    return Wait(
        key=f"signal {name}",
        what=f"signal {name}",
        cause=Cause.SIGNAL,
        reason="nobody has sent it since",
        tone=Tone.WAITING,
        for_s=for_s,
    )


def _signals_in(context: str | None) -> list[str]:
    """The names of the signals in a context of flowyd's decider, which counts those of one name."""
    try:
        listed = json.loads(context or "{}")["waits_for"]
        return [what[len(_SIGNAL) :].rpartition("-")[0] for what in listed if what.startswith(_SIGNAL)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _wait(span: Span, scene: _Scene) -> Wait:
    cause, reason, tone, advice = _reason(span, scene)
    label = {Kind.DECISION: "a decision", Kind.TIMER: f"timer {span.id}"}.get(
        span.kind, f"{span.id} ({span.type})"
    )
    since = span.started_at if span.started_at is not None else span.asked_at
    return Wait(
        key=span.key,
        what=label,
        cause=cause,
        reason=reason,
        tone=tone,
        for_s=scene.now - since,
        advice=advice,
    )


def _reason(span: Span, scene: _Scene) -> _Reason:
    if span.kind is Kind.TIMER:
        return (
            Cause.TIMER,
            f"due in {wording.duration((span.due_at or scene.now) - scene.now)}",
            Tone.WAITING,
            "",
        )
    if span.kind is Kind.CHILD:
        began = "the child is open" if span.started_at is not None else "the child has not started yet"
        return Cause.CHILD, f"{began}; Enter on it in the timeline opens it", Tone.WAITING, ""
    if span.kind is Kind.LAMBDA:
        return Cause.LAMBDA, "the Lambda function has not answered yet", Tone.WAITING, ""
    held = held_task(span, workflow_id=scene.workflow_id, status=scene.status)
    if held is not None and _worker_of(span, scene) is None:
        return _held(held, span, scene)
    if span.started_at is not None:
        return _running(span, scene)
    return _scheduled(span, scene)


def held_task(span: Span, *, workflow_id: str, status: DaemonStatus | None) -> QuarantinedTask | None:
    """The held task that the span is an attempt of, whether a worker has taken it yet or not."""
    if span.kind is not Kind.ACTIVITY or status is None or not status.quarantined:
        return None
    name, _, version = span.type.rpartition(" ")
    key = key_of(workflow_id=workflow_id, type_name=name, type_version=version, input_text=span.input)
    return next((t for t in status.quarantined if t.key == key and t.verdict is Verdict.HELD), None)


def _held(held: QuarantinedTask, span: Span, scene: _Scene) -> _Reason:
    limit = "" if span.due_at is None else f", times out in {wording.duration(span.due_at - scene.now)}"
    return (
        Cause.HELD,
        f"it killed its worker {wording.plural(held.deaths, 'time')} and is held{limit}",
        Tone.BAD,
        f"flowyd quarantine release {held.key}, or fail; z on the workers' screen",
    )


def _running(span: Span, scene: _Scene) -> _Reason:
    limit = "" if span.due_at is None else f", times out in {wording.duration(span.due_at - scene.now)}"
    who = f" on {span.identity}" if span.identity else ""
    worker = _worker_of(span, scene)
    if worker is None:
        return Cause.RUNNING, f"runs{who}{limit}", Tone.BUSY, ""
    beat = worker.heartbeat_age_s
    heard = "" if beat is None else f", last heartbeat {wording.age(beat)} ago"
    if worker.state == "hung":
        return (
            Cause.HUNG,
            f"worker {worker.pid} is hung{heard}{limit}",
            Tone.BAD,
            "the supervisor ends it at its deadline",
        )
    return Cause.RUNNING, f"runs in worker {worker.pid}{heard}{limit}", Tone.BUSY, ""


def _worker_of(span: Span, scene: _Scene) -> WorkerStatus | None:
    """The worker that has this very task in hand."""
    wanted = ("decision", "") if span.kind is Kind.DECISION else ("activity", span.id)
    for pool in scene.status.pools if scene.status is not None else ():
        for worker in pool.workers:
            task = worker.task or {}
            if task.get("run_id") != scene.run_id:
                continue
            if (task.get("kind"), task.get("activity_id", "")) == wanted:
                return worker
    return None


def _scheduled(span: Span, scene: _Scene) -> _Reason:
    status = scene.status
    kind = "decision" if span.kind is Kind.DECISION else "activity"
    if status is None:
        return Cause.UNKNOWN, f"no worker has polled list {span.task_list} for it yet", Tone.WAITING, ""
    pools = [p for p in status.pools if p.kind == kind and p.task_list == span.task_list]
    if not pools:
        # A sticky list belongs to one decision worker and falls back to the shared list by a timeout.
        if span.kind is Kind.DECISION and span.due_at is not None:
            reason = f"offered first to the worker that knows it, list {span.task_list}"
            return Cause.STICKY, reason, Tone.WAITING, ""
        return (
            Cause.NO_POOL,
            f"no {kind} pool here serves list {span.task_list}",
            Tone.BAD,
            f'add a [[pool]] of kind "{kind}" with task_list = "{span.task_list}", or run one elsewhere',
        )
    return _served(span.type or scene.workflow_type, pools)


def _served(type_name: str, pools: Sequence[PoolStatus]) -> _Reason:
    """Why a task is not taken though a pool serves its list."""
    names = ", ".join(pool.name for pool in pools)
    workers = [worker for pool in pools for worker in pool.workers]
    broken = [module for pool in pools for module in pool.broken_modules]
    # A pool that knows neither is still loading.
    loaded = all(pool.served_types or pool.broken_modules for pool in pools)
    served = not type_name or any(type_name in pool.served_types for pool in pools)
    if loaded and not served and broken:
        reason = f"type {type_name} is not served; quarantined: {', '.join(broken)}"
        return Cause.QUARANTINED, reason, Tone.BAD, f"repair the module, then: flowyd reload ({names})"
    if loaded and not served:
        reason = f"pool {names} does not know type {type_name}"
        return Cause.NOT_SERVED, reason, Tone.BAD, "add its module and reload"
    if all(pool.draining for pool in pools):
        return Cause.DRAINING, f"pool {names} is draining", Tone.WARN, f"flowyd resume {names}"
    up = [worker for worker in workers if worker.state in AT_WORK]
    if not up:
        reason = f"pool {names} has no worker that runs: {_deaths(workers)}"
        return Cause.NO_WORKER, reason, Tone.BAD, "see the worker's log"
    busy = [worker for worker in up if worker.state == "running"]
    if len(busy) == len(up):
        return Cause.BUSY, f"all {len(up)} workers of pool {names} are busy", Tone.WAITING, ""
    return Cause.SOON, f"on its way to pool {names}", Tone.WAITING, ""


def _deaths(workers: Iterable[WorkerStatus]) -> str:
    found = {f"{worker.state}, {worker.last_death}".rstrip(", ") for worker in workers}
    return "; ".join(sorted(found)) or "no processes"


_COLUMNS: tuple[Column[Wait], ...] = (
    Column(title="Waits for", draw=lambda w, n: cell(cut_inside(w.what, n)), width=20, stretch=2),
    Column(title="For", draw=lambda w, _n: cell(wording.age(w.for_s), Tone.DIM), width=4, right=True),
    Column(title="Because", draw=lambda w, _n: cell(w.reason, w.tone), width=46, stretch=3),
)


def columns(found: Sequence[Wait]) -> tuple[Column[Wait], ...]:
    """What is waited for as a table; without the column of advice where there is none."""
    advice: tuple[Column[Wait], ...] = (
        Column(title="Advice", draw=lambda w, _n: cell(w.advice, Tone.STRONG), width=20, stretch=2, spare=1),
    )
    return (*_COLUMNS, *(advice if any(wait.advice for wait in found) else ()))

"""The evidence for each cause of a wait, and the commands that would help. Pure; one function for each cause.

Commands are words after `flowyd`; the caller adds options that lead to the same daemon.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowyd.cli.why_facts import Facts, pid_of, stands
from flowyd.console.view_model import wording
from flowyd.console.view_model.modules import last_line
from flowyd.console.view_model.spans import Kind, Span
from flowyd.console.view_model.waiting import Cause, Wait, held_task
from flowyd.console.view_model.workers import AT_WORK, task_text
from flowyd.control.status import PoolStatus

#: Workers that are named when all are busy.
BUSY_SHOWN = 5
#: Lines of a worker's last words.
LOG_LINES = 12

Command = tuple[str, ...]
#: Evidence and commands for a cause.
_Found = tuple[Sequence[str], Sequence[Command]]


def _pools(span: Span | None, facts: Facts) -> list[PoolStatus]:
    kind = "decision" if span is None or span.kind is Kind.DECISION else "activity"
    pools = facts.status.pools if facts.status is not None else ()
    return [
        pool for pool in pools if span is not None and (pool.kind, pool.task_list) == (kind, span.task_list)
    ]


def _waiting_tasks(span: Span | None, facts: Facts) -> list[str]:
    if span is None:
        return []
    kind = "decision" if span.kind is Kind.DECISION else "activity"
    count = facts.pending.get((kind, span.task_list))
    return [] if count is None else [f"in list {span.task_list} wait {wording.plural(count, f'{kind} task')}"]


def _no_pool(_wait: Wait, span: Span | None, facts: Facts) -> _Found:
    kind = "decision" if span is None or span.kind is Kind.DECISION else "activity"
    assert facts.status is not None
    others = sorted({f"{pool.task_list} ({pool.name})" for pool in facts.status.pools if pool.kind == kind})
    evidence = [
        *_waiting_tasks(span, facts),
        f"lists of the {kind} pools here: {', '.join(others) or 'none'}",
        f'add to {facts.status.config_file}:  [[pool]]  name = "…"  kind = "{kind}"  '
        f'task_list = "{span.task_list if span is not None else ""}"',
    ]
    return evidence, [("reload",)]


def _held(_wait: Wait, span: Span | None, facts: Facts) -> _Found:
    assert span is not None
    held = held_task(span, workflow_id=facts.execution.workflow_id, status=facts.status)
    assert held is not None
    taken = "no worker has taken it yet; one that does leaves it open" if span.started_at is None else ""
    died = f"the last one died {wording.duration(facts.now - held.died_at)} ago: {held.last_death}"
    commands = [("quarantine", choice, held.key) for choice in ("release", "fail")]
    return [died, *([taken] if taken else [])], commands


def _unserved(_wait: Wait, span: Span | None, facts: Facts) -> _Found:
    evidence = []
    for pool in _pools(span, facts):
        evidence.append(f"pool {pool.name} serves: {', '.join(pool.served_types) or 'no type'}")
        evidence += [f"{path}: {last_line(text)}" for path, text in pool.broken_modules.items()]
    return evidence, [("reload",)]


def _draining(_wait: Wait, span: Span | None, facts: Facts) -> _Found:
    return _waiting_tasks(span, facts), [("resume", pool.name) for pool in _pools(span, facts)]


def _no_worker(_wait: Wait, span: Span | None, facts: Facts) -> _Found:
    evidence, commands = _waiting_tasks(span, facts), list[Command]()
    for pool in _pools(span, facts):
        if pool.processes == 0:
            evidence.append(f"pool {pool.name} is set to 0 workers")
            commands.append(("scale", pool.name, "1"))
        for worker in pool.workers:
            retry = worker.retry_in_s
            again = "" if retry is None else f"; next start in {wording.duration(retry)}"
            died = f", {wording.plural(worker.restarts, 'restart')}: {worker.last_death}"
            evidence.append(
                f"a worker of {pool.name} is {worker.state}{died if worker.last_death else ''}{again}"
            )
        if any(worker.state in ("fatal", "back-off") for worker in pool.workers):
            commands.append(("resume", pool.name))
    return evidence, commands


def _busy(_wait: Wait, span: Span | None, facts: Facts) -> _Found:
    evidence, commands = _waiting_tasks(span, facts), list[Command]()
    for pool in _pools(span, facts):
        busy = [worker for worker in pool.workers if worker.task is not None and worker.state in AT_WORK]
        evidence += [
            f"pid {worker.pid} runs for {wording.duration(worker.state_s)}: {task_text(worker)}"
            for worker in busy[:BUSY_SHOWN]
        ]
        if len(busy) > BUSY_SHOWN:
            evidence.append(f"and {wording.number(len(busy) - BUSY_SHOWN)} more")
        commands.append(("scale", pool.name, str(pool.processes + 1)))
    return evidence, commands


def _hung(wait: Wait, span: Span | None, facts: Facts) -> _Found:
    pid = pid_of(span.identity) if span is not None else 0
    log = [f"  {line}" for line in facts.logs.get(pid, ())[:LOG_LINES]]
    return [wait.advice, *log], [("log", "--pid", str(pid))] if pid else []


def _child(_wait: Wait, span: Span | None, _facts: Facts) -> _Found:
    assert span is not None
    return [], [("why", span.id, *((span.run_id,) if span.run_id else ()))]


def _unknown(_wait: Wait, span: Span | None, facts: Facts) -> _Found:
    kind = "decision" if span is None or span.kind is Kind.DECISION else "activity"
    return [*_waiting_tasks(span, facts), f"who polls {kind} tasks there is not known without a daemon"], []


def _signal(wait: Wait, _span: Span | None, facts: Facts) -> _Found:
    at, names = stands(facts.description.get("latestExecutionContext"))
    evidence = [f"the code stands at {at}"] if at else []
    evidence += [f"it asked for: {', '.join(names)}"] if names else []
    name = wait.what.removeprefix("signal ") if wait.what.startswith("signal ") else "NAME"
    execution = facts.execution
    return evidence, [("signal", execution.workflow_id, name, "--run-id", execution.run_id)]


EVIDENCE: dict[Cause, Callable[[Wait, Span | None, Facts], _Found]] = {
    Cause.NO_POOL: _no_pool,
    Cause.HELD: _held,
    Cause.QUARANTINED: _unserved,
    Cause.NOT_SERVED: _unserved,
    Cause.DRAINING: _draining,
    Cause.NO_WORKER: _no_worker,
    Cause.BUSY: _busy,
    Cause.HUNG: _hung,
    Cause.CHILD: _child,
    Cause.UNKNOWN: _unknown,
    Cause.SIGNAL: _signal,
}

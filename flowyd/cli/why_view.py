"""Why an execution does not go on: findings with evidence and the commands that would help. Pure.

Built on `waiting.waits`, which names the cause of each wait, and on `why_evidence`, which has the evidence
for a cause from both sides: SWF's (history, counts of waiting tasks) and the daemon's (pools, workers, their
last lines). What concerns the execution as a whole (it is closed, its decisions break, its history is nearly
full) is found here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flowyd.cli.output import Page, safe
from flowyd.cli.show_view import failure_lines
from flowyd.cli.why_evidence import EVIDENCE, LOG_LINES, Command
from flowyd.cli.why_facts import Facts, pid_of
from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Part, Tone, cell
from flowyd.console.view_model.executions import STATUSES, Execution, status_cell
from flowyd.console.view_model.spans import Kind, Span, attributes
from flowyd.console.view_model.waiting import Cause, Wait, waits

#: SWF closes an execution whose history would grow beyond this (quotas of the service).
MOST_EVENTS = 25_000
#: From here on the end is near enough to be told first.
NEARLY_FULL = 20_000
#: Findings that are told in full.
FINDINGS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason, what speaks for it, and what would help."""

    #: A word for machines: a member of `Cause`, or closed, broken decision, token, canceling, long history.
    cause: str
    #: The reason as a sentence.
    says: str
    evidence: tuple[str, ...]
    #: Commands without the program's name; empty where only time helps.
    commands: tuple[Command, ...]
    tone: Tone


def findings(facts: Facts) -> tuple[Finding, ...]:
    """Every reason, the worst first; never empty."""
    if not facts.execution.is_open:
        return (_closed(facts),)
    found = [*_as_a_whole(facts), *(_of_waits(alike, facts) for alike in _alike(_waits(facts), facts))]
    if facts.daemon_problem:
        found.append(
            Finding(
                cause="daemon",
                says="the daemon does not answer, so nobody here works",
                evidence=(facts.daemon_problem,),
                commands=(),
                tone=Tone.BAD,
            )
        )
    ranks = {Tone.BAD: 0, Tone.WARN: 1}
    return tuple(sorted(found, key=lambda finding: ranks.get(finding.tone, 2)))


def _waits(facts: Facts) -> tuple[Wait, ...]:
    execution = facts.execution
    return waits(
        facts.spans,
        workflow_id=execution.workflow_id,
        run_id=execution.run_id,
        status=facts.status,
        now=facts.now,
        workflow_type=f"{execution.type_name} {execution.type_version}",
        context=facts.description.get("latestExecutionContext"),
    )


def _closed(facts: Facts) -> Finding:
    execution, last = facts.execution, facts.events[-1] if facts.events else {"eventType": ""}
    members = attributes(last)
    ago = wording.duration(facts.now - (execution.closed_at or facts.now))
    reason = next((members[name] for name in ("reason", "cause", "timeoutType") if members.get(name)), "")
    evidence = [
        f"closed {wording.full_moment(execution.closed_at)}, {ago} ago; event {last.get('eventId', '?')}",
        *failure_lines(reason, members.get("details") or ""),
    ]
    commands: list[Command] = [("show", execution.workflow_id, execution.run_id)]
    successor = members.get("newExecutionRunId")
    if successor:
        evidence.append(f"goes on as run {successor}")
        commands = [("why", execution.workflow_id, successor)]
    _, word, _ = STATUSES.get(execution.status, ("", execution.status, None))
    good = execution.status in ("COMPLETED", "CONTINUED_AS_NEW")
    return Finding(
        cause="closed",
        says=f"it does not go on because it has ended: {word}",
        evidence=tuple(evidence),
        commands=tuple(commands),
        tone=Tone.GOOD if good else Tone.BAD,
    )


def _as_a_whole(facts: Facts) -> Iterator[Finding]:
    """What concerns more than one wait."""
    execution = facts.execution
    failed = _decisions_lost_in_a_row(facts.spans)
    if failed:
        yield _broken_decision(facts, failed)
    count = wording.number(len(facts.events))
    if len(facts.events) >= NEARLY_FULL:
        yield Finding(
            cause="long history",
            says=f"its history has {count} events; at {wording.number(MOST_EVENTS)} SWF ends it",
            evidence=("the workflow should restart before: return restart(…), or restart_at",),
            commands=(("history", execution.workflow_id, "--reverse"),),
            tone=Tone.BAD,
        )
    if execution.cancel_requested:
        yield Finding(
            cause="canceling",
            says="a cancel was requested; its code decides how it ends",
            evidence=(),
            commands=(("terminate", execution.workflow_id, execution.run_id),),
            tone=Tone.WARN,
        )


def _decisions_lost_in_a_row(found: Sequence[Span]) -> int:
    """How many decision tasks in a row, the newest at the end, timed out in a worker's hands; one that is
    open after them does not count."""
    count = 0
    for span in reversed([span for span in found if span.kind is Kind.DECISION]):
        if span.is_open:
            continue
        if span.outcome != "timed out" or span.started_at is None:
            break
        count += 1
    return count


def _broken_decision(facts: Facts, failed: int) -> Finding:
    evidence = [f"{wording.plural(failed, 'decision task')} in a row timed out in a worker's hands"]
    commands: list[Command] = []
    for pid, log in facts.logs.items():
        evidence += [f"worker {pid} wrote:", *(f"  {line}" for line in log[:LOG_LINES])]
        commands.append(("log", "--pid", str(pid)))
    if facts.status is not None:
        commands.insert(0, ("reload",))
    return Finding(
        cause="broken decision",
        says="its code cannot decide: it does not fit the history, breaks or hangs; repair it and reload",
        evidence=tuple(evidence),
        commands=tuple(commands),
        tone=Tone.BAD,
    )


def _span_of(wait: Wait, facts: Facts) -> Span | None:
    return next((span for span in facts.spans if span.key == wait.key), None)


def _alike(found: Sequence[Wait], facts: Facts) -> list[list[Wait]]:
    """Waits of the same reason and list together: of a thousand parts of one fan-out one is told."""
    groups: dict[tuple[str, ...], list[Wait]] = {}
    lists = {span.key: span.task_list for span in facts.spans}
    for wait in found:
        reason = wait.cause.value, wait.reason, wait.advice, lists.get(wait.key, "")
        groups.setdefault(reason, []).append(wait)
    return list(groups.values())


def _of_waits(alike: Sequence[Wait], facts: Facts) -> Finding:
    wait = alike[0]
    span = _span_of(wait, facts)
    since = f"for {wording.duration(wait.for_s)}"
    more = f" and {wording.number(len(alike) - 1)} more" if len(alike) > 1 else ""
    if span is not None and _is_left_open(wait, span, facts):
        return _left_open(span, wait, facts)
    says = f"it waits {since} for {wait.what}{more}: {wait.reason}"
    look = EVIDENCE.get(wait.cause)
    evidence, commands = look(wait, span, facts) if look is not None else ((), ())
    return Finding(
        cause=wait.cause.value, says=says, evidence=tuple(evidence), commands=tuple(commands), tone=wait.tone
    )


def _is_left_open(wait: Wait, span: Span, facts: Facts) -> bool:
    """Whether a worker of this daemon took the task and has it no more in hand."""
    if wait.cause is not Cause.RUNNING or facts.status is None or span.started_at is None:
        return False
    pids = {worker.pid for pool in facts.status.pools for worker in pool.workers}
    return pid_of(span.identity) in pids and f"worker {pid_of(span.identity)}" not in wait.reason


def _left_open(span: Span, wait: Wait, facts: Facts) -> Finding:
    pid = pid_of(span.identity)
    due = "" if span.due_at is None else f"; it times out in {wording.duration(span.due_at - facts.now)}"
    since = wording.duration(wait.for_s)
    log = tuple(f"  {line}" for line in facts.logs.get(pid, ())[:LOG_LINES])
    if span.kind is Kind.DECISION:
        return Finding(
            cause="broken decision",
            says=f"worker {pid} took a decision {since} ago and did not answer it{due}",
            evidence=("its code does not fit the history, or breaks; repair it and reload", *log),
            commands=(("reload",), ("log", "--pid", str(pid))),
            tone=Tone.BAD,
        )
    return Finding(
        cause="token",
        says=f"it waits for {since} for somebody to finish {wait.what} by its token{due}",
        evidence=(
            f"worker {pid} took the task and left it open; it does something else now",
            "whoever has the token finishes it: flowyd.async_scheduler(domain).complete(token, result)",
        ),
        commands=(),
        tone=Tone.WAITING,
    )


def lines(
    facts: Facts, found: Sequence[Finding], *, commands: Callable[[Command], str], page: Page
) -> list[str]:
    """The findings as a page; the commands that would help come last."""
    execution = facts.execution
    open_for = wording.duration(facts.now - execution.started_at)
    out = [
        page.drawn(
            (
                *cell(execution.workflow_id, Tone.STRONG),
                Part("  "),
                *status_cell(execution),
                Part(f" for {open_for}" if execution.is_open else ""),
                Part(f"  {execution.type_name} {execution.type_version}  run {execution.run_id}", Tone.DIM),
            )
        )
    ]
    for finding in found[:FINDINGS_SHOWN]:
        out += ["", page.drawn(cell(safe(finding.says), finding.tone))]
        out += [f"  {line}" for text in finding.evidence for line in safe(text).split("\n")]
    if len(found) > FINDINGS_SHOWN:
        out += ["", f"… and {wording.plural(len(found) - FINDINGS_SHOWN, 'more wait')}: flowyd show"]
    helpful = list(
        dict.fromkeys(command for finding in found[:FINDINGS_SHOWN] for command in finding.commands)
    )
    if helpful:
        out += ["", "This would help:", *(f"  {commands(command)}" for command in helpful)]
    elif execution.is_open:
        out += ["", "Nothing has to be done; follow it:", f"  {commands(_follow(execution))}"]
    return out


def _follow(execution: Execution) -> Command:
    return ("show", execution.workflow_id, execution.run_id, "--watch")


def members(facts: Facts, found: Sequence[Finding], *, commands: Callable[[Command], str]) -> dict[str, Any]:
    """The findings for machines."""
    return {
        "workflow_id": facts.execution.workflow_id,
        "run_id": facts.execution.run_id,
        "status": facts.execution.status,
        "events": len(facts.events),
        "findings": [
            {
                **asdict(finding),
                "tone": finding.tone.value,
                "commands": [commands(command) for command in finding.commands],
            }
            for finding in found
        ],
    }

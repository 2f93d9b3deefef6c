"""Activity tasks that killed their workers as rows, and what they say of themselves in full."""

from __future__ import annotations

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Column, Part, Tone, by_number, by_text, cell
from flowyd.control.quarantine import QuarantinedTask, Verdict

_VERDICTS = {
    Verdict.HELD: ("‼", Tone.WARN),
    Verdict.FAILED: ("✘", Tone.BAD),
    Verdict.WATCHED: ("·", Tone.DIM),
}


def columns(*, now: float) -> tuple[Column[QuarantinedTask], ...]:
    """The columns of the quarantined tasks' table."""
    return (
        Column(title="Key", draw=lambda task, _w: cell(task.key), width=16, spare=2),
        Column(
            title="Activity",
            draw=lambda task, _w: cell(f"{task.type_name} {task.type_version}", Tone.STRONG),
            order=lambda task: by_text(task.type_name),
            width=16,
            stretch=1,
        ),
        Column(
            title="Execution",
            draw=lambda task, _w: cell(task.workflow_id),
            order=lambda task: by_text(task.workflow_id),
            width=18,
            stretch=2,
        ),
        Column(title="Now", draw=lambda task, _w: _verdict(task), width=9),
        Column(title="Open", draw=lambda task, _w: cell(str(task.held)), width=4, right=True),
        Column(
            title="Deaths",
            draw=lambda task, _w: cell(f"{task.deaths}/{task.limit}"),
            order=lambda task: by_number(task.deaths),
            width=6,
            right=True,
        ),
        Column(
            title="Last",
            draw=lambda task, _w: cell(f"{wording.age(now - task.died_at)} ago"),
            order=lambda task: by_number(-task.died_at),
            width=9,
            spare=1,
        ),
        Column(
            title="How",
            draw=lambda task, _w: cell(task.last_death, Tone.DIM),
            width=18,
            stretch=3,
            spare=3,
        ),
    )


def _verdict(task: QuarantinedTask) -> Cell:
    sign, tone = _VERDICTS[task.verdict]
    return cell(f"{sign} {task.verdict.value}", tone)


def found(task: QuarantinedTask, text: str) -> bool:
    """Whether all words occur in the task's row."""
    parts = (task.key, task.type_name, task.type_version, task.workflow_id, task.pool, task.verdict.value)
    written = " ".join((*parts, task.last_death)).lower()
    return all(word in written for word in text.lower().split())


def in_full(task: QuarantinedTask, *, now: float) -> Cell:
    """What happened, what holds now, and what can be done, for who opens the row."""
    died = f"{wording.plural(task.deaths, 'worker')} of pool {task.pool} died with it in hand"
    last = f"the last was {task.last_death}, {wording.age(now - task.died_at)} ago"
    states = {
        Verdict.HELD: f"{wording.plural(task.held, 'attempt')} left open, within their own timeouts.",
        Verdict.FAILED: "This and further attempts fail at once.",
        Verdict.WATCHED: f"It runs; after {task.limit} deaths it is held.",
    }
    return (
        Part(f"{task.type_name} {task.type_version}", Tone.STRONG),
        Part(f" of {task.workflow_id}\n\n"),
        Part(f"{died}; {last}.\n", Tone.WARN),
        Part(f"{states[task.verdict]}\n\n"),
        Part("r  release: runs it again in a fresh worker\n", Tone.DIM),
        Part("f  fail: this and all further attempts fail, the workflow decides\n", Tone.DIM),
        Part("m  raise the limit: it may kill so many workers in all", Tone.DIM),
    )


def held(tasks: tuple[QuarantinedTask, ...]) -> int:
    """How many wait for an operator."""
    return sum(1 for task in tasks if task.verdict is Verdict.HELD)

"""One execution as lines: what it is, what went in and came out, its activities, what it waits for.

Pure: description, history and the daemon's status in, lines out. Sections with nothing in them are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowyd.cli.output import Page, safe
from flowyd.cli.tables import table
from flowyd.console.view_model import waiting, wording
from flowyd.console.view_model.cells import Cell, Column, Tone, cell
from flowyd.console.view_model.executions import Execution, from_info, ran_s, status_cell
from flowyd.console.view_model.history import readable
from flowyd.console.view_model.spans import Kind, Span, attributes, spans
from flowyd.control.status import DaemonStatus

#: Lines of a payload that are shown; the rest is counted.
PAYLOAD_LINES = 25
#: Failures that are shown with their details; the table has all.
FAILURES_SHOWN = 3
#: Sections of spans, in this order, and what their id is called.
_SECTIONS = (
    (Kind.ACTIVITY, "Activities"),
    (Kind.CHILD, "Child executions"),
    (Kind.TIMER, "Timers"),
    (Kind.LAMBDA, "Lambda functions"),
    (Kind.SIGNAL, "Signals"),
    (Kind.CANCEL, "Cancel requests"),
    (Kind.MARKER, "Markers"),
)
_TONES = {
    "completed": ("✔", Tone.GOOD),
    "fired": ("✔", Tone.GOOD),
    "failed": ("✘", Tone.BAD),
    "timed out": ("◷", Tone.BAD),
    "terminated": ("■", Tone.WARN),
    "canceled": ("⊘", Tone.WARN),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One execution, all that was asked about it."""

    description: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    #: None: the daemon was not asked or did not answer.
    status: DaemonStatus | None
    now: float


def lines(shown: Shown, page: Page) -> list[str]:
    """The whole page of one execution."""
    execution = from_info(shown.description["executionInfo"])
    found = spans(shown.events)
    out = [page.drawn((*cell(execution.workflow_id, Tone.STRONG), *cell("  "), *status_cell(execution)))]
    out += _facts(execution, shown)
    out += _payloads(shown.events, page)
    for kind, title in _SECTIONS:
        ours = [span for span in found if span.kind is kind]
        if ours:
            out += ["", title, *_indented(table(span_columns(shown.now, kind), ours, _narrower(page)))]
    out += _texts(found)
    if execution.is_open:
        context = shown.description.get("latestExecutionContext")
        waits = waiting.waits(
            found,
            workflow_id=execution.workflow_id,
            run_id=execution.run_id,
            status=shown.status,
            now=shown.now,
            workflow_type=f"{execution.type_name} {execution.type_version}",
            context=context,
        )
        out += ["", "Waiting", *_indented(table(waiting.columns(waits), waits, _narrower(page)))]
        out += _last_decision(context, found)
    return out


def _facts(execution: Execution, shown: Shown) -> Iterator[str]:
    settings, now = shown.description["executionConfiguration"], shown.now
    since = f"({wording.duration(now - execution.started_at)} ago)"
    yield _fact("type", f"{execution.type_name} {execution.type_version}")
    yield _fact("run id", execution.run_id)
    if execution.parent:
        yield _fact("parent", f"{execution.parent[0]}  run {execution.parent[1]}")
    if execution.tags:
        yield _fact("tags", ", ".join(execution.tags))
    yield _fact("started", f"{wording.full_moment(execution.started_at)}  {since}")
    if execution.closed_at is not None:
        closed_since = f"({wording.duration(now - execution.closed_at)} ago)"
        ran = wording.duration(ran_s(execution, now))
        yield _fact("closed", f"{wording.full_moment(execution.closed_at)}  {closed_since}, after {ran}")
    limit = settings.get("executionStartToCloseTimeout")
    if execution.is_open and limit and limit != "NONE":
        left = execution.started_at + float(limit) - now
        yield _fact("times out", f"in {wording.duration(left)}")
    priority = settings.get("taskPriority")
    yield _fact("task list", settings["taskList"]["name"] + (f"  priority {priority}" if priority else ""))
    yield _fact("decisions", f"within {_limit(settings.get('taskStartToCloseTimeout'))} each")
    yield _fact("children", f"{settings['childPolicy'].lower().replace('_', ' ')} when it ends early")


def _fact(name: str, text: str) -> str:
    return f"  {name:<10} {safe(text)}"


def _limit(text: str | None) -> str:
    return wording.duration(float(text)) if text and text != "NONE" else "any time"


def _payloads(events: Sequence[Mapping[str, Any]], page: Page) -> Iterator[str]:
    """Input, and how it ended."""
    if not events:
        return
    given = attributes(events[0]).get("input")
    if given is not None:
        yield from ("", "Input", *_indented(input_lines(given)))
    kind, members = events[-1]["eventType"], attributes(events[-1])
    if kind == "WorkflowExecutionCompleted" and "result" in members:
        yield from ("", "Result", *_indented(payload(members["result"])))
    elif kind in _ENDINGS:
        failed = kind == "WorkflowExecutionFailed"
        yield from ("", page.drawn(cell(_ENDINGS[kind], Tone.BAD)))
        names = ("reason", "timeoutType", "newExecutionRunId", "cause")
        reason = next((members[name] for name in names if members.get(name)), "")
        details = "" if failed and _told_by_a_task(events, members) else members.get("details") or ""
        yield from _indented(failure_lines(reason, details))


def _told_by_a_task(events: Sequence[Mapping[str, Any]], members: Mapping[str, Any]) -> bool:
    """Whether the details are those of a failed task, which are shown with the task."""
    details = members.get("details")
    return any(attributes(event).get("details") == details for event in events[:-1] if details)


_ENDINGS = {
    "WorkflowExecutionFailed": "Failed",
    "WorkflowExecutionTimedOut": "Timed out",
    "WorkflowExecutionTerminated": "Terminated",
    "WorkflowExecutionCanceled": "Canceled",
    "WorkflowExecutionContinuedAsNew": "Continued as a new run",
}


def input_lines(text: str) -> list[str]:
    """An input in the way it would be called, `"http://…", size=3`, where it is positional and keyword
    arguments; as it stands elsewhere."""
    try:
        positional, keyword = json.loads(text)
        arguments = [json.dumps(value, ensure_ascii=False) for value in positional]
        arguments += [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in keyword.items()]
    except (ValueError, TypeError, AttributeError):
        return payload(text)
    if not isinstance(positional, list):
        return payload(text)
    together = safe(", ".join(arguments)) or "(no arguments)"
    return [together] if len(together) <= 100 else [safe(argument) for argument in arguments]


def payload(text: str) -> list[str]:
    """A payload's first lines, JSON laid out, control characters out."""
    found = safe(readable(text)).split("\n")
    if len(found) <= PAYLOAD_LINES:
        return found
    return [*found[:PAYLOAD_LINES], f"… {wording.plural(len(found) - PAYLOAD_LINES, 'more line')} (--json)"]


def failure_lines(reason: str, details: str) -> list[str]:
    """A reason and its details. Where the details are a worker's, the traceback stands as it was printed."""
    lines = payload(reason) if reason else []
    try:
        members = json.loads(details)
        traceback = str(members["traceback"]).rstrip("\n")
    except (ValueError, TypeError, KeyError):
        return lines + (payload(details) if details else [])
    whole = safe(traceback).split("\n")
    return [*lines, *(["…"] if len(whole) > PAYLOAD_LINES else []), *whole[-PAYLOAD_LINES:]]


def _last_decision(context: str | None, found: Sequence[Span]) -> Iterator[str]:
    """Where the workflow's code stands: flowyd's deciders say it in the execution context; others may not.

    Of what it waited for then, activities may have completed since that needed no decision.
    """
    if not context:
        return
    try:
        members = json.loads(context)
        if members.get("returned"):
            yield from ("", "The workflow has returned and completes when what is open has ended")
            return
        at, waits = str(members["at"]), [str(what) for what in members["waits_for"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        yield from ("", "Said by the last decision", *_indented(payload(context)))
        return
    more = [f"{members['more']} more"] if members.get("more") else []
    yield from ("", "The workflow stands", f"  at   {safe(at)}")
    completed = {_call(span.id) for span in found if span.outcome == "completed"}
    waits = [what for what in waits if what.partition(" ")[0] not in completed]
    if waits:
        yield f"  for  {safe(', '.join(waits + more))}"


def _call(activity_id: str) -> str:
    """`resize-0` of its first attempt, `resize-0-0`."""
    return activity_id.rpartition("-")[0]


def _texts(found: Sequence[Span]) -> Iterator[str]:
    """Reasons and details of what failed last, in full: a table has no room for them."""
    failed = [span for span in found if span.outcome in ("failed", "timed out") and "\n" in span.text]
    for span in failed[-FAILURES_SHOWN:]:
        reason, _, details = span.text.partition("\n")
        yield from ("", f"{span.type or span.kind.value} ({safe(span.id)}) {span.outcome}")
        yield from _indented(failure_lines(reason, details))


def span_columns(now: float, kind: Kind) -> tuple[Column[Span], ...]:
    """The columns of spans of one kind: waiting and running told apart."""
    state: Column[Span] = Column(title="State", draw=lambda s, _w: state_cell(s), width=11)
    name: Column[Span] = Column(title="Id", draw=lambda s, _w: cell(s.id), width=14, stretch=1)
    text: Column[Span] = Column(
        title="Result" if kind is not Kind.SIGNAL else "Input",
        draw=lambda s, _w: cell(s.text.split("\n", 1)[0], Tone.DIM),
        width=16,
        stretch=3,
        spare=1,
    )
    at: Column[Span] = Column(
        title="At", draw=lambda s, _w: cell(wording.moment(s.asked_at, now=now), Tone.DIM), width=8
    )
    if kind in (Kind.SIGNAL, Kind.CANCEL, Kind.MARKER):
        return at, name, text
    if kind is Kind.TIMER:
        return state, name, at, _duration("For", lambda s: (s.ended_at or now) - s.asked_at), _due(now)
    kind_column: Column[Span] = Column(
        title="Type", draw=lambda s, _w: cell(s.type, Tone.STRONG), width=14, stretch=1
    )
    return (
        state,
        kind_column,
        name,
        _duration("Waited", lambda s: waited_s(s, now)),
        _duration("Ran", lambda s: worked_s(s, now)),
        Column(title="Worker", draw=lambda s, _w: cell(s.identity, Tone.DIM), width=10, stretch=1, spare=2),
        text,
    )


def state_cell(span: Span) -> Cell:
    """Sign and word of a span's state."""
    if not span.is_open:
        sign, tone = _TONES.get(span.outcome, ("·", Tone.DIM))
        return cell(f"{sign} {span.outcome}", tone)
    if span.kind is Kind.TIMER:
        return cell("◌ running", Tone.WAITING)
    if span.cancel_requested:
        return cell("▷ canceling", Tone.WARN)
    return cell("▶ running", Tone.BUSY) if span.started_at is not None else cell("◌ waiting", Tone.WAITING)


def waited_s(span: Span, now: float) -> float:
    """How long it waited, or has waited so far, for somebody to begin."""
    begun = span.started_at if span.started_at is not None else span.ended_at
    return (begun if begun is not None else now) - span.asked_at


def worked_s(span: Span, now: float) -> float | None:
    """How long it was, or has been, at work; None: it never began."""
    if span.started_at is None:
        return None
    return (span.ended_at if span.ended_at is not None else now) - span.started_at


def _duration(title: str, seconds: Any) -> Column[Span]:
    return Column(title=title, draw=lambda s, _w: cell(wording.duration(seconds(s))), width=7, right=True)


def _due(now: float) -> Column[Span]:
    def draw(span: Span, _width: int) -> Cell:
        return cell("" if span.due_at is None else f"in {wording.duration(span.due_at - now)}")

    return Column(title="Due", draw=draw, width=8, spare=1)


def _indented(found: Sequence[str]) -> list[str]:
    return [f"  {line}".rstrip() for line in found]


def _narrower(page: Page) -> Page:
    width = None if page.width is None else page.width - 2
    return Page(width=width, height=page.height, colours=page.colours, live=page.live)

"""`flowyd timeline`: the activities, timers and children of one execution as bars on one time axis."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from flowyd.cli import answers
from flowyd.cli.one_execution import Seen, present_execution
from flowyd.cli.options import add_execution, add_watch
from flowyd.cli.output import Page
from flowyd.cli.show_view import waited_s, worked_s
from flowyd.cli.tables import table
from flowyd.cli.watching import View
from flowyd.console.view_model import timeline
from flowyd.console.view_model.cells import Part, Tone, cell
from flowyd.console.view_model.executions import Execution, from_info, status_cell
from flowyd.console.view_model.spans import Kind, Span, closed_spans, spans

if TYPE_CHECKING:
    from argparse import _SubParsersAction

#: Columns of a bar chart that is not written on a terminal.
_WIDTH = 120


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "timeline",
        help="activities, timers and children of one execution as bars",
        description="One bar for each activity, timer and child, from the start of the execution to its end "
        "or now: ░ waits for a worker, █ is worked on, ┄ is a timer. Signals and markers are signs.",
    )
    add_execution(parser)
    parser.add_argument("--decisions", action="store_true", help="decision tasks too")
    add_watch(parser)
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Prints the timeline."""

    def view(seen: Seen) -> View:
        execution = from_info(seen.description["executionInfo"])
        return view_of(execution, seen.events, decisions=namespace.decisions, now=time.time())

    return present_execution(namespace, view)


def view_of(execution: Execution, events: Sequence[answers.Event], *, decisions: bool, now: float) -> View:
    """The timeline of one execution at one moment."""
    found = spans(events)
    if execution.closed_at is not None:
        found = closed_spans(found, execution.closed_at)
    shown = [span for span in found if decisions or span.kind is not Kind.DECISION]
    return View(
        members=lambda: {
            "workflow_id": execution.workflow_id,
            "run_id": execution.run_id,
            "status": execution.status,
            "started_at": execution.started_at,
            "closed_at": execution.closed_at,
            "spans": [_members(span, now) for span in shown],
        },
        lines=lambda page: lines(execution, shown, now=now, page=page),
    )


def lines(execution: Execution, shown: Sequence[Span], *, now: float, page: Page) -> list[str]:
    """A title and the bars, fitted to the page."""
    title = (
        *cell(execution.workflow_id, Tone.STRONG),
        Part("  "),
        *status_cell(execution),
        Part(f"  {execution.type_name} {execution.type_version}  run {execution.run_id}", Tone.DIM),
    )
    if not shown:
        return [page.drawn(title), "nothing was scheduled yet" if execution.is_open else "nothing happened"]
    axis = timeline.axis(shown, started_at=execution.started_at, closed_at=execution.closed_at, now=now)
    fitted = replace(page, width=page.width or _WIDTH)
    return [page.drawn(title), *table(timeline.columns(axis, now=now), shown, fitted)]


def _members(span: Span, now: float) -> dict[str, Any]:
    """The span for machines, with how long it waited and was worked on so far, seconds."""
    worked = worked_s(span, now) if span.kind is not Kind.TIMER else None
    return {**asdict(span), "kind": span.kind.value, "waited_s": waited_s(span, now), "worked_s": worked}

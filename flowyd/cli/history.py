"""`flowyd history`: one execution, event by event."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flowyd.cli.one_execution import Seen, present_execution
from flowyd.cli.options import add_execution, add_watch
from flowyd.cli.output import Page
from flowyd.cli.tables import table
from flowyd.cli.watching import View
from flowyd.console.view_model import history, wording
from flowyd.console.view_model.cells import Tone, cell
from flowyd.console.view_model.history import EventRow

if TYPE_CHECKING:
    from argparse import _SubParsersAction

#: Lines of a screen that are no events: when it looked, the title, how many came before, the headings, and
#: the cursor's.
_NO_EVENTS = 5


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "history",
        help="one execution, event by event",
        description="The events of an execution: number, time, seconds since the event before, what it says.",
    )
    add_execution(parser)
    parser.add_argument("--raw", action="store_true", help="the events as SWF gives them, the same as --json")
    parser.add_argument("--reverse", action="store_true", help="the newest event first")
    add_watch(parser)
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Prints one history."""
    namespace.json = namespace.json or namespace.raw
    following = namespace.watch is not None and not namespace.reverse

    def view(seen: Seen) -> View:
        execution = seen.description["executionInfo"]["execution"]
        events, rows = seen.events, history.rows(seen.events)
        if namespace.reverse:
            events, rows = events[::-1], rows[::-1]
        return View(
            members=lambda: {"execution": execution, "events": events},
            lines=lambda page: lines(execution, rows, page=page, now=time.time(), following=following),
        )

    return present_execution(namespace, view)


def lines(
    execution: Mapping[str, str], rows: Sequence[EventRow], *, page: Page, now: float, following: bool
) -> list[str]:
    """A title and the events; for who follows on a screen, as many of the newest as it has room for."""
    room = max(page.height - _NO_EVENTS, 1)
    found = [f"{execution['workflowId']}  run {execution['runId']}"]
    if following and page.live and len(rows) > room:
        more = f"… {wording.plural(len(rows) - room, 'earlier event')}"
        found.append(page.drawn(cell(more, Tone.DIM)))
        rows = rows[-room:]
    return [*found, *table(history.columns(now=now), rows, page)]

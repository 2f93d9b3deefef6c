"""`flowyd history`: one execution, event by event."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from flowyd.cli import answers, exits
from flowyd.cli.options import add_execution, run_id_of
from flowyd.cli.output import page_of, print_json, print_lines
from flowyd.cli.reaching import service
from flowyd.cli.tables import table
from flowyd.console.view_model import history

if TYPE_CHECKING:
    from argparse import _SubParsersAction


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
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Prints one history."""
    with service(namespace) as reached:
        execution = answers.find_execution(reached, namespace.workflow_id, run_id_of(namespace))
        # Says clearly if there is no such run, before the history does in SWF's words.
        answers.describe(reached, execution)
        events = answers.history(reached, execution)
    rows = list(history.rows(events))
    if namespace.reverse:
        events, rows = events[::-1], rows[::-1]
    if namespace.json or namespace.raw:
        print_json({"execution": execution, "events": events})
    else:
        print(f"{execution['workflowId']}  run {execution['runId']}")
        print_lines(table(history.columns(now=time.time()), rows, page_of()))
    return exits.DONE

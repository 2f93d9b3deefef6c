"""`flowyd show`: one execution at a glance."""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING

from flowyd.cli import show_view
from flowyd.cli.daemon_status import status_or_none
from flowyd.cli.one_execution import Seen, present_execution
from flowyd.cli.options import add_execution, add_watch
from flowyd.cli.output import Page
from flowyd.cli.reaching import endpoint_of
from flowyd.cli.watching import View

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "show",
        help="one execution: input, result, activities, what it waits for",
        description="All about one execution: input, result or failure, each activity with how long it "
        "waited and ran, and what an open one waits for.",
    )
    add_execution(parser)
    add_watch(parser)
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Prints one execution."""
    return present_execution(namespace, partial(view_of, namespace))


def view_of(namespace: argparse.Namespace, seen: Seen) -> View:
    """The page of one execution."""
    description, events = seen.description, seen.events

    def lines(page: Page) -> list[str]:
        is_open = description["executionInfo"]["executionStatus"] == "OPEN"
        status = status_or_none(namespace) if is_open and endpoint_of(namespace) is None else None
        shown = show_view.Shown(description=description, events=events, status=status, now=time.time())
        return show_view.lines(shown, page)

    return View(members=lambda: {**description, "events": events}, lines=lines)

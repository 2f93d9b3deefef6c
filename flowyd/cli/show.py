"""`flowyd show`: one execution at a glance."""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import TYPE_CHECKING, Any

from flowyd.cli import answers, show_view
from flowyd.cli.options import add_execution, add_watch, run_id_of
from flowyd.cli.output import Page
from flowyd.cli.reaching import ask_daemon, endpoint_of, service
from flowyd.cli.watching import View, present
from flowyd.control.status import DaemonStatus, decode_status
from flowyd.errors import FlowydError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

#: The daemon only adds who runs what; whoever looks at an execution must not wait for it.
STATUS_TIMEOUT_S = 2.0


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
    with service(namespace) as reached:
        execution = answers.find_execution(reached, namespace.workflow_id, run_id_of(namespace))
        known: list[answers.Event] = []

        def look() -> View:
            nonlocal known
            description = answers.describe(reached, execution)
            known = events = answers.history(reached, execution, known)
            return view_of(namespace, description, events)

        return present(namespace, look, remote=reached.remote)


def view_of(namespace: argparse.Namespace, description: dict[str, Any], events: list[answers.Event]) -> View:
    """The page of one execution."""

    def lines(page: Page) -> list[str]:
        is_open = description["executionInfo"]["executionStatus"] == "OPEN"
        status = status_or_none(namespace) if is_open and endpoint_of(namespace) is None else None
        shown = show_view.Shown(description=description, events=events, status=status, now=time.time())
        return show_view.lines(shown, page)

    return View(members=lambda: {**description, "events": events}, lines=lines)


def status_or_none(namespace: argparse.Namespace) -> DaemonStatus | None:
    """The daemon's status, if it answers."""
    with contextlib.suppress(FlowydError):
        members = ask_daemon(namespace, "status", timeout_s=STATUS_TIMEOUT_S)
        members.pop("role", None)
        return decode_status(members)
    return None

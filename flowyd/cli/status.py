"""`flowyd status`: what runs, and what needs attention."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from flowyd.cli import status_view
from flowyd.cli.options import add_watch
from flowyd.cli.reaching import ask_daemon, service
from flowyd.cli.watching import View, present
from flowyd.control.status import DaemonStatus, decode_status
from flowyd.errors import FlowydError

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "status",
        help="what runs, and what needs attention",
        description="The daemon, its engine and pools, tasks that run and wait, and what needs attention.",
    )
    add_watch(parser)
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Prints the daemon's status."""
    return present(namespace, lambda: look(namespace))


def look(namespace: argparse.Namespace) -> View:
    """The daemon's status with the counts of the SWF service."""
    members = ask_daemon(namespace, "status")
    status = decode_status({name: value for name, value in members.items() if name != "role"})
    counts = counted(namespace, status)
    return View(
        members=lambda: {**members, "counts": _as_members(counts)},
        lines=lambda page: status_view.lines(status, counts, now=time.time(), page=page),
    )


def counted(namespace: argparse.Namespace, status: DaemonStatus) -> status_view.Counts:
    """What the SWF service counts, or why it does not answer."""
    namespace.domain = status.domain
    try:
        with service(namespace) as reached:
            call, domain = reached.client.call, reached.domain
            everything = {"domain": domain, "startTimeFilter": {"oldestDate": 0}}
            opened = call("CountOpenWorkflowExecutions", everything)["count"]
            waiting = {
                (pool.kind, pool.task_list): call(
                    f"CountPending{pool.kind.capitalize()}Tasks",
                    {"domain": domain, "taskList": {"name": pool.task_list}},
                )["count"]
                for pool in status.pools
            }
    except FlowydError as error:
        return status_view.Counts(problem=str(error).split("\n", 1)[0])
    return status_view.Counts(open_executions=opened, waiting=waiting)


def _as_members(counts: status_view.Counts) -> dict[str, Any]:
    waiting = [
        {"kind": kind, "task_list": name, "tasks": tasks}
        for (kind, name), tasks in (counts.waiting or {}).items()
    ]
    return {"open_executions": counts.open_executions, "waiting": waiting, "problem": counts.problem}

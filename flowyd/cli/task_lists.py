"""`flowyd task-lists`: what waits in each task list and for how long, and which workers here take from it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from flowyd.cli.answers import PAGE, pages
from flowyd.cli.daemon_status import status_or_none
from flowyd.cli.options import add_domain, add_watch
from flowyd.cli.output import Page
from flowyd.cli.reaching import Service, endpoint_of, service
from flowyd.cli.tables import table
from flowyd.cli.watching import View, present
from flowyd.console.view_model import task_lists
from flowyd.console.view_model.task_lists import ListKey
from flowyd.errors import FlowydError
from flowyd.swf.backlog import backlog_ages
from flowyd.swf.faults import SwfFault, UnknownResourceFault

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "task-lists",
        help="what waits in each task list, and who takes from it",
        description="Tasks that no worker has taken yet, by task list: the lists of pools here and those "
        "that registered types name. On the engine's own machine also every other list in which activity "
        "tasks wait, and how long the oldest task of each has waited. Workers elsewhere that poll a list are "
        "not known to the service.",
    )
    add_domain(parser)
    add_watch(parser)
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Prints the task lists."""
    with service(namespace) as reached:
        named = _named_by_types(reached)
        return present(namespace, lambda: look(namespace, reached, named), remote=reached.remote)


def look(namespace: argparse.Namespace, reached: Service, named: set[ListKey]) -> View:
    """The lists with their counts at one moment."""
    status = status_or_none(namespace) if endpoint_of(namespace) is None else None
    if status is not None and status.domain != reached.domain:
        status = None
    ages = backlog_ages(reached.client, reached.domain)
    counts: dict[ListKey, dict[str, Any]] = {
        (kind, name): reached.client.call(
            f"CountPending{kind.capitalize()}Tasks", {"domain": reached.domain, "taskList": {"name": name}}
        )
        for kind, name in task_lists.task_lists(status, named, ages)
    }
    rows = [task_lists.task_list_row(key, count, status, ages=ages) for key, count in counts.items()]

    def lines(page: Page) -> list[str]:
        if not rows:
            return [f"no pool serves a task list and no type names one in domain {reached.domain}"]
        return table(task_lists.task_list_columns(), rows, page)

    return View(
        members=lambda: {"domain": reached.domain, "task_lists": [_members(row) for row in rows]},
        lines=lines,
    )


def _members(row: task_lists.TaskListRow) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "name": row.name,
        "waiting": row.pending,
        "truncated": row.truncated,
        "oldest_s": row.oldest_s,
        "workers": row.workers,
        "busy": row.busy,
        "pools": list(row.pools),
    }


def _named_by_types(reached: Service) -> set[ListKey]:
    """The default lists of the registered types.

    Raises:
        FlowydError: there is no such domain.
    """
    found: set[ListKey] = set()
    for kind, side in (("workflow", "decision"), ("activity", "activity")):
        request = {"domain": reached.domain, "registrationStatus": "REGISTERED", "maximumPageSize": PAGE}
        try:
            infos = list(pages(reached, f"List{kind.capitalize()}Types", request, "typeInfos"))
        except UnknownResourceFault as fault:
            raise FlowydError(f"no domain {reached.domain!r}; see: flowyd domains") from fault
        for info in infos:
            wanted = {"domain": reached.domain, f"{kind}Type": info[f"{kind}Type"]}
            try:
                described = reached.client.call(f"Describe{kind.capitalize()}Type", wanted)
            except SwfFault:
                # Deleted between listing and describing: it names no list any more.
                continue
            name = (described["configuration"].get("defaultTaskList") or {}).get("name")
            if name:
                found.add((side, name))
    return found

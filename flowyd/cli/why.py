"""`flowyd why`: why an execution does not go on, with evidence from SWF's side and the daemon's."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flowyd.cli import why_view
from flowyd.cli.daemon_status import BRIEF_S, daemon_status
from flowyd.cli.one_execution import Seen, present_execution
from flowyd.cli.options import add_execution, add_watch
from flowyd.cli.reaching import Service, ask_daemon, endpoint_of
from flowyd.cli.watching import View
from flowyd.cli.why_evidence import Command
from flowyd.cli.why_facts import Facts, lines_about, pid_of
from flowyd.console.view_model import commands
from flowyd.console.view_model.executions import Execution, from_info
from flowyd.console.view_model.spans import Kind, Span, spans
from flowyd.control.status import DaemonStatus
from flowyd.errors import FlowydError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

#: Lines of a worker's output that are searched for what it said about the execution.
LOG_SEARCHED = 2_000
#: Lists whose waiting tasks are counted: an execution with many open activities has few lists.
LISTS_COUNTED = 10


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "why",
        help="why an execution does not go on",
        description="Why an execution does not go on, with evidence: what it waits for, which pools and "
        "workers could take it and why they do not, what they wrote about it. Ends with what would help.",
    )
    add_execution(parser)
    add_watch(parser)
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Prints the findings."""
    return present_execution(namespace, lambda seen: view_of(namespace, facts(namespace, seen)))


def view_of(namespace: argparse.Namespace, found_out: Facts) -> View:
    """The findings, with commands that lead to the service this command line means."""
    found = why_view.findings(found_out)
    options = _options(namespace)

    def command(words: Command) -> str:
        return commands.with_options(commands.line(*words), options)

    return View(
        members=lambda: why_view.members(found_out, found, commands=command),
        lines=lambda page: why_view.lines(found_out, found, commands=command, page=page),
    )


def _options(namespace: argparse.Namespace) -> list[str]:
    given = {"--config": namespace.config, "--endpoint": namespace.endpoint, "--domain": namespace.domain}
    return [word for name, value in given.items() if value is not None for word in (name, str(value))]


def facts(namespace: argparse.Namespace, seen: Seen) -> Facts:
    """All that SWF and the daemon know of one execution."""
    execution = from_info(seen.description["executionInfo"])
    found = spans(seen.events)
    status: DaemonStatus | None = None
    problem = ""
    if execution.is_open and endpoint_of(namespace) is None:
        try:
            status = daemon_status(namespace, timeout_s=BRIEF_S)
        except FlowydError as error:
            problem = str(error)
    open_tasks = [span for span in found if span.is_open and execution.is_open]
    return Facts(
        execution=execution,
        description=seen.description,
        events=seen.events,
        spans=found,
        status=status,
        daemon_problem=problem,
        pending=_pending(seen.reached, open_tasks),
        logs=dict(_logs(namespace, status, found, execution)) if status is not None else {},
        now=time.time(),
    )


def _pending(reached: Service, open_spans: Sequence[Span]) -> dict[tuple[str, str], int]:
    """How many tasks wait in the lists in which one of this execution does."""
    lists = {
        ("decision" if span.kind is Kind.DECISION else "activity", span.task_list)
        for span in open_spans
        if span.task_list and span.started_at is None
    }
    counts = {}
    for kind, name in sorted(lists)[:LISTS_COUNTED]:
        request = {"domain": reached.domain, "taskList": {"name": name}}
        answer = reached.client.call(f"CountPending{kind.capitalize()}Tasks", request)
        counts[kind, name] = int(answer["count"])
    return counts


def _logs(
    namespace: argparse.Namespace, status: DaemonStatus, found: Sequence[Span], execution: Execution
) -> Iterator[tuple[int, list[str]]]:
    """What the workers that last had tasks of the execution in hand wrote about it."""
    alive = {worker.pid for pool in status.pools for worker in pool.workers if worker.pid}
    concerned = [
        pid_of(span.identity)
        for span in found
        if span.identity and (span.is_open or (span.kind is Kind.DECISION and span.outcome == "timed out"))
    ]
    for pid in dict.fromkeys(reversed(concerned)):
        if pid not in alive:
            continue
        # A worker may end between the two questions; its successor has not said anything yet.
        with contextlib.suppress(FlowydError):
            answer = ask_daemon(namespace, "log", {"pid": pid, "lines": LOG_SEARCHED}, timeout_s=BRIEF_S)
            said = lines_about(answer["lines"], execution.workflow_id)
            if said:
                yield pid, said

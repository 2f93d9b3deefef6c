"""`flowyd list`: open and closed executions."""

from __future__ import annotations

import argparse
import heapq
import json
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from flowyd.cli import answers, exits
from flowyd.cli.options import add_domain, add_watch
from flowyd.cli.output import Page, page_of, print_lines
from flowyd.cli.reaching import Service, service
from flowyd.cli.tables import layout, table
from flowyd.cli.watching import View, present
from flowyd.cli.why_facts import stands
from flowyd.config.units import seconds_of
from flowyd.console.view_model import executions, wording
from flowyd.console.view_model.cells import Column, Tone, cell

if TYPE_CHECKING:
    from argparse import _SubParsersAction

#: What --status takes, and SWF's word for it.
STATUSES = {
    "completed": "COMPLETED",
    "failed": "FAILED",
    "canceled": "CANCELED",
    "terminated": "TERMINATED",
    "continued": "CONTINUED_AS_NEW",
    "timed-out": "TIMED_OUT",
}
DEFAULT_LIMIT = 50


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "list",
        help="open and closed executions",
        description="Executions of a domain, those started last first. Without an option: the open ones.",
    )
    side = parser.add_mutually_exclusive_group()
    side.add_argument("--open", dest="sides", action="store_const", const=("Open",), help="the default")
    side.add_argument(
        "--closed", dest="sides", action="store_const", const=("Closed",), help="those that have ended"
    )
    side.add_argument("--all", dest="sides", action="store_const", const=("Open", "Closed"), help="both")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--type", metavar="NAME", help='a workflow type, "NAME" or "NAME VERSION"')
    one.add_argument("--workflow-id", "--id", metavar="ID", help="of this workflow id")
    one.add_argument("--tag", metavar="TAG", help="that have this tag")
    one.add_argument("--status", choices=tuple(STATUSES), help="closed ones that ended so")
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=_ago,
        default=0.0,
        help='started so long ago at most: "90s", "2h", "7d"',
    )
    parser.add_argument(
        "--limit", metavar="N", type=_count, default=DEFAULT_LIMIT, help="0: all (default: %(default)s)"
    )
    parser.add_argument(
        "--waits", action="store_true", help="what open ones wait for; asks the service about each of them"
    )
    add_domain(parser)
    add_watch(parser)
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Lists; an empty list is no failure."""
    sides = namespace.sides or (("Closed",) if namespace.status else ("Open",))
    if namespace.status and "Open" in sides:
        namespace.parser.error("--status is about closed executions; leave --open and --all out")
    if namespace.watch is not None and not namespace.limit:
        namespace.parser.error("--watch shows what fits on a screen; give --limit a number from 1 up")
    with service(namespace) as reached:
        if not namespace.limit:
            return _stream(reached, namespace, sides)
        return present(namespace, lambda: look(reached, namespace, sides), remote=reached.remote)


def look(reached: Service, namespace: argparse.Namespace, sides: tuple[str, ...]) -> View:
    """The newest executions, at most `--limit`."""
    found = list(islice(_infos(reached, namespace, sides), namespace.limit + 1))
    more = len(found) > namespace.limit
    found = found[: namespace.limit]
    waiting = _waiting(reached, found) if namespace.waits else None
    return View(
        members=lambda: {"domain": reached.domain, "executions": found, "more": more},
        lines=lambda page: _lines(
            found, waiting, more=more, domain=reached.domain, page=page, namespace=namespace
        ),
    )


def _stream(reached: Service, namespace: argparse.Namespace, sides: tuple[str, ...]) -> int:
    """Prints every execution there is, batch by batch as they come: their number is not limited by memory."""
    infos = _infos(reached, namespace, sides)
    if namespace.json:
        _stream_json(infos, reached.domain)
        return exits.DONE
    page, drawn = page_of(), None
    waiting: dict[str, str] | None = {} if namespace.waits else None
    while batch := list(islice(infos, answers.PAGE)):
        rows = [executions.from_info(info) for info in batch]
        if waiting is not None:
            waiting.update(_waiting(reached, batch))
        if drawn is None:
            drawn = layout(_columns(time.time(), waiting), rows, page)
            print(drawn.heading())
        print_lines(drawn.lines(rows))
    if drawn is None:
        print_lines(_lines([], None, more=False, domain=reached.domain, page=page, namespace=namespace))
    return exits.DONE


def _stream_json(infos: Iterable[dict[str, Any]], domain: str) -> None:
    """The same members as without streaming, an execution a line."""
    write = sys.stdout.write
    write(f'{{"domain": {json.dumps(domain)}, "executions": [')
    for number, info in enumerate(infos):
        write(("," if number else "") + "\n  " + json.dumps(info, ensure_ascii=False))
    write('\n], "more": false}\n')


def _infos(
    reached: Service, namespace: argparse.Namespace, sides: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Executions of the sides, started last first; a page is asked for when its first item is."""
    oldest = time.time() - namespace.since if namespace.since else 0.0
    filters, limit = _filters(namespace), namespace.limit + 1 if namespace.limit else None
    found = [answers.infos(reached, side, filters, oldest=oldest, limit=limit) for side in sides]
    last: dict[str, Any] | None = None
    for info in heapq.merge(*found, key=lambda info: -float(info["startTimestamp"])):
        # One that closed between the two lists is in both, one after the other.
        if last is None or info["execution"] != last["execution"]:
            yield info
        last = info


def _waiting(reached: Service, infos: Iterable[dict[str, Any]]) -> dict[str, str]:
    """What each open execution waits for, by run id, as its decider noted it; asked one by one."""
    found = {}
    for info in infos:
        if info["executionStatus"] == "OPEN":
            description = answers.describe(reached, info["execution"])
            at, names = stands(description.get("latestExecutionContext"))
            found[info["execution"]["runId"]] = ", ".join(names) or at
    return found


def _columns(now: float, waiting: dict[str, str] | None) -> tuple[Column[executions.Execution], ...]:
    columns = executions.columns(now)
    if waiting is None:
        return columns
    waits: Column[executions.Execution] = Column(
        title="Waits for",
        draw=lambda e, _w: cell(waiting.get(e.run_id, ""), Tone.WAITING),
        width=16,
        stretch=3,
    )
    return (*columns[:3], waits, *columns[3:])


def _filters(namespace: argparse.Namespace) -> dict[str, Any]:
    if namespace.type:
        name, _, version = namespace.type.partition(" ")
        return {"typeFilter": {"name": name, **({"version": version} if version else {})}}
    if namespace.workflow_id:
        return {"executionFilter": {"workflowId": namespace.workflow_id}}
    if namespace.tag:
        return {"tagFilter": {"tag": namespace.tag}}
    if namespace.status:
        return {"closeStatusFilter": {"status": STATUSES[namespace.status]}}
    return {}


def _lines(
    infos: list[dict[str, Any]],
    waiting: dict[str, str] | None,
    *,
    more: bool,
    domain: str,
    page: Page,
    namespace: argparse.Namespace,
) -> list[str]:
    """The table, or what to say where there is none."""
    sides = namespace.sides or (("Closed",) if namespace.status else ("Open",))
    if not infos:
        kind = {("Open",): "open executions", ("Closed",): "closed executions"}.get(sides, "executions")
        given = [
            name for name in ("type", "workflow_id", "tag", "status", "since") if getattr(namespace, name)
        ]
        asked = " that match" if given else ""
        hint = "; closed ones: flowyd list --closed" if sides == ("Open",) and not given else ""
        return [f"no {kind}{asked} in domain {domain}{hint}"]
    now = time.time()
    rows = [executions.from_info(info) for info in infos]
    lines = table(_columns(now, waiting), rows, page)
    if more:
        lines.append(f"… and more; the newest {wording.number(len(rows))} are shown (--limit 0: all)")
    return lines


def _ago(text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is no time such as "90s", "2h" or "7d"') from None


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 up")
    return int(text)

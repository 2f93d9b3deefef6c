"""`flowyd list`: open and closed executions."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from flowyd.cli import answers, exits
from flowyd.cli.options import add_domain
from flowyd.cli.output import page_of, print_json, print_lines
from flowyd.cli.reaching import Service, service
from flowyd.cli.tables import table
from flowyd.config.units import seconds_of
from flowyd.console.view_model import executions, wording

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
    side.add_argument("--closed", dest="sides", action="store_const", const=("Closed",))
    side.add_argument("--all", dest="sides", action="store_const", const=("Open", "Closed"))
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--type", metavar="NAME", help='a workflow type, "NAME" or "NAME VERSION"')
    one.add_argument("--workflow-id", "--id", metavar="ID")
    one.add_argument("--tag", metavar="TAG")
    one.add_argument("--status", choices=tuple(STATUSES), help="closed ones that ended so")
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=_ago,
        default=0.0,
        help='started so long ago at most: "90s", "2h", "7d"',
    )
    parser.add_argument(
        "--limit", metavar="N", type=_count, default=DEFAULT_LIMIT, help="default: %(default)s"
    )
    add_domain(parser)
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Lists; an empty list is no failure."""
    sides = namespace.sides or (("Closed",) if namespace.status else ("Open",))
    if namespace.status and "Open" in sides:
        namespace.parser.error("--status is about closed executions; leave --open and --all out")
    with service(namespace) as reached:
        oldest = time.time() - namespace.since if namespace.since else 0.0
        found = _infos(reached, sides, _filters(namespace), oldest=oldest, limit=namespace.limit + 1)
        more = len(found) > namespace.limit
        found = found[: namespace.limit]
        if namespace.json:
            print_json({"domain": reached.domain, "executions": found, "more": more})
        else:
            print_lines(_lines(found, more=more, domain=reached.domain, namespace=namespace))
    return exits.DONE


def _infos(
    reached: Service, sides: tuple[str, ...], filters: dict[str, Any], *, oldest: float, limit: int
) -> list[dict[str, Any]]:
    found = [
        info for side in sides for info in answers.infos(reached, side, filters, oldest=oldest, limit=limit)
    ]
    # One that closed between the two lists is in both; its closed form comes later and stands.
    newest = {(info["execution"]["workflowId"], info["execution"]["runId"]): info for info in found}
    return sorted(newest.values(), key=lambda info: -float(info["startTimestamp"]))[:limit]


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
    infos: list[dict[str, Any]], *, more: bool, domain: str, namespace: argparse.Namespace
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
    lines = table(executions.columns(now), rows, page_of())
    if more:
        lines.append(f"… and more; the newest {wording.number(len(rows))} are shown (--limit)")
    return lines


def _ago(text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is no time such as "90s", "2h" or "7d"') from None


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)

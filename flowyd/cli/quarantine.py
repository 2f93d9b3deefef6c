"""`flowyd quarantine`: tasks that killed their workers, and what is to become of them."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from flowyd.cli import exits
from flowyd.cli.output import page_of, print_json, print_lines
from flowyd.cli.reaching import ask_daemon
from flowyd.cli.tables import table
from flowyd.console.view_model import wording
from flowyd.console.view_model.quarantine import columns
from flowyd.control.quarantine import decode_tasks
from flowyd.errors import FlowydError

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "quarantine",
        help="tasks that killed their workers: release, fail, raise the limit",
        description="Without arguments lists the activity tasks that killed their workers quarantine_deaths "
        "times in a row. Their attempts stay open, within their own timeouts, until you decide: release "
        "runs them again, fail fails this and all further attempts, raise allows so many deaths in all.",
    )
    parser.add_argument("choice", nargs="?", choices=("list", "release", "fail", "raise"), default="list")
    parser.add_argument("key", metavar="KEY", nargs="?", help="which one; its first characters will do")
    parser.add_argument("limit", metavar="N", nargs="?", type=int, help="for raise: deaths allowed")
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Lists, or carries out the operator's choice."""
    if namespace.choice == "list":
        return _list(namespace)
    arguments: dict[str, Any] = {"key": namespace.key}
    if namespace.key is None:
        raise FlowydError(
            f"which one? flowyd quarantine {namespace.choice} KEY; flowyd quarantine lists them"
        )
    if namespace.choice == "raise":
        if namespace.limit is None:
            raise FlowydError("how many deaths are allowed? flowyd quarantine raise KEY N")
        arguments["limit"] = namespace.limit
    answer = ask_daemon(namespace, f"quarantine-{namespace.choice}", arguments)
    if namespace.json:
        print_json(answer)
        return exits.DONE
    attempts = wording.plural(answer["attempts"], "open attempt")
    done = {
        "release": f"released {answer['key']}: {attempts} to run in a fresh worker",
        "fail": f"failed {answer['key']}: {attempts} failed, further ones fail at once",
        "raise": f"{answer['key']} may kill {answer.get('limit')} workers: {attempts} to run again",
    }
    print(done[namespace.choice])
    return exits.DONE


def _list(namespace: argparse.Namespace) -> int:
    answer = ask_daemon(namespace, "quarantine")
    if namespace.json:
        print_json(answer)
        return exits.DONE
    tasks = decode_tasks(answer["tasks"])
    if not tasks:
        print("no quarantined tasks")
        return exits.DONE
    print_lines(table(columns(now=time.time()), tasks, page_of()))
    return exits.DONE

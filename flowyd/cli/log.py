"""`flowyd log`: the last lines a worker wrote, as the supervisor kept them."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from flowyd.cli import exits
from flowyd.cli.output import page_of, print_json, safe
from flowyd.cli.reaching import ask_daemon
from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Part, Tone

if TYPE_CHECKING:
    from argparse import _SubParsersAction

#: logging's levels from which a line is shown as a failure or a warning.
_ERROR, _WARNING = 40, 30


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "log",
        help="the last lines a worker wrote",
        description="What a worker wrote to stdout and stderr lately; the journal has it all.",
    )
    parser.add_argument("--pid", metavar="PID", type=int, required=True, help="see: flowyd workers")
    parser.add_argument("--lines", metavar="N", type=int, default=100, help="default: %(default)s")
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Prints the lines."""
    answer = ask_daemon(namespace, "log", {"pid": namespace.pid, "lines": namespace.lines})
    if namespace.json:
        print_json(answer)
        return exits.DONE
    page, now = page_of(), time.time()
    for line in answer["lines"]:
        level = line["level"]
        tone = Tone.BAD if level >= _ERROR else Tone.WARN if level >= _WARNING else Tone.PLAIN
        at = Part(f"{wording.moment(line['at'], now=now)}  ", Tone.DIM)
        print(page.drawn((at, Part(safe(line["text"]), tone))))
    if not answer["lines"]:
        print(f"pid {namespace.pid} has written nothing")
    return exits.DONE

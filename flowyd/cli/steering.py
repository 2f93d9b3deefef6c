"""`flowyd reload`, `scale`, `drain`, `resume` and `recycle`: orders to the running daemon."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowyd.cli import exits
from flowyd.cli.output import print_json
from flowyd.cli.reaching import CONTROL_TIMEOUT_S, RELOAD_TIMEOUT_S, ask_daemon
from flowyd.console.view_model.wording import plural

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the five commands to the command line."""
    reload = subparsers.add_parser(
        "reload",
        help="apply a changed configuration and changed modules",
        description="The daemon reads its configuration again. One with a mistake is refused as a whole. "
        "Modules are tried before any worker is replaced; those that do not work, or do not fit an open "
        "execution, are named, and their last good version goes on.",
    )
    reload.add_argument(
        "--force", action="store_true", help="take workflow code even if open executions do not fit it"
    )
    reload.set_defaults(run=run_reload)

    scale = subparsers.add_parser(
        "scale",
        help="change the number of a pool's workers",
        description="Changes the number of a pool's workers until the daemon is reloaded or started again. "
        "Workers that are too many finish their task first.",
    )
    scale.add_argument("pool", metavar="POOL", help="its name in the configuration")
    scale.add_argument("processes", metavar="N", type=_count, help="how many workers")
    scale.set_defaults(run=run_scale)

    for name, words in _POOL_COMMANDS.items():
        command = subparsers.add_parser(name, help=words.summary, description=words.description)
        command.add_argument("pool", metavar="POOL", nargs="?", help="default: every pool")
        command.set_defaults(run=run_on_pools, command_name=name)

    recycle = subparsers.add_parser(
        "recycle",
        help="replace one worker after its task",
        description="A successor is started; the worker finishes its task and ends.",
    )
    recycle.add_argument("--pid", metavar="PID", type=_count, required=True, help="see: flowyd workers")
    recycle.set_defaults(run=run_recycle)


def run_reload(namespace: argparse.Namespace) -> int:
    """Reloads; what changed is said, and what is not served as it stands."""
    answer = ask_daemon(namespace, "reload", {"force": namespace.force}, timeout_s=RELOAD_TIMEOUT_S)
    refused = answer.get("refused") or {}
    outcome = "reloaded, but not all of it" if refused else "reloaded"
    text = f"{outcome}: {answer.get('changed') or 'nothing changed'}"
    code = _done(namespace, answer, "\n".join([text, *_replays(answer)]))
    for path, why in refused.items():
        print(f"refused: {path}: {why}", file=sys.stderr)
    return exits.FAILED if refused else code


def _replays(answer: dict[str, Any]) -> Iterator[str]:
    if replayed := answer.get("replayed", 0):
        yield f"{plural(replayed, 'open execution')} replayed with the new code"
    if left := answer.get("not_replayed", 0):
        yield (
            f"{plural(left, 'open execution')} not looked at: only the newest of a type are, for some "
            "seconds; all of them: flowyd replay MODULE --open"
        )


def run_scale(namespace: argparse.Namespace) -> int:
    """Scales one pool."""
    arguments = {"pool": namespace.pool, "processes": namespace.processes}
    answer = ask_daemon(namespace, "scale", arguments)
    text = f"pool {answer['pool']}: {answer['before']} → {plural(answer['processes'], 'worker')}"
    return _done(namespace, answer, text)


def run_on_pools(namespace: argparse.Namespace) -> int:
    """Drains or resumes."""
    name = namespace.command_name
    arguments = {"pool": namespace.pool} if namespace.pool else {}
    answer = ask_daemon(namespace, name, arguments, timeout_s=CONTROL_TIMEOUT_S)
    text = f"{_POOL_COMMANDS[name].done}: {', '.join(answer['pools']) or 'no pools'}"
    return _done(namespace, answer, text)


def run_recycle(namespace: argparse.Namespace) -> int:
    """Replaces one worker."""
    answer = ask_daemon(namespace, "recycle", {"pid": namespace.pid})
    return _done(namespace, answer, f"pool {answer['pool']}: pid {answer['pid']} is replaced after its task")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """What is said about a command on pools."""

    summary: str
    description: str
    done: str


_POOL_COMMANDS = {
    "drain": _Words(
        summary="let workers finish and take no more tasks",
        description="Maintenance: workers finish what they do and take no more. Tasks wait. Undo: resume.",
        done="draining",
    ),
    "resume": _Words(
        summary="undo drain, and try fatal workers again",
        description="Workers take tasks again; those that rest after many deaths are tried at once.",
        done="resumed",
    ),
}


def _done(namespace: argparse.Namespace, answer: dict[str, Any], text: str) -> int:
    if namespace.json:
        print_json(answer)
    else:
        print(text)
    return exits.DONE


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 up")
    return int(text)

"""The command `flowyd`: finds the command's module, lets it run, turns errors into messages and exit codes.

Only the module of the command that is given gets imported, and none of them imports clients, the engine or
Textual before it runs: `flowyd --help` and `flowyd status` stay quick. Each module has
`add_parser(subparsers)`, which sets `run=function(namespace) -> int`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from flowyd.cli import exits
from flowyd.cli.options import CommandParser, add_global_options, detached
from flowyd.errors import ConfigError, FlowydError, UnreachableError


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    name: str
    #: Its module; `add_parser` adds at least this command.
    module: str
    #: For the list of commands.
    summary: str


#: Commands by groups, as `flowyd --help` lists them.
GROUPS: dict[str, tuple[Command, ...]] = {
    "The daemon": (
        Command("run", "flowyd.cli.run", "the daemon: engine, pools and workers, in the foreground"),
        Command("status", "flowyd.cli.status", "what runs, and what needs attention"),
        Command("workers", "flowyd.cli.workers", "every worker: its state, its task, its last death"),
        Command("log", "flowyd.cli.log", "the last lines a worker wrote"),
        Command("reload", "flowyd.cli.steering", "apply a changed configuration"),
        Command("scale", "flowyd.cli.steering", "change the number of a pool's workers"),
        Command("drain", "flowyd.cli.steering", "let workers finish and take no more tasks"),
        Command("resume", "flowyd.cli.steering", "undo drain, and try fatal workers again"),
        Command("recycle", "flowyd.cli.steering", "replace one worker after its task"),
        Command("stop", "flowyd.cli.stop", "end the daemon; tasks in hand are finished first"),
        Command("quarantine", "flowyd.cli.quarantine", "tasks that killed their workers, and your choice"),
        Command("install", "flowyd.cli.install", "place unit, user, directories and configuration"),
        Command("uninstall", "flowyd.cli.install", "remove what install placed"),
        Command("check", "flowyd.cli.check", "is the configuration right?"),
        Command("console", "flowyd.cli.console", "see and steer everything in a terminal"),
        Command("completion", "flowyd.cli.completion", "a script that completes words in your shell"),
    ),
    "Workflow executions": (
        Command("start", "flowyd.cli.start", "start a workflow, and follow it with --wait"),
        Command("list", "flowyd.cli.list", "open and closed executions"),
        Command("show", "flowyd.cli.show", "one execution: input, result, activities, what it waits for"),
        Command(
            "timeline", "flowyd.cli.timeline", "one execution as bars: what waited, what ran, for how long"
        ),
        Command("why", "flowyd.cli.why", "why an execution does not go on, and what would help"),
        Command("history", "flowyd.cli.history", "one execution, event by event"),
        Command("signal", "flowyd.cli.signals", "send a signal to an execution"),
        Command("cancel", "flowyd.cli.signals", "ask an execution to cancel itself"),
        Command("terminate", "flowyd.cli.signals", "end an execution at once"),
    ),
    "The service": (
        Command("domains", "flowyd.cli.registrations", "list, register and deprecate domains"),
        Command("types", "flowyd.cli.registrations", "registered workflow and activity types"),
        Command("task-lists", "flowyd.cli.task_lists", "what waits in each task list, and who takes from it"),
        Command("backup", "flowyd.cli.backup", "copy the engine's database while it runs"),
        Command("replay", "flowyd.cli.replay", "would this code go on with these histories?"),
        Command("engine", "flowyd.cli.engine", "the engine alone: an Amazon SWF for this machine"),
    ),
}
#: Asked by the scripts of `flowyd completion`; nobody types it.
COMPLETE = Command("complete", "flowyd.cli.completion", "")
COMMANDS = {command.name: command for commands in GROUPS.values() for command in commands}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code, of `flowyd.cli.exits`. A wrong command line raises SystemExit(2)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        namespace = parsed(words)
        code = int(namespace.run(namespace))
        sys.stdout.flush()
        return code
    except ConfigError as error:
        return _failed(str(error), exits.CONFIG)
    except UnreachableError as error:
        return _failed(f"flowyd: {error}", exits.UNREACHABLE)
    except FlowydError as error:
        return _failed(f"flowyd: {error}", exits.FAILED)
    except BrokenPipeError:
        # Whoever read our output has enough (`flowyd list | head`); nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILED
    except KeyboardInterrupt:
        return exits.INTERRUPTED


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The options of a command line, `run` among them. Exits with code 2 when it is wrong."""
    top = argparse.ArgumentParser(prog="flowyd", usage="flowyd [options] COMMAND …", add_help=False)
    add_global_options(top, defaults=True)
    top.add_argument("-h", "--help", action="store_true", help="show this and exit")
    top.add_argument("--version", action="store_true", help="show the version and exit")
    top.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    namespace = top.parse_args(list(words))
    if namespace.log_format:
        os.environ["FLOWYD_LOG_FORMAT"] = namespace.log_format
    name, *rest = namespace.command or [""]
    if namespace.version:
        namespace.run = _print_version
    elif namespace.help or not name:
        namespace.run = _print_overview
    elif name == COMPLETE.name:
        parse_command(COMPLETE, rest, namespace)
    elif name not in COMMANDS:
        top.error(f"no command {name!r}; {_nearest(name)}")
    else:
        parse_command(COMMANDS[name], rest, namespace)
    return namespace


def parse_command(command: Command, words: Sequence[str], namespace: argparse.Namespace) -> None:
    """Lets the command's own parser read the words after its name."""
    parser = parser_of(command)
    namespace.parser = parser
    words = detached(words)
    # argparse takes arguments after an option only on request: `start NAME 1 --wait ARG`.
    # argparse forgets a `--` when it reads intermixed; who writes one has put the options first anyway.
    if parser.get_default("intermixed") and "--" not in words:
        parser.parse_intermixed_args(list(words), namespace)
    else:
        parser.parse_args(list(words), namespace)


def parser_of(command: Command) -> argparse.ArgumentParser:
    """The command's own parser."""
    holder = argparse.ArgumentParser(prog="flowyd")
    subparsers = holder.add_subparsers(parser_class=CommandParser)
    import_module(command.module).add_parser(subparsers)
    parser: argparse.ArgumentParser = subparsers.choices[command.name]
    return parser


def overview() -> str:
    """What `flowyd --help` prints."""
    options = argparse.ArgumentParser(prog="flowyd", add_help=False, usage=argparse.SUPPRESS)
    add_global_options(options, defaults=True)
    lines = ["usage: flowyd [options] COMMAND …", "", "Durable Python workflows as a host service.", ""]
    for group, commands in GROUPS.items():
        lines += [f"{group}:", *(f"  {command.name:<11} {command.summary}" for command in commands), ""]
    lines += [options.format_help().strip(), "", "`flowyd COMMAND --help` tells more about one."]
    return "\n".join(lines)


def _print_overview(namespace: argparse.Namespace) -> int:
    asked = bool(namespace.help)
    print(overview(), file=sys.stdout if asked else sys.stderr)
    return exits.DONE if asked else exits.USAGE


def _print_version(_namespace: argparse.Namespace) -> int:
    from importlib.metadata import version  # 20 ms, only needed here

    print(f"flowyd {version('flowyd')}")
    return exits.DONE


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    close: list[Any] = get_close_matches(name, COMMANDS, n=1)
    return f"did you mean {close[0]}?" if close else "see flowyd --help"


def _failed(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code

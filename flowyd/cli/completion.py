"""`flowyd completion SHELL` prints a shell's script; the script asks `flowyd complete WORDS` at each Tab.

Commands and options come from the parsers themselves, so a new one is completed without a word here. Names
(workflow ids, pools, …) are asked of the daemon or the SWF service, with little patience: a shell waits.
The answer is one candidate a line, a tab and a description; the single line `:files` leaves it to the shell.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowyd.cli import exits
from flowyd.cli.completion_scripts import SCRIPTS
from flowyd.cli.main import COMMANDS, parser_of
from flowyd.cli.options import add_global_options
from flowyd.errors import FlowydError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

#: The line that leaves completion to the shell's own of file names.
FILES = ":files"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One word that could stand here."""

    word: str
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where on the command line a word is missing."""

    #: What was given before it.
    namespace: argparse.Namespace
    #: What is wanted: an argument's or option's own record; None: an option's name or nothing.
    action: argparse.Action | None
    #: Options that could begin here.
    options: tuple[Candidate, ...]


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command and the hidden one its scripts call."""
    script = subparsers.add_parser(
        "completion",
        help="a script that completes commands, options and names in a shell",
        description="Prints the script. bash: source <(flowyd completion bash), or into "
        "/etc/bash_completion.d/flowyd. zsh: into a file _flowyd of your fpath. fish: into "
        "~/.config/fish/completions/flowyd.fish.",
    )
    script.add_argument("shell", metavar="SHELL", choices=tuple(SCRIPTS), help=", ".join(SCRIPTS))
    script.set_defaults(run=run_script)
    asked = subparsers.add_parser("complete", add_help=False)
    asked.add_argument("shell", choices=tuple(SCRIPTS))
    asked.add_argument("words", nargs=argparse.REMAINDER)
    asked.set_defaults(run=run_complete)


def run_script(namespace: argparse.Namespace) -> int:
    """Prints the script."""
    print(SCRIPTS[namespace.shell], end="")
    return exits.DONE


def run_complete(namespace: argparse.Namespace) -> int:
    """Prints what could stand in the place of the last of the words; nothing when something is wrong."""
    words = namespace.words[1:] if namespace.words[:1] == ["--"] else namespace.words
    if namespace.shell == "bash":
        words = _bash_words(words)
    *before, prefix = words or [""]
    try:
        for candidate in candidates(before, prefix):
            print(f"{candidate.word}\t{candidate.says}" if candidate.says else candidate.word)
    except FlowydError:
        # Neither daemon nor service answers: a shell is not the place to say so.
        return exits.FAILED
    return exits.DONE


def _bash_words(words: Sequence[str]) -> list[str]:
    """bash's words without quotes, and without the = at which it cuts `--option=value`."""
    if words[-1:] == ["="]:
        words = [*words, ""]
    return [_unquoted(word) for word in words if word != "="]


def _unquoted(word: str) -> str:
    try:
        return "".join(shlex.split(word))
    except ValueError:
        # An open quote: the word goes on.
        return word.lstrip("'\"")


def candidates(before: Sequence[str], prefix: str) -> Iterator[Candidate]:
    """What begins with the prefix and could stand after the words before it.

    Raises:
        FlowydError: names are wanted and nobody answers.
    """
    option, equals, value = prefix.partition("=")
    if prefix.startswith("--") and equals:
        for found in candidates([*before, option], value):
            yield found if found.word == FILES else Candidate(f"{option}={found.word}", found.says)
        return
    namespace, rest = _global(before)
    if rest is None:
        yield from _matching(_values(_place_of(_top(), list(before), argparse.Namespace())), prefix)
    elif not rest:
        if prefix.startswith("-"):
            yield from _matching(_options(_top()), prefix)
        else:
            yield from _matching([Candidate(c.name, c.summary) for c in COMMANDS.values()], prefix)
    elif rest[0] in COMMANDS:
        parser = parser_of(COMMANDS[rest[0]])
        namespace.command = rest[0]
        place = _place_of(parser, rest[1:], namespace)
        if prefix.startswith("-") and not (place.action is not None and place.action.option_strings):
            yield from _matching(place.options, prefix)
        else:
            yield from _matching(_values(place), prefix)


def _top() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flowyd")
    add_global_options(parser, defaults=True)
    return parser


def _global(words: Sequence[str]) -> tuple[argparse.Namespace, list[str] | None]:
    """The options before the command, and the command with what follows it; None: an option's value is
    missing yet."""
    namespace = argparse.Namespace(config=None, endpoint=None, domain=None)
    values = {name: action for action in _top()._actions for name in action.option_strings}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option, equals, value = rest.pop(0).partition("=")
        action = values.get(option)
        if action is None or action.nargs == 0:
            continue
        if not equals:
            if not rest:
                return namespace, None
            value = rest.pop(0)
        _keep(namespace, action, value)
    return namespace, rest


def _keep(namespace: argparse.Namespace, action: argparse.Action, value: str) -> None:
    setattr(namespace, action.dest, Path(value) if action.type is Path else value)


def _place_of(parser: argparse.ArgumentParser, words: list[str], namespace: argparse.Namespace) -> Place:
    """Follows the words through the parser's options and arguments."""
    options = {name: action for action in parser._actions for name in action.option_strings}
    arguments = [action for action in parser._actions if not action.option_strings]
    given: set[str] = set()
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        action = options.get(option)
        if action is not None:
            given.add(action.dest)
            if equals:
                _keep(namespace, action, value)
            elif action.nargs is None:
                if not words:
                    return Place(namespace=namespace, action=action, options=())
                _keep(namespace, action, words.pop(0))
        elif not word.startswith("-") and arguments:
            many = arguments[0].nargs in ("*", "+", argparse.REMAINDER)
            _keep(namespace, arguments[0] if many else arguments.pop(0), word)
    return Place(
        namespace=namespace,
        action=arguments[0] if arguments else None,
        options=tuple(_options(parser, frozenset(given))),
    )


def _options(parser: argparse.ArgumentParser, given: frozenset[str] = frozenset()) -> Iterator[Candidate]:
    """The long names of the options, those last that every command has; none twice."""
    repeatable = {action.dest for action in parser._actions if isinstance(action, argparse._AppendAction)}
    for action in parser._actions:
        if action.option_strings and (action.dest not in given or action.dest in repeatable):
            says = (action.help or "").replace("%(default)s", str(action.default)).partition(";")[0]
            yield Candidate(max(action.option_strings, key=len), says)


def _values(place: Place) -> Iterator[Candidate]:
    """What the wanted argument or option could be."""
    action = place.action
    if action is None:
        return
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    if action.choices:
        yield from (Candidate(str(choice)) for choice in action.choices)
    elif action.type is Path or metavar in ("FILE", "PATH"):
        yield Candidate(FILES)
    else:
        # Clients are only loaded where they are asked.
        from flowyd.cli.completion_names import names

        yield from (Candidate(word, says) for word, says in names(metavar, action.dest, place.namespace))


def _matching(found: Iterator[Candidate] | Sequence[Candidate], prefix: str) -> Iterator[Candidate]:
    for candidate in found:
        if candidate.word.startswith(prefix) or candidate.word == FILES:
            yield candidate

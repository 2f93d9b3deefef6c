"""The options that every command has, before or after its name, and the ones that several share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from flowyd.config.units import seconds_of

#: The same as config.records.DEFAULT_FILE, without importing the records.
CONFIG_FILE = Path("/etc/flowyd.toml")

#: Pause between two looks if none is given: near, and at Amazon, which throttles.
PAUSE_S = 2.0
REMOTE_PAUSE_S = 10.0
#: Asking more often than this would be work for nobody's eyes.
SHORTEST_S = 0.1
#: `--watch` without a number; what that means depends on the service.
USUAL_PAUSE = -1.0


def add_global_options(parser: argparse.ArgumentParser, *, defaults: bool) -> None:
    """Adds them; without `defaults` one that is not given leaves the namespace as it is."""

    def default(value: Any) -> Any:
        return value if defaults else argparse.SUPPRESS

    group = parser.add_argument_group("options of every command")
    group.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=default(None),
        help=f"the configuration (default: {CONFIG_FILE})",
    )
    group.add_argument(
        "--endpoint",
        metavar="URL",
        default=default(None),
        help="talk to this SWF service, unix:///PATH or http://HOST:PORT (default: the configuration's; "
        "FLOWYD_ENDPOINT)",
    )
    group.add_argument(
        "--log-format",
        choices=("lines", "json", "journal", "prefixed"),
        default=default(None),
        help="how run and engine log (default: the journal under systemd, else lines; FLOWYD_LOG_FORMAT)",
    )
    group.add_argument(
        "--json", action="store_true", default=default(False), help="print JSON, and nothing else, to stdout"
    )


class CommandParser(argparse.ArgumentParser):
    """A command's parser. Its own options win over the global ones of the same name."""

    def __init__(self, **members: Any) -> None:
        super().__init__(**members, conflict_handler="resolve")
        # While arguments and options are read intermixed, argparse keeps a usage of its own making there.
        self._own_usage = self.usage
        add_global_options(self, defaults=False)

    def error(self, message: str) -> NoReturn:
        """Ends with code 2: the mistake first, then what must be given; all options would bury it."""
        arguments = [
            action
            for action in self._actions
            if (action.required or not action.option_strings) and action.help != argparse.SUPPRESS
        ]
        usage = self._get_formatter()
        usage.add_usage(self._own_usage, arguments, self._mutually_exclusive_groups, "usage: ")
        short = usage.format_help().strip()
        if self._own_usage is None:
            short = short.replace(self.prog, f"{self.prog} [options]", 1)
        self.exit(2, f"{self.prog}: {message}\n{short}\nall options: {self.prog} --help\n")


def add_domain(parser: argparse.ArgumentParser) -> None:
    """Adds --domain."""
    parser.add_argument("--domain", metavar="NAME", help="the SWF domain (default: the configuration's)")


def add_execution(parser: argparse.ArgumentParser, *, run_id_may_follow: bool = True) -> None:
    """Adds WORKFLOW_ID, and the run id as an option or, where nothing else follows, as an argument."""
    parser.add_argument("workflow_id", metavar="WORKFLOW_ID")
    if run_id_may_follow:
        parser.add_argument(
            "run_id", metavar="RUN_ID", nargs="?", help="default: the open run, else the newest"
        )
    parser.add_argument("--run-id", metavar="RUN_ID", dest="run_id_option", help="the same as RUN_ID")
    parser.set_defaults(intermixed=True)
    add_domain(parser)


def run_id_of(namespace: argparse.Namespace) -> str | None:
    """The run id that was given either way, or None."""
    return namespace.run_id_option or getattr(namespace, "run_id", None)


def whole_seconds(text: str) -> int:
    """An option's duration, "30s", "5m" or seconds, as SWF's whole seconds.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        seconds = float(text) if text.isdigit() else seconds_of(text)
    except ValueError:
        seconds = 0.5
    if seconds != int(seconds):
        raise argparse.ArgumentTypeError(
            f'{text!r} is no duration of whole seconds such as "30s", "5m" or 300'
        )
    return int(seconds)


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Adds --watch."""
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=_pause,
        const=USUAL_PAUSE,
        help=f"look again every so often until Ctrl-C (default: {PAUSE_S:g}, at Amazon {REMOTE_PAUSE_S:g})",
    )


def detached(words: Sequence[str]) -> list[str]:
    """The words with a bare `--watch` kept apart from what follows it: in `show --watch ID` the id is none of
    its seconds."""
    found: list[str] = []
    for place, word in enumerate(words):
        if word == "--watch" and place + 1 < len(words) and not _is_pause(words[place + 1]):
            found.append(f"--watch={USUAL_PAUSE:g}")
        else:
            found.append(word)
    return found


def _pause(text: str) -> float:
    if text == f"{USUAL_PAUSE:g}":
        return USUAL_PAUSE
    if not _is_pause(text) or _seconds(text) < SHORTEST_S:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no time from {SHORTEST_S:g} s up such as 2, 0.5 or "1m"'
        )
    return _seconds(text)


def _is_pause(text: str) -> bool:
    try:
        _seconds(text)
    except ValueError:
        return False
    return True


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return seconds_of(text)

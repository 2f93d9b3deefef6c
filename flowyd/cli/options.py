"""The options that every command has, before or after its name, and the ones that several share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from flowyd.config.units import seconds_of

#: The same as config.records.DEFAULT_FILE, without importing the records.
CONFIG_FILE = Path("/etc/flowyd.toml")


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
        add_global_options(self, defaults=False)


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

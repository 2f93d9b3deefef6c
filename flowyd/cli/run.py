"""`flowyd run`: the daemon in the foreground."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from flowyd.config.records import DEFAULT_FILE

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="run the daemon in the foreground",
        description="Runs the engine and all pools of the configuration until SIGTERM or SIGINT. "
        "The first of them lets running tasks end, a second one does not. SIGHUP reloads.",
    )
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Runs the daemon; 0 after an orderly end.

    Raises:
        ConfigError: the configuration is wrong.
        FlowydError: another daemon runs there, or a socket or directory cannot be had.
    """
    from flowyd.config.load import load
    from flowyd.log import set_up_logging
    from flowyd.supervisor.main import run_daemon

    config = load(Path(namespace.config or DEFAULT_FILE))
    set_up_logging(config.flowyd.log_level)
    return run_daemon(config)

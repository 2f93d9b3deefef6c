"""`flowyd run`: the daemon in the foreground."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flowyd.config.records import DEFAULT_FILE
from flowyd.errors import ConfigError, FlowydError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

logger = logging.getLogger(__name__)

_REFUSED = 1
_BAD_CONFIGURATION = 78


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
    """Runs the daemon; 0 after an orderly end, 1 if it was refused, 78 if the configuration is wrong."""
    from flowyd.config.load import load
    from flowyd.log import set_up_logging
    from flowyd.supervisor.main import run_daemon

    try:
        config = load(Path(namespace.config or DEFAULT_FILE))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return _BAD_CONFIGURATION
    set_up_logging(config.flowyd.log_level)
    try:
        return run_daemon(config)
    except FlowydError as error:
        logger.error("%s", error, extra={"action": "start"})
        return _REFUSED

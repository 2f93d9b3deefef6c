"""`flowyd run`: the daemon, in the foreground or (--daemon) in the background."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from flowyd.config.records import DEFAULT_FILE

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from flowyd.config.records import Config
    from flowyd.supervisor.detach import Background


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="run the daemon",
        description="Runs the engine and all pools of the configuration until SIGTERM or SIGINT. "
        "The first of them lets running tasks end, a second one does not. SIGHUP reloads.",
    )
    parser.add_argument("--daemon", action="store_true", help="leave the terminal; for hosts without systemd")
    parser.add_argument(
        "--pid-file", type=Path, metavar="FILE", help="with --daemon (default: flowyd.pid in runtime_dir)"
    )
    parser.add_argument(
        "--log-file", type=Path, metavar="FILE", help="with --daemon (default: flowyd.log in state_dir)"
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
    return run_daemon(config, background=_background(namespace, config) if namespace.daemon else None)


def _background(namespace: argparse.Namespace, config: Config) -> Background:
    from flowyd.supervisor.detach import Background

    return Background(
        pid_file=(namespace.pid_file or config.flowyd.runtime_dir / "flowyd.pid").absolute(),
        log_file=(namespace.log_file or config.flowyd.state_dir / "flowyd.log").absolute(),
    )

"""`flowyd console`: see and steer executions, workers and modules from a terminal."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from flowyd.cli.options import add_domain
from flowyd.cli.reaching import config_of, endpoint_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from flowyd.console.backend import Target
    from flowyd.swf.client import SwfClient

#: Pauses between polls of Amazon SWF are this much longer: its reads are throttled per account.
REMOTE_PATIENCE = 5.0


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "console",
        help="see and steer everything from a terminal",
        description="The console shows executions, workers, task lists, types and modules, live, and acts on "
        "them. Leaving it stops nothing. With --endpoint it looks at an SWF service without a daemon.",
    )
    add_domain(parser)
    parser.add_argument("--read-only", action="store_true", help="refuse every change")
    parser.add_argument("--theme", metavar="NAME", help="colours; : and Theme in the console shows all")
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Runs the console until it is left; 0.

    Raises:
        ConfigError: the configuration cannot be read or is wrong.
    """
    target = target_of(namespace)
    # 0.25 s: Textual.
    from flowyd.console.app import Console
    from flowyd.console.memory import Memory, default_file

    console = Console(target, memory=Memory(default_file()).load(), theme=namespace.theme)
    console.run()
    return console.return_code or 0


def target_of(namespace: argparse.Namespace) -> Target:
    """What the command line means to look at.

    Raises:
        ConfigError: neither an endpoint nor a readable configuration is given.
    """
    from flowyd.console.backend import Target

    endpoint = endpoint_of(namespace)
    if endpoint is not None:
        from flowyd.swf.lean import LeanClient

        return Target(
            domain=namespace.domain or "default",
            backend=endpoint,
            connect=lambda: LeanClient(endpoint),
            command_options=("--endpoint", endpoint),
            read_only=namespace.read_only,
        )
    config = config_of(namespace)
    remote = config.swf.backend.value == "aws"

    def connect() -> SwfClient:
        from flowyd.swf.connect import connect as connect_swf

        return connect_swf(
            backend=config.swf.backend.value,
            engine_socket=config.flowyd.engine_socket,
            region=config.swf.region,
            profile=config.swf.profile,
            endpoint_url=config.swf.endpoint_url,
            connect_timeout_s=config.swf.connect_timeout_s,
            read_timeout_s=config.swf.read_timeout_s,
        )

    return Target(
        domain=namespace.domain or config.flowyd.domain,
        backend=config.swf.backend.value,
        connect=connect,
        control_socket=config.flowyd.control_socket,
        default_domain=config.flowyd.domain,
        command_options=("--config", str(namespace.config)) if namespace.config else (),
        workflow_directories=config.flowyd.workflows,
        read_only=namespace.read_only,
        patience=REMOTE_PATIENCE if remote else 1.0,
    )

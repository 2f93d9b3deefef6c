"""`flowyd console`: see and steer executions, workers and modules from a terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flowyd.cli.options import add_domain
from flowyd.cli.payloads import configured_store
from flowyd.cli.reaching import config_of, endpoint_of
from flowyd.errors import ConfigError, FlowydError

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
        "them. Leaving it stops nothing. With --endpoint it looks at an SWF service without a daemon. With "
        "--serve it is opened in a browser instead, by the URL that is printed.",
    )
    add_domain(parser)
    parser.add_argument("--read-only", action="store_true", help="refuse every change")
    parser.add_argument("--theme", metavar="NAME", help="colours; : and Theme in the console shows all")
    parser.add_argument(
        "--serve", metavar="HOST:PORT", help="serve it to browsers, by textual-serve; port 0 takes a free one"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="for --serve: holds the token (default: a new one)",
    )
    parser.add_argument(
        "--serve-everywhere",
        action="store_true",
        help="for --serve: allow an address that other machines reach; it speaks HTTP without TLS",
    )
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Runs the console until it is left; 0.

    Raises:
        ConfigError: the configuration cannot be read or is wrong.
    """
    target = target_of(namespace)
    if namespace.serve is not None:
        return _serve(namespace)
    if namespace.token_file is not None or namespace.serve_everywhere:
        namespace.parser.error("--token-file and --serve-everywhere are for --serve HOST:PORT")
    # 0.25 s: Textual.
    from flowyd.console.app import Console
    from flowyd.console.memory import Memory, default_file

    console = Console(target, memory=Memory(default_file()).load(), theme=namespace.theme)
    console.run()
    return console.return_code or 0


def _serve(namespace: argparse.Namespace) -> int:
    """Serves the same console to browsers until it is interrupted; 0."""
    try:
        # 0.4 s: aiohttp.
        from flowyd.console import serving
    except ModuleNotFoundError as error:
        if error.name not in ("aiohttp", "textual_serve"):
            raise
        raise FlowydError(
            f"--serve needs {error.name}, which is not installed: pip install 'flowyd[web]'"
        ) from error
    at = serving.address_of(namespace.serve)
    if not (at.is_loopback or namespace.serve_everywhere):
        raise ConfigError(
            [
                f"--serve {at.written}: other machines reach this address, and there is no TLS; "
                "listen at 127.0.0.1 and use a tunnel (ssh -L), or add --serve-everywhere"
            ]
        )
    given = namespace.token_file
    token = serving.token_in(given) if given is not None else serving.new_token()

    def announce(url: str) -> None:
        print(f"the console is at {url}\nCtrl-C ends it; the daemon goes on", flush=True)

    serving.serve(_command(namespace), at=at, token=token, announce=announce)
    return 0


def _command(namespace: argparse.Namespace) -> list[str]:
    """The command line of the console that each browser window runs."""
    words = [sys.executable, "-m", "flowyd"]
    words += [f"--config={namespace.config}"] if namespace.config is not None else []
    words += [f"--endpoint={namespace.endpoint}"] if namespace.endpoint is not None else []
    words += ["console"]
    words += [f"--domain={namespace.domain}"] if namespace.domain is not None else []
    words += [f"--theme={namespace.theme}"] if namespace.theme is not None else []
    return [*words, "--read-only"] if namespace.read_only else words


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
            long_payloads=configured_store(namespace),
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
        long_payloads=configured_store(namespace),
        service="Amazon SWF" if remote else "the engine",
        patience=REMOTE_PATIENCE if remote else 1.0,
    )

"""From a command line to those it talks to: the SWF service, and the daemon's control socket."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowyd.cli.options import CONFIG_FILE
from flowyd.errors import ConfigError, FlowydError, UnreachableError
from flowyd.swf.faults import UnknownResourceFault

if TYPE_CHECKING:
    from flowyd.config.records import Config
    from flowyd.swf.client import SwfClient

#: The supervisor answers from its loop, within milliseconds; this is for a host that is very busy.
CONTROL_TIMEOUT_S = 10.0
#: A reload tries new code before it answers.
RELOAD_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An SWF service, and the domain to look at."""

    client: SwfClient
    domain: str
    #: How it is called in messages.
    name: str
    #: It is Amazon's: ask less often.
    remote: bool


def endpoint_of(namespace: argparse.Namespace) -> str | None:
    """The endpoint given as an option or in the environment; None: the configuration says."""
    return namespace.endpoint or os.environ.get("FLOWYD_ENDPOINT") or None


def config_of(namespace: argparse.Namespace) -> Config:
    """What a client needs of the configuration: [flowyd], [swf] and [payloads].

    Raises:
        ConfigError: the file cannot be read or is wrong.
    """
    from flowyd.config.load import load_for_client

    file = namespace.config or CONFIG_FILE
    if namespace.config is None and not file.exists():
        raise ConfigError(
            [
                f"{file}: no such file; name one with --config, or an SWF service with --endpoint "
                "(unix:///PATH or http://HOST:PORT)"
            ]
        )
    return load_for_client(file)


def known_config(namespace: argparse.Namespace) -> Config | None:
    """The same; None if no file is named and the usual one is not there.

    Raises:
        ConfigError: the file cannot be read or is wrong.
    """
    return config_of(namespace) if namespace.config is not None or CONFIG_FILE.exists() else None


@contextmanager
def service(namespace: argparse.Namespace) -> Iterator[Service]:
    """The SWF service that the command line means; its connections end with the block.

    Raises:
        ConfigError: neither an endpoint nor a readable configuration is given.
    """
    endpoint, given = endpoint_of(namespace), getattr(namespace, "domain", None)
    if endpoint is None:
        config = config_of(namespace)
        client = _configured(config)
        domain = given or config.flowyd.domain
        remote = config.swf.backend.value == "aws"
        name = "Amazon SWF" if remote else str(config.flowyd.engine_socket)
    else:
        known = known_config(namespace)
        domain = given or (known.flowyd.domain if known else "default")
        client, remote, name = client_at(endpoint), False, endpoint
    try:
        yield Service(client=client, domain=domain, name=name, remote=remote)
    except UnreachableError as error:
        hint = "" if remote or endpoint is not None else f"\n{_hint(error, config)}"
        raise UnreachableError(f"{error}{hint}") from error
    except UnknownResourceFault as fault:
        if fault.message != f"Unknown domain: {domain}":
            raise
        raise FlowydError(f"no domain {domain!r} at {name}; see: flowyd domains") from fault
    finally:
        client.close()


def ask_daemon(
    namespace: argparse.Namespace,
    command: str,
    arguments: dict[str, Any] | None = None,
    *,
    timeout_s: float = CONTROL_TIMEOUT_S,
) -> dict[str, Any]:
    """The daemon's answer to a control command.

    Raises:
        UnreachableError: with the command that starts it.
        FlowydError: it refused.
        ConfigError: the file that says where its socket is cannot be read.
    """
    from flowyd.control.client import ask

    config = config_of(namespace)
    try:
        return ask(config.flowyd.control_socket, command, arguments or {}, timeout_s=timeout_s)
    except UnreachableError as error:
        raise UnreachableError(f"{error}\n{_hint(error, config)}") from error


def _hint(error: BaseException, config: Config) -> str:
    """What to do when nobody answers."""
    if _is_caused_by_permission(error):
        return (
            "root, the daemon's user and the members of its group may; see:  "
            f"ls -l {config.flowyd.runtime_dir}    and:  id"
        )
    return starting_hint(config.file)


def _is_caused_by_permission(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, PermissionError):
            return True
        error = error.__cause__
    return False


def starting_hint(file: Path) -> str:
    """What to type when no daemon answers."""
    if file == CONFIG_FILE:
        return "start it:  systemctl start flowyd    and see why it ended:  journalctl -u flowyd -e"
    return f"start it:  flowyd run --config {file}"


def _configured(config: Config) -> SwfClient:
    from flowyd.swf.connect import connect

    return connect(
        backend=config.swf.backend.value,
        engine_socket=config.flowyd.engine_socket,
        region=config.swf.region,
        profile=config.swf.profile,
        endpoint_url=config.swf.endpoint_url,
        connect_timeout_s=config.swf.connect_timeout_s,
        read_timeout_s=config.swf.read_timeout_s,
    )


def client_at(endpoint: str) -> SwfClient:
    """A client of the endpoint; nothing is connected yet.

    Raises:
        FlowydError: it is none.
    """
    if not endpoint.startswith(("unix:///", "http://", "https://")):
        raise FlowydError(
            f"--endpoint {endpoint!r}: must be unix:///PATH of a socket, or http://HOST:PORT, or https://HOST"
        )
    if endpoint.startswith("https://"):
        from flowyd.swf.boto import BotoClient

        return BotoClient(
            region=None, profile=None, endpoint_url=endpoint, connect_timeout_s=10.0, read_timeout_s=75.0
        )
    from flowyd.swf.lean import LeanClient

    return LeanClient(endpoint)

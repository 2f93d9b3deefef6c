"""`flowyd engine`: the engine alone in the foreground, an Amazon SWF for development and CI."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowyd.config.keys import LIMITS
from flowyd.config.kinds import NotAllowedError
from flowyd.config.records import Durability, EngineLimits

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_REFUSED = 1
_USAGE = 2
#: Only the user who started the engine may use its socket.
_SOCKET_UMASK = 0o177


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "engine",
        help="run the engine alone: an Amazon SWF on this machine",
        description="Serves Amazon SWF's API until SIGTERM or SIGINT. Prints one line when it is ready. "
        "GET /health and /metrics are answered on the same endpoints.",
    )
    parser.add_argument(
        "--listen",
        metavar="ADDRESS:PORT",
        action="append",
        default=[],
        help="TCP endpoint, such as 127.0.0.1:8042; port 0 takes a free one; may be given several times",
    )
    parser.add_argument("--socket", metavar="PATH", type=Path, help="unix socket to serve, for you alone")
    parser.add_argument("--database", metavar="PATH", type=Path, required=True, help="made when missing")
    parser.add_argument(
        "--durability",
        choices=[kind.value for kind in Durability],
        default=Durability.FULL.value,
        help="full: an answer means it is on disk; normal: the last moments may be lost in a power cut",
    )
    parser.add_argument("--keys", metavar="FILE", type=Path, help="access keys for the TCP endpoints (TOML)")
    parser.add_argument(
        "--any-credentials",
        action="store_true",
        help="take every request on TCP, signed or not; on loopback addresses only",
    )
    parser.add_argument(
        "--tls-certificate", metavar="FILE", type=Path, help="speak TLS on TCP: certificate and chain (PEM)"
    )
    parser.add_argument("--tls-key", metavar="FILE", type=Path, help="the certificate's key (PEM)")
    parser.add_argument(
        "--limit",
        metavar="NAME=VALUE",
        action="append",
        type=_limit,
        default=[],
        help="as in [engine.limits] of the configuration, such as pollers=5000 or poll=10s; may be given "
        f"several times; names: {', '.join(LIMITS)}",
    )
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Serves until stopped: 0; 1 if store or endpoint cannot be had, 2 for options, 78 for keys."""
    if not namespace.listen and namespace.socket is None:
        return _refuse("nothing to serve: give --listen ADDRESS:PORT or --socket PATH", _USAGE)
    if namespace.listen and not (namespace.keys or namespace.any_credentials):
        return _refuse("a TCP endpoint needs --keys FILE, or --any-credentials on a loopback address", _USAGE)
    if (namespace.tls_certificate is None) != (namespace.tls_key is None):
        return _refuse("--tls-certificate and --tls-key need each other", _USAGE)
    if namespace.tls_key and not namespace.listen:
        return _refuse("TLS is for TCP endpoints and there is none: give --listen ADDRESS:PORT", _USAGE)
    # sqlite3 and asyncio: 70 ms that other commands do without.
    from flowyd.engine.main import EngineSettings, run_engine
    from flowyd.log import set_up_logging

    set_up_logging(getattr(namespace, "log_level", None) or "info")
    settings = EngineSettings(
        database=namespace.database,
        durability=Durability(namespace.durability),
        keys_file=namespace.keys,
        any_credentials=namespace.any_credentials,
        tls_certificate=namespace.tls_certificate,
        tls_key=namespace.tls_key,
        limits=EngineLimits(**dict(namespace.limit)),
    )
    with contextlib.ExitStack() as opened:
        try:
            sockets = _open_sockets(namespace, opened)
        except ValueError as error:
            return _refuse(str(error), _USAGE)
        except OSError as error:
            return _refuse(str(error), _REFUSED)
        scheme = "http" if namespace.tls_key is None else "https"
        endpoints = ", ".join(_endpoint(listening, scheme) for listening in sockets)
        line = f"flowyd engine ready on {endpoints}; database {namespace.database}"
        return run_engine(settings, sockets, lambda: print(line, flush=True))


def _open_sockets(namespace: argparse.Namespace, opened: contextlib.ExitStack) -> list[socket.socket]:
    """Listening sockets for all endpoints, closed with `opened`.

    Raises:
        ValueError: an option is wrong.
        OSError: an endpoint cannot be had.
    """
    from flowyd.engine.main import is_loopback

    sockets = [opened.enter_context(_tcp_socket(text)) for text in namespace.listen]
    for listening in sockets:
        address = listening.getsockname()[0]
        if namespace.any_credentials and not is_loopback(address):
            raise ValueError(
                f"--any-credentials is refused on {address}: whoever reaches that address could do anything. "
                "Use a loopback address such as 127.0.0.1, or --keys FILE"
            )
    if namespace.socket is not None:
        sockets.append(opened.enter_context(_unix_socket(namespace.socket)))
        opened.callback(namespace.socket.unlink, missing_ok=True)
    return sockets


def _refuse(text: str, code: int) -> int:
    print(f"flowyd engine: {text}", file=sys.stderr)
    return code


def _limit(text: str) -> tuple[str, Any]:
    """The field of a limit and its value, read as the configuration file's."""
    name, _, written = text.partition("=")
    key = LIMITS.get(name.strip())
    if key is None:
        raise argparse.ArgumentTypeError(f"{text}: no such limit; there are {', '.join(LIMITS)}")
    written = written.strip()
    value: Any = int(written) if re.fullmatch("-?[0-9]+", written) else written
    try:
        return key.field, key.kind.read(value, Path())
    except NotAllowedError as error:
        raise argparse.ArgumentTypeError(f"{text}: {str(error) or f'must be {key.kind.allowed}'}") from error


def _tcp_socket(text: str) -> socket.socket:
    """A listening socket for `address:port` or `[address]:port`.

    Raises:
        ValueError: that is not its form.
        OSError: the address cannot be had.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"--listen {text}: must be ADDRESS:PORT, such as 127.0.0.1:8042")
    found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(socket.SOMAXCONN)
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on {text}: {error.strerror or error}") from error
    return listening


def _unix_socket(path: Path) -> socket.socket:
    """A listening unix socket; one that nobody serves any more is replaced.

    Raises:
        OSError: the path cannot be had, or somebody serves it.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _is_served(path):
            path.unlink()
        umask = os.umask(_SOCKET_UMASK)
        try:
            listening.bind(str(path))
        finally:
            os.umask(umask)
        listening.listen(socket.SOMAXCONN)
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on {path}: {error.strerror or error}") from error
    return listening


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _endpoint(listening: socket.socket, scheme: str) -> str:
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"unix://{Path(name).absolute()}"
    host = f"[{name[0]}]" if listening.family == socket.AF_INET6 else name[0]
    return f"{scheme}://{host}:{name[1]}"

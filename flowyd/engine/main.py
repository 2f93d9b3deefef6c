"""The engine as a process: opens the store, serves sockets that already listen, stops cleanly.

The sockets come from whoever starts it (the supervisor, systemd, `flowyd engine`) and outlive it there, so
that a restart lets callers wait in the backlog. SIGTERM and SIGINT stop it: what is at hand is answered,
waiting polls are answered as empty, the store is closed.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import resource
import select
import signal
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowyd.config.records import Durability, EngineLimits
from flowyd.engine.auth import SignatureGate
from flowyd.engine.clock import SystemClock
from flowyd.engine.connection import Gate
from flowyd.engine.gauges import gauges_of
from flowyd.engine.keys import load_keys
from flowyd.engine.metrics import Metrics
from flowyd.engine.opening import open_service
from flowyd.engine.rounds import RoundSelector
from flowyd.engine.server import Server
from flowyd.engine.service import Service
from flowyd.engine.settings import settings_of
from flowyd.engine.tls import MOST_HANDSHAKES, server_context
from flowyd.errors import ConfigError, StoreError

logger = logging.getLogger(__name__)

_DONE = 0
_FAILED = 1
_BAD_CONFIGURATION = 78

#: File descriptors that the engine needs besides those of its connections.
_OTHER_DESCRIPTORS = 64 + MOST_HANDSHAKES
#: Allocations between two looks for garbage. The engine makes few cycles and holds many objects, so looking
#: often costs turns their length and finds nothing.
_GC_THRESHOLD = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What an engine is told at its start."""

    database: Path
    durability: Durability = Durability.FULL
    #: Who may sign requests on TCP endpoints; see `flowyd.engine.keys`.
    keys_file: Path | None = None
    #: Whether TCP endpoints take every request, signed or not; for loopback addresses only.
    any_credentials: bool = False
    #: The certificate and its key with which TCP endpoints speak TLS; None: they speak plain HTTP.
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    limits: EngineLimits = field(default_factory=EngineLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    """A listening socket, who may call there, and what encrypts it."""

    listening: socket.socket
    gate: Gate | None
    tls: ssl.SSLContext | None


def run_engine(settings: EngineSettings, sockets: Sequence[socket.socket], ready: Callable[[], None]) -> int:
    """Serves until told to stop; `ready` is called once requests are answered.

    The answer is an exit code: 0 after a clean stop, 1 if the store failed, 78 for a wrong configuration.
    """
    try:
        tls = _tls(settings)
        endpoints = [_endpoint(listening, settings, tls) for listening in sockets]
        clock = SystemClock()
        service = open_service(
            database=settings.database,
            durability=settings.durability,
            clock=clock,
            settings=settings_of(settings.limits),
        )
    except ConfigError as error:
        logger.error("%s", error, extra={"action": "start"})
        return _BAD_CONFIGURATION
    except StoreError as error:
        logger.error("%s", error, extra={"action": "start"})
        return _FAILED
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 100)
    selector = RoundSelector()
    loop = asyncio.SelectorEventLoop(selector)
    selector.begin(loop)
    come_in = select.poll()
    come_in.register(selector.fileno(), select.POLLIN)
    try:
        loop.run_until_complete(
            _serve(service, clock, settings, endpoints, ready, selector, lambda: bool(come_in.poll(0)))
        )
    finally:
        loop.close()
        service.close()
    return _DONE


async def _serve(
    service: Service,
    clock: SystemClock,
    settings: EngineSettings,
    endpoints: Sequence[_Endpoint],
    ready: Callable[[], None],
    selector: RoundSelector,
    more_waits: Callable[[], bool],
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    metrics = Metrics()
    metrics.add_gauges(gauges_of(settings.database, clock.now, service.checkpoint))
    server = Server(
        service,
        now=clock.now,
        metrics=metrics,
        most_connections=min(settings.limits.connections, _raised_file_limit() - _OTHER_DESCRIPTORS),
        rounds=selector,
        more_waits=more_waits,
    )
    for endpoint in endpoints:
        await server.listen(endpoint.listening, endpoint.gate, endpoint.tls)
    ready()
    await stopped.wait()
    await server.stop()


def _tls(settings: EngineSettings) -> ssl.SSLContext | None:
    """What TCP endpoints speak TLS with.

    Raises:
        ConfigError: one of the two files is not named, or they are of no use.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigError([f"{certificate or key}: TLS needs a certificate and its key; only one is named"])
    return server_context(certificate, key)


def is_loopback(address: str) -> bool:
    """Whether an IP address is reachable from this machine only."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _endpoint(listening: socket.socket, settings: EngineSettings, tls: ssl.SSLContext | None) -> _Endpoint:
    is_unix = listening.family == socket.AF_UNIX
    return _Endpoint(listening=listening, gate=_gate(listening, settings), tls=None if is_unix else tls)


def _gate(listening: socket.socket, settings: EngineSettings) -> Gate | None:
    """Who may call on this socket: on a unix socket whoever may open it, on TCP who signs.

    Raises:
        ConfigError: nobody could call, or everybody.
    """
    if listening.family == socket.AF_UNIX:
        return None
    address, port = listening.getsockname()[:2]
    if settings.any_credentials:
        if not is_loopback(address):
            wrong = f"{address}:{port}: any credentials are accepted on loopback addresses only"
            raise ConfigError([wrong])
        return None
    if settings.keys_file is None:
        raise ConfigError([f"{address}:{port}: a TCP endpoint needs a file of access keys"])
    return SignatureGate(load_keys(settings.keys_file), time.time)


def _raised_file_limit() -> int:
    """Raises the limit of open files as far as this process may, and answers it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else 1_048_576
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most

"""`python -m tests.contract.unruly`: how long a well-behaved client waits while others misbehave.

Each line is one kind of misbehaviour by one or many connections of another process, with the latency of a
proper client that asks about 200 times a second meanwhile, and the engine's memory after it.
"""

from __future__ import annotations

import multiprocessing
import os
import selectors
import socket
import statistics
import tempfile
import time
from contextlib import suppress
from multiprocessing.synchronize import Event
from pathlib import Path

import psutil

from flowyd.engine.connection import REQUEST_S
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess
from tests.contract.wire import message

_SECONDS = 4.0
_DOMAINS = {"registrationStatus": "REGISTERED"}
_HEALTH = b"GET /health HTTP/1.1\r\n\r\n"
_LARGE = b'{"name":"' + b"x" * 1_000_000 + b'"}'

#: What is sent again and again, and by how many connections.
FLOODS = {
    "reads, pipelined": (message("ListDomains", _DOMAINS) * 500, 1),
    "wrong requests, pipelined": (message("DescribeDomain", {}) * 500, 1),
    "tiny requests, pipelined": (_HEALTH * 5_000, 1),
    "metrics, pipelined": (_HEALTH.replace(b"health", b"metrics") * 5_000, 1),
    "reads, 20 connections": (message("ListDomains", _DOMAINS) * 500, 20),
    "tiny requests, 20 connections": (_HEALTH * 5_000, 20),
    "metrics, 20 connections": (_HEALTH.replace(b"health", b"metrics") * 5_000, 20),
    "bodies of 1 MB, 20 connections": (message("DescribeDomain", body=_LARGE), 20),
    "bodies over 1 MB, 20 connections": (message("DescribeDomain", body=_LARGE * 2), 20),
    "many headers, 20 connections": (_HEALTH[:-2] + b"A: b\r\n" * 2_000 + b"\r\n", 20),
    "endless headers, 20 connections": (b"A: bcdefgh\r\n" * 5_000, 20),
    "noise, 20 connections": (os.urandom(65_536), 20),
}


def flood(path: str, piece: bytes, connections: int, stop: Event) -> None:
    """Sends the piece on each connection as fast as it is taken, reads answers, and connects again."""
    selector = selectors.DefaultSelector()
    unsent: dict[socket.socket, bytes] = {}

    def connect() -> None:
        connected = connection_to(path)
        connected.setblocking(False)
        unsent[connected] = piece
        selector.register(connected, selectors.EVENT_READ | selectors.EVENT_WRITE)

    for _ in range(connections):
        connect()
    while not stop.is_set():
        for key, events in selector.select(0.1):
            connected = key.fileobj
            assert isinstance(connected, socket.socket)
            try:
                if events & selectors.EVENT_READ and not connected.recv(1_048_576):
                    raise ConnectionResetError
                if events & selectors.EVENT_WRITE:
                    rest = unsent[connected]
                    unsent[connected] = rest[connected.send(rest) :] or piece
            except BlockingIOError:
                continue
            except OSError:
                selector.unregister(connected)
                connected.close()
                connect()


def connection_to(path: str) -> socket.socket:
    """A new connection."""
    connected = socket.socket(socket.AF_UNIX)
    connected.connect(path)
    return connected


def show(title: str, engine: EngineProcess, seconds: float = _SECONDS) -> None:
    """Measures for a while and prints a line."""
    client = LeanClient(engine.unix)
    waited = []
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        began_at = time.perf_counter()
        client.call("ListDomains", _DOMAINS)
        waited.append((time.perf_counter() - began_at) * 1_000)
        time.sleep(0.004)
    client.close()
    waited.sort()
    resident = psutil.Process(engine.pid).memory_info().rss >> 20
    print(
        f"{title:34} median {statistics.median(waited):7.2f} ms   "
        f"99% {waited[len(waited) * 99 // 100]:7.2f} ms   "
        f"longest {waited[-1]:7.2f} ms   {resident:4} MiB",
        flush=True,
    )


def main() -> None:
    """Prints one line for each kind."""
    with tempfile.TemporaryDirectory() as folder:
        engine = EngineProcess(Path(folder)).start()
        try:
            show("nobody else", engine)
            for title, (piece, connections) in FLOODS.items():
                stop = multiprocessing.Event()
                arguments = (str(engine.socket), piece, connections, stop)
                flooding = multiprocessing.Process(target=flood, args=arguments, daemon=True)
                flooding.start()
                time.sleep(0.5)
                show(title, engine)
                stop.set()
                flooding.join(5)
            _silent(engine)
        finally:
            engine.stop()


def _silent(engine: EngineProcess) -> None:
    """4,000 connections that say nothing, then half of a request each, then nothing more."""
    silent = [connection_to(str(engine.socket)) for _ in range(4_000)]
    show("4,000 idle connections", engine)
    half = message("ListDomains", _DOMAINS)
    for number, connected in enumerate(silent):
        # Half of them stop within the headers, half within the body.
        connected.sendall(half[: 60 if number % 2 else -3])
    show("4,000 unfinished requests", engine)
    time.sleep(REQUEST_S + 2)
    show("the same, half a minute later", engine)
    ended = 0
    for connected in silent:
        connected.setblocking(False)
        with suppress(BlockingIOError):
            ended += connected.recv(1) == b""
        connected.close()
    print(f"{ended} of them were closed by the engine")


if __name__ == "__main__":
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    main()

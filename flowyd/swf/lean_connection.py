"""A connection of the lean client: requests out as bytes, one at a time, and whole HTTP answers in.

It is made for many small exchanges: the kernel watches the time limits (SO_RCVTIMEO), so that a read is one
system call, and the parser of the connection reads all its answers.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

from flowyd.errors import ProtocolError, UnreachableError

#: Small enough that the interpreter does not map and unmap memory for each answer.
_READ_BYTES = 65_536
#: The status of an interim answer: the call that came with a poll was carried out.
CARRIED_OUT = 102
#: The kernel's `struct timeval`.
_TIMEVAL = struct.Struct("@ll")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the engine listens."""

    endpoint: str
    family: socket.AddressFamily
    address: str | tuple[str, int]
    host: str


def address_of(endpoint: str) -> Address:
    """The address of `unix:///path` or `http://address:port`.

    Raises:
        UnreachableError: it is neither.
    """
    parts = urlsplit(endpoint)
    if parts.scheme == "unix" and parts.path and not parts.netloc:
        return Address(endpoint=endpoint, family=socket.AF_UNIX, address=parts.path, host="localhost")
    if parts.scheme == "http" and parts.hostname and parts.path in ("", "/"):
        port = parts.port or 80
        family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
        return Address(
            endpoint=endpoint, family=family, address=(parts.hostname, port), host=f"{parts.netloc}"
        )
    raise UnreachableError(
        f"{endpoint!r} is no endpoint of a local engine; it must be unix:///path or http://address:port"
    )


class Broken(Exception):
    """Raised when the connection ended before an answer; `was_sent` tells whether the request had left."""

    def __init__(self, *, was_sent: bool, why: str, timed_out: bool = False) -> None:
        super().__init__(why)
        self.was_sent = was_sent
        self.timed_out = timed_out


@dataclass(slots=True, kw_only=True)
class Response:
    """An HTTP answer."""

    status: int
    body: bytes
    keep_alive: bool


def connect(address: Address, *, connect_timeout_s: float, read_timeout_s: float) -> Connection:
    """A new connection.

    Raises:
        UnreachableError: nobody listens.
    """
    connected = socket.socket(address.family, socket.SOCK_STREAM)
    connected.settimeout(connect_timeout_s)
    try:
        connected.connect(address.address)
    except OSError as error:
        connected.close()
        raise UnreachableError(
            f"no engine answers at {address.endpoint} ({error.strerror or error}); "
            "is flowyd running, and may you use its socket?"
        ) from error
    connected.settimeout(None)
    limit = _TIMEVAL.pack(int(read_timeout_s), int(read_timeout_s % 1 * 1_000_000))
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    if address.family == socket.AF_INET:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connection(connected)


class Connection:
    """One connection with at most one request under way."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._reader = _Reader()
        self._unasked = select.poll()
        self._unasked.register(connected, select.POLLIN)

    def fileno(self) -> int:
        """Readable when something of an answer is there."""
        return self._socket.fileno()

    def stands(self) -> bool:
        """Whether the peer has neither closed the connection nor sent what nobody asked for."""
        return not self._reader.responses and not self._unasked.poll(0)

    def send(self, message: bytes) -> None:
        """Sends a request.

        Raises:
            Broken: it did not leave, or not whole.
        """
        try:
            sent = self._socket.send(message)
        except OSError as error:
            raise Broken(was_sent=False, why=str(error)) from error
        try:
            if sent < len(message):
                self._socket.sendall(memoryview(message)[sent:])
        except OSError as error:
            # A fault may have been answered before the whole request was read, such as that it is too large.
            if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
                raise Broken(was_sent=True, why=str(error)) from error

    @property
    def has_received(self) -> bool:
        """Whether `receive` has an answer without reading; the connection need not be readable then."""
        return bool(self._reader.responses)

    def receive(self, *, or_interim: bool = False) -> Response:
        """The answer to the request, or what comes before it if that is as good.

        Raises:
            Broken: the connection ended before it, or it did not come in time.
            ProtocolError: what came is no HTTP.
        """
        while True:
            response = self._next_response()
            if or_interim or response.status != CARRIED_OUT:
                return response

    def _next_response(self) -> Response:
        responses = self._reader.responses
        while not responses:
            try:
                data = self._socket.recv(_READ_BYTES)
            except BlockingIOError as error:
                raise Broken(was_sent=True, why="timed out", timed_out=True) from error
            except OSError as error:
                raise Broken(was_sent=True, why=str(error)) from error
            if not data:
                raise Broken(was_sent=True, why="the engine closed the connection")
            self._reader.feed(data)
        return responses.popleft()

    def shut(self) -> None:
        """Wakes who receives; closing would not."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def end_sending(self) -> None:
        """Tells the peer that no more requests come; an answer may still."""
        # If the peer was faster, `receive` sees what it left.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Ends it."""
        self._socket.close()


class _Reader:
    """Turns bytes into answers."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        #: Read and not taken yet.
        self.responses: deque[Response] = deque()

    def feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ProtocolError(f"the engine's answer is no HTTP: {error}") from error

    # What follows is called by the parser.

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._pieces)
        self._pieces.clear()
        status = self._parser.get_status_code()
        if status >= 200 or status == CARRIED_OUT:
            keep_alive = self._parser.should_keep_alive()
            self.responses.append(Response(status=status, body=body, keep_alive=keep_alive))

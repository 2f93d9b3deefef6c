"""The client for a local engine: SWF's JSON over a unix socket or loopback TCP, without boto3.

Connections are kept and used again. Whether a request may be sent a second time when its connection breaks:

- before anything was sent (the peer had closed the kept connection, or sending failed at once): always, on a
  new connection. An engine that is restarted under the supervisor's listening socket lets the caller wait in
  the backlog, so this is how a restart looks to most callers.
- after it was sent, without an answer: only reads, polls and heartbeats, which do no harm twice. For all
  others `UnreachableError` says that the request may have been carried out; SWF's own faults
  (already started, unknown task) tell a caller who asks again.

A poll carries an id, the same each time it is sent until its answer has been read: the engine answers it with
the task that it was answered with before, so a task handed out by an engine that then died is not lost.

Requests are unsigned: use it towards an engine that admits its callers by the socket's mode, or that was
started with --any-credentials. The client and its connection share one module, since what may be sent again
depends on how far the connection got.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import msgspec

from flowyd.errors import ProtocolError, UnreachableError
from flowyd.swf import limits
from flowyd.swf.actions import POLLS, READS, TARGET_PREFIX
from flowyd.swf.client import Answer, Readable, Request
from flowyd.swf.faults import SwfFault, fault_from_wire

#: How often a request that does no harm twice is sent before giving up.
_MOST_ATTEMPTS = 3
#: Small enough that the interpreter does not map and unmap memory for each answer.
_READ_BYTES = 65_536
_HARMLESS_TWICE = READS | POLLS | {"RecordActivityTaskHeartbeat"}

#: What a poll comes to whose connection the engine ended.
_NO_TASK: Answer = {"startedEventId": 0}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    """Where the engine listens."""

    endpoint: str
    family: socket.AddressFamily
    address: str | tuple[str, int]
    host: str


class _Broken(Exception):
    """Raised when the connection ended before an answer; `was_sent` tells whether the request had left."""

    def __init__(self, *, was_sent: bool, why: str) -> None:
        super().__init__(why)
        self.was_sent = was_sent


class LeanClient:
    """A caller of a local engine; implements `PollingClient`. Not for use from two threads at once."""

    def __init__(
        self,
        endpoint: str,
        *,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = limits.POLL_READ_TIMEOUT_S,
    ) -> None:
        #: `unix:///path/of/engine.sock` or `http://127.0.0.1:port`.
        self.endpoint = endpoint
        self._address = _parsed(endpoint)
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        #: Connections without a request under way.
        self._kept: list[_Connection] = []
        #: That of the call that is under way, and whether calls have been broken off.
        self._current: _Connection | None = None
        self._is_broken_off = False
        #: Ids of polls: no other client has the first part, no other poll of this one the second.
        self._name = os.urandom(8).hex()
        self._polls = itertools.count(1)

    def new_poll_id(self) -> str:
        """An id that no poll has."""
        return f"{self._name}-{next(self._polls)}"

    def call(self, action: str, request: Request) -> Answer:
        """See `SwfClient.call`."""
        headers = _poll_header(self.new_poll_id()) if action in POLLS else ""
        message = self._message(action, request, headers)
        return _answer(self._exchange(message, action, harmless_twice=action in _HARMLESS_TWICE))

    def metrics(self) -> str:
        """The engine's metrics in Prometheus's text format; it shows them to its own machine only.

        Raises:
            SwfFault: it refuses, or what listens knows no metrics.
            UnreachableError, ProtocolError: as `SwfClient.call`.
        """
        message = f"GET /metrics HTTP/1.1\r\nHost: {self._address.host}\r\n\r\n".encode()
        response = self._exchange(message, "GET /metrics", harmless_twice=True)
        if response.status != 200:
            raise _fault(_members(response))
        return response.body.decode("utf-8", "replace")

    def _exchange(self, message: bytes, action: str, *, harmless_twice: bool) -> _Response:
        """Sends the message, again where that does no harm, and reads what answers it."""
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            connection = self._current = self._connection()
            try:
                if self._is_broken_off:
                    raise _Broken(was_sent=False, why="it was broken off")
                connection.send(message)
                response = _Response()
                connection.receive(response)
            except _Broken as error:
                connection.close()
                may_repeat = not self._is_broken_off and (not error.was_sent or harmless_twice)
                if not may_repeat or attempt == _MOST_ATTEMPTS:
                    raise self._unreachable(action, error) from error
                continue
            self._keep(connection, response)
            return response
        raise AssertionError("the loop above returns or raises")

    def poll(self, action: str, request: Request, *, withdraw: Readable) -> Answer | None:
        """See `PollingClient.poll`."""
        poll_id = self.new_poll_id()
        for _ in range(_MOST_ATTEMPTS):
            pending = self.begin_poll(action, request, poll_id)
            readable, _, _ = select.select([pending, withdraw], [], [], self._read_timeout_s)
            if not readable:
                pending.give_up()
                broken = _Broken(was_sent=True, why=f"waited for {self._read_timeout_s:g} s")
                raise self._unreachable(action, broken)
            if pending not in readable:
                pending.withdraw()
            answer = pending.finish()
            if answer is None or pending.was_read:
                return answer
        return answer

    def begin_poll(self, action: str, request: Request, poll_id: str | None = None) -> PendingAnswer:
        """Sends a poll and returns at once; wait for it with select, together with others.

        Args:
            poll_id: that of a poll of this action and task list whose answer was not read, to repeat it.

        Raises:
            UnreachableError: nobody listens.
        """
        headers = _poll_header(poll_id or self.new_poll_id())
        return self._begin(action, request, headers, if_ended=_NO_TASK)

    def call_and_poll(
        self, action: str, request: Request, poll_action: str, poll_request: Request, poll_id: str
    ) -> PendingAnswer:
        """Calls an operation without result and begins the next poll, in one message.

        The poll is begun if the call was no fault: see `PendingAnswer.carried_out`, which comes first.

        Raises:
            UnreachableError: nobody listens; the call was not carried out.
        """
        next_poll = _encode({"action": poll_action, "request": poll_request}).decode()
        headers = f"{_poll_header(poll_id)}X-Flowyd-Next-Poll: {next_poll}\r\n"
        return self._begin(action, request, headers, if_ended=_NO_TASK)

    def begin_wait(self, request: Request) -> PendingAnswer:
        """Sends DescribeWorkflowExecution, to be answered when the execution closes, and returns at once.

        An engine that knows of it answers in the turn of the close, or after as long as a poll waits; any
        other SWF service at once. Wait for it with select, together with others.

        Raises:
            UnreachableError: nobody listens.
        """
        return self._begin("DescribeWorkflowExecution", request, "X-Flowyd-Wait: closed\r\n", if_ended=None)

    def _begin(
        self, action: str, request: Request, headers: str, *, if_ended: Answer | None
    ) -> PendingAnswer:
        message = self._message(action, request, headers)
        for _ in range(_MOST_ATTEMPTS):
            connection = self._connection()
            try:
                connection.send(message)
            except _Broken as error:
                connection.close()
                last = error
                continue
            return PendingAnswer(
                action=action,
                endpoint=self.endpoint,
                connection=connection,
                keep=self._keep,
                if_ended=if_ended,
            )
        raise self._unreachable(action, last) from last

    def break_off(self) -> None:
        """From any thread: ends the call that is under way, and all that follow, with UnreachableError."""
        self._is_broken_off = True
        if self._current is not None:
            self._current.shut()

    def close(self) -> None:
        """See `SwfClient.close`; what was begun and is not finished keeps its connection."""
        while self._kept:
            self._kept.pop().close()

    def _message(self, action: str, request: Request, headers: str) -> bytes:
        body = _encode(request)
        head = (
            f"POST / HTTP/1.1\r\nHost: {self._address.host}\r\nContent-Type: application/x-amz-json-1.0\r\n"
            f"X-Amz-Target: {TARGET_PREFIX}{action}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _connection(self) -> _Connection:
        """A kept connection that still stands, or a new one."""
        while self._kept:
            connection = self._kept.pop()
            if connection.stands():
                return connection
            connection.close()
        address = self._address
        connected = socket.socket(address.family, socket.SOCK_STREAM)
        connected.settimeout(self._connect_timeout_s)
        try:
            connected.connect(address.address)
        except OSError as error:
            connected.close()
            raise UnreachableError(
                f"no engine answers at {address.endpoint} ({error.strerror or error}); "
                "is flowyd running, and may you use its socket?"
            ) from error
        connected.settimeout(self._read_timeout_s)
        if address.family == socket.AF_INET:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Connection(connected)

    def _keep(self, connection: _Connection, response: _Response) -> None:
        if response.keep_alive:
            self._kept.append(connection)
        else:
            connection.close()

    def _unreachable(self, action: str, error: _Broken) -> UnreachableError:
        return _unreachable(action, self.endpoint, error)


class PendingAnswer:
    """A poll or a wait that was sent; readable (fileno) when `finish` will not wait."""

    def __init__(
        self,
        *,
        action: str,
        connection: _Connection,
        keep: Callable[[_Connection, _Response], None],
        endpoint: str,
        if_ended: Answer | None,
    ) -> None:
        """`if_ended`: what it comes to if the engine ends the connection, as it does when it restarts."""
        self._action = action
        self._endpoint = endpoint
        self._connection = connection
        self._keep = keep
        self._if_ended = if_ended
        self._response = _Response()
        self._is_withdrawn = False
        #: Whether the service's answer was read; if not, the same poll should be repeated under its id.
        self.was_read = False

    def fileno(self) -> int:
        """The connection's file descriptor, for select."""
        return self._connection.fileno()

    @property
    def is_here(self) -> bool:
        """Whether the answer has been received already; `fileno` is not readable then."""
        return self._response.is_complete

    def carried_out(self) -> None:
        """Waits until the call that came with the poll was carried out.

        Raises:
            SwfFault: the call was refused, and the poll was not begun.
            UnreachableError: the call may have been carried out; the poll is to be repeated under its id.
        """
        response = self._response
        try:
            self._connection.receive(response, or_interim=True)
        except _Broken as error:
            self._connection.close()
            raise _unreachable(self._action, self._endpoint, error) from error
        if response.is_complete and response.status != 200 and not response.had_interim:
            self._keep(self._connection, response)
            raise _fault(_members(response))

    def withdraw(self) -> None:
        """Takes it back; `finish` then gives None, or what was answered just before, such as a task."""
        self._is_withdrawn = True
        self._connection.end_sending()

    def give_up(self) -> None:
        """Closes the connection without waiting for anything; the engine then takes it back itself."""
        self._connection.close()

    def finish(self) -> Answer | None:
        """The answer; None if it was withdrawn first.

        If the engine ended the connection, a poll has found no task, and a wait has come to nothing: None.

        Raises:
            SwfFault: the service refused it.
            UnreachableError: no answer within the read timeout.
        """
        response = self._response
        try:
            self._connection.receive(response)
        except _Broken as error:
            self._connection.close()
            if self._is_withdrawn:
                return None
            if isinstance(error.__cause__, TimeoutError):
                raise UnreachableError(f"{self._action} got no answer: {error}") from error
            return self._if_ended
        if self._is_withdrawn:
            self._connection.close()
        else:
            self._keep(self._connection, response)
        answer = _answer(response)
        self.was_read = True
        return answer


class _Connection:
    """One connection with at most one request under way."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._unasked = select.poll()
        self._unasked.register(connected, select.POLLIN)

    def fileno(self) -> int:
        return self._socket.fileno()

    def stands(self) -> bool:
        """Whether the peer has neither closed the connection nor sent what nobody asked for."""
        # Not a recv with MSG_DONTWAIT: on a socket with a timeout Python waits for bytes first.
        return not self._unasked.poll(0)

    def send(self, message: bytes) -> None:
        try:
            sent = self._socket.send(message)
        except OSError as error:
            raise _Broken(was_sent=False, why=str(error)) from error
        try:
            if sent < len(message):
                self._socket.sendall(memoryview(message)[sent:])
        except OSError as error:
            # A fault may have been answered before the whole request was read, such as that it is too large.
            if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
                raise _Broken(was_sent=True, why=str(error)) from error

    def shut(self) -> None:
        """Wakes who receives; closing would not."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def end_sending(self) -> None:
        # If the peer was faster, `receive` sees what it left.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def receive(self, response: _Response, *, or_interim: bool = False) -> None:
        """Reads until the response is complete, or an interim one has come."""
        while not response.is_complete and not (or_interim and response.had_interim):
            try:
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError as error:
                raise _Broken(was_sent=True, why="timed out") from error
            except OSError as error:
                raise _Broken(was_sent=True, why=str(error)) from error
            if not data:
                raise _Broken(was_sent=True, why="the engine closed the connection")
            response.feed(data)

    def close(self) -> None:
        self._socket.close()


class _Response:
    """An HTTP answer as it comes in."""

    __slots__ = ("_parser", "_pieces", "had_interim", "is_complete", "keep_alive", "status")

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self.is_complete = False
        #: Whether an interim answer came before: the call that came with a poll was carried out.
        self.had_interim = False
        self.keep_alive = True
        self.status = 0

    @property
    def body(self) -> bytes:
        return b"".join(self._pieces)

    def feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ProtocolError(f"the engine's answer is no HTTP: {error}") from error

    # What follows is called by the parser.

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.keep_alive = self._parser.should_keep_alive()
        self.is_complete = self.status >= 200
        self.had_interim = self.had_interim or self.status == 102


def _poll_header(poll_id: str) -> str:
    return f"X-Flowyd-Poll: {poll_id}\r\n"


def _unreachable(action: str, endpoint: str, error: _Broken) -> UnreachableError:
    done = "it may have been carried out" if error.was_sent else "it was not carried out"
    return UnreachableError(f"{action} at {endpoint} got no answer ({error}); {done}. See the engine's log")


def _answer(response: _Response) -> Answer:
    """The answer's JSON; a fault is raised."""
    members = _members(response)
    if response.status == 200:
        return members
    raise _fault(members)


def _members(response: _Response) -> dict[str, Any]:
    body = response.body
    try:
        members: Any = _decode(body) if body else {}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(f"the answer is no JSON (status {response.status}): {error}") from error
    if not isinstance(members, dict):
        raise ProtocolError(f"the answer is no JSON object (status {response.status})")
    return cast("dict[str, Any]", members)


def _fault(members: dict[str, Any]) -> SwfFault:
    return fault_from_wire(str(members.get("__type", "UnknownError")), str(members.get("message", "")))


def _parsed(endpoint: str) -> _Address:
    parts = urlsplit(endpoint)
    if parts.scheme == "unix" and parts.path and not parts.netloc:
        return _Address(endpoint=endpoint, family=socket.AF_UNIX, address=parts.path, host="localhost")
    if parts.scheme == "http" and parts.hostname and parts.path in ("", "/"):
        port = parts.port or 80
        family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
        return _Address(
            endpoint=endpoint, family=family, address=(parts.hostname, port), host=f"{parts.netloc}"
        )
    raise UnreachableError(
        f"{endpoint!r} is no endpoint of a local engine; it must be unix:///path or http://address:port"
    )

"""One connection of the engine's server: requests in, answers out, in order, and what its end means.

A connection has one request under way, or a few that have no result, whose answers leave together. What
else it pipelines waits as it came, and is read in slices when its turn comes, so neither much sent at once
nor many small requests keep others waiting or fill memory. See `server` for the theory.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections import deque
from collections.abc import Iterable
from typing import Protocol, cast

from flowyd.engine import http
from flowyd.engine.calls import Call, is_leased
from flowyd.engine.http import PROCESSING, HttpRequest, RequestReader
from flowyd.errors import ProtocolError
from flowyd.swf.actions import POLLS, VOIDS
from flowyd.swf.faults import SwfFault, ValidationException

#: How long a request may take to come in whole, and an answer to be read, seconds.
REQUEST_S = 30.0
#: Bytes that are read as HTTP at once, and requests that are answered at once in one round of the loop: what
#: one connection may do before it is the others' turn.
_SLICE_BYTES = 4_096
_ANSWERED_PER_ROUND = 4
#: Requests without result that may be under way at once.
_MOST_UNDER_WAY = 16
#: More than this is not read from a connection while a request of it is under way.
_MOST_UNREAD_BYTES = 65_536
#: What a request that waits takes in memory besides its body, about.
_WAITING_BYTES = 1_024
#: pid, uid, gid of the peer of a unix socket.
_CREDENTIALS = struct.Struct("3i")


class Gate(Protocol):
    """Who may call: raises a fault if the request may not pass."""

    def admit(self, request: HttpRequest, action: str) -> None: ...


class Host(Protocol):
    """The server, as a connection sees it."""

    def enter(self, connection: Connection) -> None: ...
    def leave(self, connection: Connection, calls: Iterable[Call]) -> None: ...
    def withdraw(self, call: Call) -> bool: ...
    def offer_again(self, call: Call) -> None: ...
    def lease(self, connection: Connection, call: Call, result: bytes) -> bytes: ...
    def acknowledge_soon(self, connection: Connection) -> None: ...
    def take(self, connection: Connection, request: HttpRequest, gate: Gate | None) -> Call | None: ...
    def response(self, action: str, result: bytes | SwfFault, request: HttpRequest) -> bytes: ...


class _Exchange:
    """A request under way."""

    __slots__ = ("call", "request", "response")

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        #: Its call, or the poll behind that once it was carried out; None while it is looked at.
        self.call: Call | None = None
        #: The answer; empty until it is there.
        self.response = b""

    def is_of(self, call: Call) -> bool:
        """Whether the call, or the poll behind it, is what was asked for."""
        return self.call is call or (self.call is not None and self.call.next_poll is call)

    @property
    def may_be_followed(self) -> bool:
        """Whether another request may begin before this one is answered, which is done soon and shortly."""
        call = self.call
        return (
            call is not None and call.next_poll is None and call.action in VOIDS and self.request.keep_alive
        )


class Connection(asyncio.Protocol):
    """One connection: reads requests, has one or a few of them under way, writes answers in order."""

    __slots__ = (
        "_gate",
        "_handed_out",
        "_has_ended",
        "_host",
        "_is_aborted",
        "_is_encrypted",
        "_is_reading",
        "_is_writable",
        "_loop",
        "_owes_interim",
        "_reader",
        "_round_is_due",
        "_transport",
        "_under_way",
        "_unread",
        "_used",
        "_waiting",
        "changed_at",
        "peer",
    )

    def __init__(self, host: Host, gate: Gate | None) -> None:
        self._host = host
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader()
        self._transport: asyncio.Transport
        #: Bytes that came and are not read as HTTP yet.
        self._unread = b""
        #: Requests read and not begun, and those under way: one, or several that `may_be_followed`.
        self._waiting: deque[HttpRequest] = deque()
        self._under_way: list[_Exchange] = []
        #: The poll whose answer is the last thing to be written, while nothing more has come in.
        self._handed_out: Call | None = None
        #: Whether the peer does not know yet that the call before the poll under way was carried out.
        self._owes_interim = False
        self._has_ended = self._is_aborted = False
        self._is_reading = self._is_writable = True
        self._is_encrypted = False
        #: Whether the loop will call `_next_round`.
        self._round_is_due = False
        #: Whether a request was ever answered here.
        self._used = False
        #: When the connection or its unfinished request began or an answer went out, the loop's seconds.
        self.changed_at = self._loop.time()
        #: Who is at the other end: pid and uid of a unix socket's peer, or the address.
        self.peer = ""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way and not self._waiting and not self._unread

    @property
    def has_unread_task(self) -> bool:
        """Whether a task was handed out here that nothing has followed yet."""
        return self._handed_out is not None

    @property
    def is_local(self) -> bool:
        """Whether the peer is on this machine."""
        return self.peer.startswith(("pid ", "127.", "::1"))

    @property
    def shares_clock(self) -> bool:
        """Whether CLOCK_MONOTONIC is the peer's too, and what it has sent is here at once."""
        return self.peer.startswith("pid ")

    @property
    def is_drained(self) -> bool:
        """Whether all that the peer has sent until now was carried out; never while it cannot be told."""
        # Of one that is closing what waited was dropped.
        if not self.is_idle or self._reader.has_begun or self._transport.is_closing():
            return False
        unread = select.poll()
        unread.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return not unread.poll(0)

    @property
    def buffered_bytes(self) -> int:
        """How much of its requests and its answers is kept in memory."""
        waiting = sum(len(request.body) + _WAITING_BYTES for request in self._waiting)
        unsent: int = self._transport.get_write_buffer_size()
        return self._reader.buffered_bytes + waiting + len(self._unread) + unsent

    def is_overdue(self, now: float) -> bool:
        """Whether the peer takes too long to send its request (or its first one), or to read its answer."""
        is_sending = self._reader.has_begun or (self.is_idle and not self._used)
        return now - self.changed_at > REQUEST_S and (is_sending or not self._is_writable)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.peer = _peer(transport.get_extra_info("socket"))
        self._is_encrypted = transport.get_extra_info("sslcontext") is not None
        self._host.enter(self)

    def data_received(self, data: bytes) -> None:
        self._handed_out = None
        self._unread = self._unread + data if self._unread else data
        if not self._round_is_due:
            self._go_on()
        if len(self._unread) > _MOST_UNREAD_BYTES and self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer sends no more: a call that waits is withdrawn, anything else is answered first."""
        self._has_ended = True
        call = self._under_way[-1].call if self._under_way else None
        if call is not None and self._host.withdraw(call) and call.may_wait:
            self.acknowledge()
            self._under_way.pop()
            self._drop_waiting()
        # An encrypted connection has no half that could stay open.
        return not self.is_idle and not self._is_encrypted

    def connection_lost(self, exc: Exception | None) -> None:
        self._host.leave(self, [each.call for each in self._under_way if each.call is not None])
        if self._handed_out is not None and (exc is not None or self._is_aborted):
            self._host.offer_again(self._handed_out)
        self._under_way, self._handed_out = [], None
        self._drop_waiting()

    def pause_writing(self) -> None:
        self._is_writable = False
        self.changed_at = self._loop.time()

    def resume_writing(self) -> None:
        self._is_writable = True
        self._go_on()

    def answer(self, call: Call, result: bytes | SwfFault) -> None:
        """Sends the answer of a call, unless it is out, and goes on with the next request.

        Of a call with a poll behind it, the poll's answer says that the call was carried out, or else, if
        that takes longer, an interim answer does.
        """
        for exchange in self._under_way:
            if exchange.is_of(call):
                break
        else:
            return
        if exchange.response:
            return
        is_fault = isinstance(result, SwfFault)
        if call is exchange.call and call.next_poll is not None and not is_fault:
            exchange.call = call.next_poll
            self._owes_interim = True
            self._host.acknowledge_soon(self)
            return
        if not isinstance(result, SwfFault) and is_leased(call.action, result):
            result = self._host.lease(self, call, result)
        response = self._host.response(call.action, result, exchange.request)
        if is_fault and (self._owes_interim or call is not exchange.call):
            # Without it this would be a fault of the call.
            response = PROCESSING + response
        if call.action in POLLS:
            self._owes_interim = False
            self._handed_out = None if is_fault else call
        exchange.response = response
        self._send()
        self._go_on()

    def acknowledge(self) -> None:
        """Says that the call before the poll under way was carried out, unless that was said."""
        if self._owes_interim:
            self._owes_interim = False
            *before, poll = self._under_way
            self._under_way = [poll]
            self._transport.write(b"".join(each.response for each in before) + PROCESSING)

    def write(self, response: bytes) -> None:
        """Sends a whole answer to the request that was begun last."""
        self._under_way[-1].response = response
        self._send()

    def _send(self) -> None:
        """Writes the answers if all are there."""
        under_way = self._under_way
        responses = [each.response for each in under_way]
        if b"" in responses:
            return
        self._under_way = []
        self._used = True
        self.changed_at = self._loop.time()
        self._transport.write(b"".join(responses))
        if not under_way[-1].request.keep_alive:
            self._drop_waiting()
            self._transport.close()

    def close(self) -> None:
        """Closes after what is written has left; what waits is not begun."""
        self._drop_waiting()
        self._transport.close()

    def abort(self) -> None:
        """Closes at once."""
        self._is_aborted = True
        self._transport.abort()

    def _go_on(self) -> None:
        """Begins requests until one must be waited for, the peer must read, or it is the others' turn."""
        answered = 0
        while answered < _ANSWERED_PER_ROUND:
            under_way = self._under_way
            if (under_way and not under_way[-1].may_be_followed) or not self._is_writable:
                return
            if not self._waiting and not self._read():
                break
            if under_way and (len(under_way) >= _MOST_UNDER_WAY or self._waiting[0].action not in VOIDS):
                return
            request = self._waiting.popleft()
            if self._has_ended and request.may_wait:
                continue
            exchange = _Exchange(request)
            under_way.append(exchange)
            exchange.call = self._host.take(self, request, self._gate)
            answered += exchange.call is None
        if self._under_way:
            return
        if self._waiting or self._unread:
            self._round_is_due = True
            self._loop.call_soon(self._next_round)
        elif self._has_ended:
            self._transport.close()
        elif not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()

    def _next_round(self) -> None:
        self._round_is_due = False
        self._go_on()

    def _read(self) -> bool:
        """Reads what came as HTTP until there is a request; False if there is none."""
        reader = self._reader
        if self._unread:
            had_begun = reader.has_begun
            try:
                self._feed_slices()
            except ProtocolError as error:
                self._refuse(error)
                return False
            if self._waiting:
                return True
            if reader.has_begun and not had_begun:
                self.changed_at = self._loop.time()
        if reader.take_continue():
            self._transport.write(http.CONTINUE)
        return False

    def _feed_slices(self) -> None:
        unread, self._unread = self._unread, b""
        for start in range(0, len(unread), _SLICE_BYTES):
            end = start + _SLICE_BYTES
            self._waiting += self._reader.feed(unread[start:end])
            if self._waiting:
                self._unread = unread[end:]
                return

    def _drop_waiting(self) -> None:
        self._waiting.clear()
        self._unread = b""

    def _refuse(self, error: ProtocolError) -> None:
        """Answers what cannot be read, and closes."""
        request = HttpRequest(keep_alive=False)
        fault = ValidationException(f"The request cannot be read: {error}")
        self._under_way.append(_Exchange(request))
        self.write(self._host.response("", fault, request))


def _peer(connected: socket.socket) -> str:
    """Who is at the other end, for logs and for the metrics' gate."""
    if connected.family == socket.AF_UNIX:
        raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        return f"pid {pid} uid {uid}"
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    try:
        return str(connected.getpeername()[0])
    except OSError:  # gone already
        return ""

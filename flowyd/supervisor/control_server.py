"""The control socket's transport: who is connected, what they may do, lines in and lines out, no threads.

It knows no command; it hands each request to `answer` and sends what comes back. Every client has a time
limit and a bound on what it may have unread, so a slow or silent one costs nothing but its own connection.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import struct
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from flowyd.control.protocol import (
    LINE_BYTES,
    ControlAnswer,
    ControlRequest,
    decode_request,
    encode_answer,
)
from flowyd.errors import ProtocolError
from flowyd.supervisor.access import Role

logger = logging.getLogger(__name__)

#: A client that neither sends nor takes anything for this long is dropped.
SILENCE_S = 10.0
#: A client waits no longer than this for an answer that is not known at once.
LATER_S = 300.0
#: More clients at once are not let in.
CLIENTS = 64

_SO_PEERGROUPS = 59
#: Python gives getsockopt no more; who has more than 256 groups counts with none of them.
_GROUPS_BYTES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end, as the kernel vouches for."""

    pid: int
    uid: int
    gid: int
    role: Role


class Later:
    """An answer that is not known yet. Its client waits, the others do not."""

    def __init__(self) -> None:
        self._answer: ControlAnswer | None = None
        self._then: Callable[[ControlAnswer], object] | None = None

    def settle(self, answer: ControlAnswer) -> None:
        """Now it is known."""
        self._answer = answer
        if self._then is not None:
            self._then(answer)

    def then(self, then: Callable[[ControlAnswer], object]) -> None:
        """Called with the answer, at once if it is known."""
        self._then = then
        if self._answer is not None:
            then(self._answer)


Answerer = Callable[[ControlRequest, Peer], "ControlAnswer | Later"]
#: The role of a user with all its groups.
Roles = Callable[[int, Collection[int]], Role]


@dataclass(slots=True, kw_only=True, eq=False)
class _Client:
    connection: socket.socket
    peer: Peer
    drop_at: float
    unread: bytes = b""
    unsent: bytes = b""
    #: An answer of it is not known yet.
    is_waiting: bool = False


class ControlServer:
    """Serves one listening socket inside the supervisor's select loop."""

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        *,
        answer: Answerer,
        role_of: Roles,
    ) -> None:
        self._listener = listener
        self._selector = selector
        self._answer = answer
        self._role_of = role_of
        self._clients: set[_Client] = set()

    def open(self) -> None:
        """Begins to accept."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, lambda _: self._accept())

    def close(self) -> None:
        """Drops every client and stops accepting; what is unsent gets one last try."""
        for client in list(self._clients):
            self._drop(client)
        with contextlib.suppress(KeyError):
            self._selector.unregister(self._listener)

    def next_drop_at(self) -> float | None:
        """When the next silent client is due (CLOCK_MONOTONIC)."""
        return min((client.drop_at for client in self._clients), default=None)

    def drop_silent(self, now: float) -> None:
        """Drops those past their limit."""
        for client in [client for client in self._clients if now >= client.drop_at]:
            logger.info("control client pid %d was silent and is dropped", client.peer.pid)
            self._drop(client)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._clients) >= CLIENTS:
            connection.close()
            return
        connection.setblocking(False)
        client = _Client(
            connection=connection,
            peer=_peer_of(connection, self._role_of),
            drop_at=time.monotonic() + SILENCE_S,
        )
        self._clients.add(client)
        self._selector.register(connection, selectors.EVENT_READ, lambda events: self._serve(client, events))

    def _serve(self, client: _Client, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                self._read(client)
            if client in self._clients and client.unsent:
                self._send(client)
        except OSError:
            self._drop(client)

    def _read(self, client: _Client) -> None:
        chunk = client.connection.recv(65_536)
        if not chunk:
            self._drop(client)
            return
        client.drop_at = time.monotonic() + SILENCE_S
        client.unread += chunk
        self._answer_lines(client)
        if len(client.unread) > LINE_BYTES:
            self._drop(client)

    def _answer_lines(self, client: _Client) -> None:
        while b"\n" in client.unread and not client.is_waiting and len(client.unsent) < LINE_BYTES:
            line, _, client.unread = client.unread.partition(b"\n")
            answer = self._answered(line, client.peer)
            if isinstance(answer, Later):
                client.is_waiting, client.drop_at = True, time.monotonic() + LATER_S
                answer.then(partial(self._known, client))
            else:
                client.unsent += encode_answer(answer)

    def _known(self, client: _Client, answer: ControlAnswer) -> None:
        """An answer came later; a client that is gone does not get it."""
        if client not in self._clients:
            return
        client.is_waiting, client.drop_at = False, time.monotonic() + SILENCE_S
        client.unsent += encode_answer(answer)
        try:
            self._answer_lines(client)
            self._send(client)
        except OSError:
            self._drop(client)

    def _answered(self, line: bytes, peer: Peer) -> ControlAnswer | Later:
        try:
            return self._answer(decode_request(line), peer)
        except ProtocolError as error:
            return ControlAnswer(error=str(error))

    def _send(self, client: _Client) -> None:
        with contextlib.suppress(BlockingIOError):
            sent = client.connection.send(client.unsent)
            client.unsent = client.unsent[sent:]
            client.drop_at = time.monotonic() + SILENCE_S
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
        if self._selector.get_key(client.connection).events != wanted:
            self._selector.modify(client.connection, wanted, self._selector.get_key(client.connection).data)

    def _drop(self, client: _Client) -> None:
        self._clients.discard(client)
        with contextlib.suppress(OSError):
            if client.unsent:
                client.connection.send(client.unsent)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.connection)
        client.connection.close()


def _peer_of(connection: socket.socket, role_of: Roles) -> Peer:
    """The peer's credentials (unix(7), SO_PEERCRED) and its role."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, gid = struct.unpack("3i", raw)
    return Peer(pid=pid, uid=uid, gid=gid, role=role_of(uid, {gid, *_groups_of(connection)}))


def _groups_of(connection: socket.socket) -> list[int]:
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES)
    except OSError:
        return []
    return list(struct.unpack(f"{len(raw) // 4}i", raw))

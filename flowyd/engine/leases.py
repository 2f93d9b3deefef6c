"""Leases: how long the tasks of an answer with several activity tasks may be begun.

A worker sends the answer of each task over the connection that the tasks came by, before it begins the next,
and begins none once the lease is over. So at that time, when all that has come over the connection was
carried out, at most the first task without an answer has been begun; the rest waits behind it in vain. It is
offered again, and another worker gets it, though the one that has it may hang.

The end of a lease is a time of CLOCK_MONOTONIC, which is the same for all processes of a machine, and what
was sent before it must have arrived: so only callers on a unix socket get several activity tasks at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flowyd.engine.calls import Call
from flowyd.engine.connection import Connection
from flowyd.swf.actions import BEGIN_BEFORE, LEASE_S

#: How soon a connection is looked at again over which something still comes, seconds.
_AGAIN_S = 0.005


class Leases:
    """The lease of each connection over which several activity tasks were handed out last."""

    def __init__(self, loop: asyncio.AbstractEventLoop, offer_rest: Callable[[Call], None]) -> None:
        """`offer_rest`: offers again what the caller of a poll has not begun."""
        self._loop = loop
        self._offer_rest = offer_rest
        #: In the order of their ends.
        self._leases: dict[Connection, tuple[float, Call]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, connection: Connection, call: Call, answer: bytes) -> bytes:
        """The poll's answer, which says when the lease of its tasks is over."""
        ends_at = round(self._loop.time() + LEASE_S, 6)
        self._leases.pop(connection, None)
        self._leases[connection] = ends_at, call
        if self._timer is None:
            self._look_in(LEASE_S)
        return b'%b,"%b":%.6f}' % (answer[:-1], BEGIN_BEFORE.encode(), ends_at)

    def end(self, connection: Connection) -> None:
        """The caller has begun all, or is gone, or nobody knows; what is left is given back by it or for it.

        Who was refused an answer goes on with the next task, though the one before may be open still.
        """
        self._leases.pop(connection, None)

    def _look_in(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        over = [(connection, call) for connection, (ends_at, call) in self._leases.items() if ends_at < now]
        drained = [(connection, call) for connection, call in over if connection.is_drained]
        for connection, _ in drained:
            del self._leases[connection]
        if self._leases:
            first_end, _ = next(iter(self._leases.values()))
            self._look_in(max(0.0, first_end - now) + _AGAIN_S)
        for _, call in drained:
            self._offer_rest(call)

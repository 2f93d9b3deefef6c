"""The engine's server: turns, waiting polls, who may connect.

Theory: each connection has one request under way, or a few without result that came together; what else it
pipelines waits behind, so one connection cannot crowd out others. The requests that have come in when the
loop comes round form one turn of the service, the first so many of them if they are many, so that deadlines
are looked at between; their answers are written after it. A poll that finds no task stays with the service
and is answered by a later turn, and so does a call that waits for an end. If its connection ends meanwhile,
it is withdrawn; if a task was handed out on a connection that breaks before anything more came over it, the
service offers that task again.
Clean end of stream means the peer read its answer; a reset or a failed write means it did not.
No client can hurt another: connections, head and body sizes, time to send a request and time to read an
answer are limited; at the limit of connections the one that has been idle longest is closed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from flowyd.engine.acknowledging import Acknowledging
from flowyd.engine.calls import EMPTY_ANSWERS, Answered, Call
from flowyd.engine.connection import Connection, Gate
from flowyd.engine.cutting_off import cut_off
from flowyd.engine.gauges import MOST_TASK_LISTS
from flowyd.engine.http import HttpRequest, ResponseWriter
from flowyd.engine.incoming import call_of
from flowyd.engine.leases import Leases
from flowyd.engine.metrics import CONTENT_TYPE, Gauge, Metrics
from flowyd.engine.tls import Handshake, Handshakes
from flowyd.swf import limits
from flowyd.swf.actions import POLLS
from flowyd.swf.faults import (
    AccessDeniedException,
    InternalFailure,
    SwfFault,
    UnknownOperationException,
    ValidationException,
)

logger = logging.getLogger(__name__)

#: How often connections are looked over (`cutting_off`), seconds.
_SWEEP_S = 1.0
#: New connections taken in one round of the loop.
_ACCEPTED_PER_ROUND = 64
#: Requests of one turn at most; the others are in the next.
MOST_CALLS_PER_TURN = 256


class TurnTaker(Protocol):
    """The service, as the server sees it."""

    #: How long the last turn's commit took, seconds; None: it had nothing to write.
    commit_s: float | None
    #: Why nothing can be written just now; empty: it can.
    trouble: str

    #: Whether the next turn could begin already.
    more_waits: Callable[[], bool]

    def turn(self, calls: Sequence[Call]) -> list[Answered]: ...
    def fileno(self) -> int | None: ...
    def durable(self, *, wait: bool = False) -> list[Answered]: ...
    def next_wake_at(self) -> float | None: ...
    def withdraw(self, call: Call) -> bool: ...
    def offer_again(self, call: Call) -> None: ...
    def offer_rest(self, call: Call) -> None: ...


class Server:
    """All connections of one engine and the turns of its service."""

    def __init__(
        self,
        service: TurnTaker,
        *,
        now: Callable[[], float],
        metrics: Metrics,
        most_connections: int,
        soon: Callable[[Callable[[], object]], object] | None = None,
        more_waits: Callable[[], bool] | None = None,
    ) -> None:
        """One engine's server.

        Args:
            soon: calls when what has come in at the same time was taken; None: the loop's `call_soon`.
            more_waits: whether something has come in that the loop has not seen yet; None: nobody knows.
        """
        self._service = service
        #: The clock of the service's wake-up times.
        self._now = now
        self._metrics = metrics
        self._most_connections = most_connections
        self._more_waits = more_waits
        #: What tells that turns are durable; None: it is not watched.
        self._watched: int | None = None
        self._loop = asyncio.get_running_loop()
        self._soon = soon or self._loop.call_soon
        self._responses = ResponseWriter()
        self._connections: dict[Connection, None] = {}
        self._ready: list[Call] = []
        self._callers: dict[Call, Connection] = {}
        self._acknowledging = Acknowledging(self._loop)
        self._leases = Leases(self._loop, self._offer_rest)
        self._turn_is_due = False
        #: The turn at the next deadline, and that deadline by the clock of the service.
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = 0.0
        self._listeners: list[asyncio.Server] = []
        self._handshakes = Handshakes()
        self._sweep: asyncio.TimerHandle | None = None
        #: What is wrong with the service itself, from the last turn that failed to the next that did not.
        self._failure = ""
        metrics.add_gauges(self._gauges)

    async def listen(
        self, listening: socket.socket, gate: Gate | None, tls: ssl.SSLContext | None = None
    ) -> None:
        """Serves a listening socket; without a gate everybody who can connect may call."""

        def connection() -> Connection:
            return Connection(self, gate)

        def accepted() -> asyncio.Protocol:
            return connection() if tls is None else Handshake(self._handshakes, tls, connection)

        listener = await self._loop.create_server(accepted, sock=listening, backlog=_ACCEPTED_PER_ROUND)
        # asyncio accepts as many at once as it is told to let wait; more may wait than that.
        listening.listen(socket.SOMAXCONN)
        self._listeners.append(listener)
        if self._sweep is None:
            self._look_over()
        self.arm()

    async def stop(self) -> None:
        """Takes no more requests, answers waiting polls as empty, and closes.

        Who waits for the end of an execution gets no answer, and can ask the next engine.
        """
        for listener in self._listeners:
            listener.close()
        for timer in (self._wake, self._sweep):
            if timer is not None:
                timer.cancel()
        self._handshakes.give_up()
        # An answer lets the next request of its connection begin.
        self._answer(self._service.durable(wait=True))
        while self._ready:
            self._take_turn()
            self._answer(self._service.durable(wait=True))
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
        for call, connection in list(self._callers.items()):
            self._service.withdraw(call)
            if call.action in EMPTY_ANSWERS:
                connection.answer(call, EMPTY_ANSWERS[call.action])
        self._callers.clear()
        for connection in list(self._connections):
            connection.close()
        # Buffered answers leave in the next rounds of the loop; a peer that does not read is not waited for.
        deadline = self._loop.time() + 1.0
        while self._connections and self._loop.time() < deadline:
            await asyncio.sleep(0.01)

    def arm(self) -> None:
        """Sees to a turn at the service's next deadline."""
        wake_at = self._service.next_wake_at()
        if wake_at is None:
            return
        if self._wake is not None:
            # One that comes too early makes a turn with nothing to do, which arms it anew.
            if self._wake_at <= wake_at:
                return
            self._wake.cancel()
        self._wake_at = wake_at
        self._wake = self._loop.call_later(max(0.0, wake_at - self._now()), self._wake_up)

    def _wake_up(self) -> None:
        self._wake = None
        self._turn_soon()

    def enter(self, connection: Connection) -> None:
        """A new connection; at the limit the one that has been idle longest makes room.

        Before one that has a task in hand, perhaps, which would go to others, too.
        """
        self._connections[connection] = None
        self._acknowledging.enter(connection)
        logger.debug("Connection from %s", connection.peer, extra={"action": "connect"})
        if len(self._connections) > self._most_connections:
            idle = min(
                (other for other in self._connections if other.is_idle and other is not connection),
                key=lambda other: (other.has_unread_task, other.changed_at),
                default=connection,
            )
            idle.abort()

    def leave(self, connection: Connection, calls: Iterable[Call]) -> None:
        """A connection is gone; `calls` are its requests under way."""
        self._connections.pop(connection, None)
        self._acknowledging.leave(connection)
        self._leases.end(connection)
        for call in calls:
            poll = call.next_poll
            self.withdraw(call)
            for unread in (call, poll):
                if unread is not None:
                    self._callers.pop(unread, None)

    def withdraw(self, call: Call) -> bool:
        """Takes back what may wait, the call or the poll behind it; all else is still carried out.

        False: there is no such thing, or its answer is on its way.
        """
        waiting = call.next_poll or call
        if not waiting.may_wait or waiting not in self._callers:
            return False
        if call not in self._ready:
            if not self._service.withdraw(waiting):
                return False
        elif waiting is call:
            self._ready.remove(call)
        self._callers.pop(waiting, None)
        call.next_poll = None
        return True

    def offer_again(self, call: Call) -> None:
        """The answer to a poll was not read."""
        self._service.offer_again(call)
        self._turn_soon()

    def lease(self, connection: Connection, call: Call, result: bytes) -> bytes:
        """The answer to a poll with several activity tasks, which says how long they may be begun."""
        return self._leases.begin(connection, call, result)

    def _offer_rest(self, call: Call) -> None:
        """The lease of a poll's tasks is over."""
        self._service.offer_rest(call)
        self._turn_soon()

    def acknowledge_soon(self, connection: Connection) -> None:
        """A call of this connection was carried out, which the poll behind it may tell."""
        self._acknowledging.soon(connection)

    def take(self, connection: Connection, request: HttpRequest, gate: Gate | None) -> Call | None:
        """Starts on a request; None if it is answered already."""
        action = request.action
        try:
            if action is None or request.method != "POST" or request.target != b"/":
                connection.write(self._aside(connection, request))
                return None
            if request.is_too_large:
                raise ValidationException(f"A request must not be larger than {limits.REQUEST_BYTES} bytes")
            if gate is not None:
                gate.admit(request, action)
            call = call_of(action, request, connection if gate is None else None)
        except SwfFault as fault:
            self._leases.end(connection)
            connection.write(self.response(action or "", fault, request))
            return None
        self._callers[call] = connection
        if call.next_poll is not None:
            self._callers[call.next_poll] = connection
        if action in POLLS or call.next_poll is not None:
            self._leases.end(connection)
        self._ready.append(call)
        self._turn_soon()
        return call

    def response(self, action: str, result: bytes | SwfFault, request: HttpRequest) -> bytes:
        """The whole HTTP answer for what an operation gave."""
        if isinstance(result, SwfFault):
            self._metrics.count_request(action, result.name)
            status = result.status
            body = json.dumps({"__type": result.wire_type, "message": result.message}).encode()
        else:
            self._metrics.count_request(action, "")
            status, body = 200, result
        return self._responses.response(
            status=status, content_type=request.answer_type, body=body, keep_alive=request.keep_alive
        )

    def _aside(self, connection: Connection, request: HttpRequest) -> bytes:
        """What is no SWF operation: health, metrics, or a mistake."""
        if request.method == "GET" and request.target == b"/health":
            wrong = self._service.trouble or self._failure
            text = f"{wrong or 'ok'}\n".encode()
            return self._plain(request, 500 if wrong else 200, "text/plain; charset=utf-8", text)
        if request.method == "GET" and request.target == b"/metrics":
            if not connection.is_local:
                fault = AccessDeniedException("Metrics are shown to this machine only")
                return self.response("", fault, request)
            text = self._metrics.text()
            # Its gauges may have made turns durable.
            self._answer(self._service.durable())
            return self._plain(request, 200, CONTENT_TYPE, text)
        named = (request.header(b"x-amz-target") or b"").decode("latin-1")
        return self.response("", UnknownOperationException(f"Unknown operation: {named}"), request)

    def _plain(self, request: HttpRequest, status: int, content_type: str, body: bytes) -> bytes:
        return self._responses.response(
            status=status, content_type=content_type, body=body, keep_alive=request.keep_alive
        )

    def _turn_soon(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            self._soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn_is_due = False
        calls, self._ready = self._ready, []
        if len(calls) > MOST_CALLS_PER_TURN:
            calls, self._ready = calls[:MOST_CALLS_PER_TURN], calls[MOST_CALLS_PER_TURN:]
        began_at = time.monotonic()
        try:
            answers = self._service.turn(calls)
            failed = [each for each in answers if isinstance(each.result, InternalFailure)]
            self._failure = f"{len(failed)} requests of the last turn failed" if failed else ""
        except Exception:
            # A bug or a broken store: nothing of this turn is promised to anybody, the next one may work.
            logger.exception("A turn of %d requests failed", len(calls), extra={"action": "turn"})
            self._failure = "the last turn failed"
            answers = [Answered(call=call, result=InternalFailure("Internal failure")) for call in calls]
        self._metrics.turns.count(time.monotonic() - began_at)
        if self._service.commit_s is not None:
            self._metrics.commits.count(self._service.commit_s)
        self._answer(answers)
        if self._ready:
            self._turn_soon()
        if self._watched is None and self._more_waits is not None:
            self._watch(self._more_waits)
        self.arm()

    def _watch(self, more_waits: Callable[[], bool]) -> None:
        """From now on turns may overlap with the writing of those before, if they can at all."""
        self._watched = self._service.fileno()
        if self._watched is not None:
            self._loop.add_reader(self._watched, self._look_at_durable)
            self._service.more_waits = more_waits

    def _look_at_durable(self) -> None:
        self._answer(self._service.durable())
        if self._service.commit_s is not None:
            self._metrics.commits.count(self._service.commit_s)
        self.arm()

    def _answer(self, answers: Sequence[Answered]) -> None:
        polled: list[str] = []
        for answered in answers:
            call, result = answered.call, answered.result
            connection = self._callers.pop(call, None)
            if call.next_poll is not None:
                self._note_answer_before_poll(call.action, result, call.next_poll)
            if connection is not None:
                if isinstance(result, SwfFault):
                    self._leases.end(connection)
                connection.answer(call, result)
                if call.action in POLLS:
                    polled.append(connection.peer)
            elif call.action in POLLS and not isinstance(result, SwfFault):
                # Its connection ended while the answer was held.
                self.offer_again(call)
        # Who has a task on one connection shall not wait for another; the calls of this turn came after it.
        self._acknowledging.now(polled)

    def _note_answer_before_poll(self, action: str, result: bytes | SwfFault, poll: Call) -> None:
        if isinstance(result, SwfFault):
            self._callers.pop(poll, None)
        else:
            self._metrics.count_request(action, "")

    def _look_over(self) -> None:
        cut_off(list(self._connections), now=self._loop.time())
        self._sweep = self._loop.call_later(_SWEEP_S, self._look_over)

    def _gauges(self) -> list[Gauge]:
        waiting: Counter[tuple[str, ...]] = Counter(
            (call.request["domain"], call.action, call.request["taskList"]["name"])
            for call in self._callers
            if call.action in POLLS
        )
        pollers = {labels: float(count) for labels, count in waiting.most_common(MOST_TASK_LISTS)}
        connections: dict[tuple[str, ...], float] = {(): float(len(self._connections))}
        return [
            ("connections", "Open connections", (), connections),
            ("handshakes", "TLS handshakes under way", (), {(): float(len(self._handshakes))}),
            ("waiting_polls", "Polls without a task yet", ("domain", "action", "task_list"), pollers),
        ]

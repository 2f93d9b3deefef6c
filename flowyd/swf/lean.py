"""The client for a local engine: SWF's JSON over a unix socket or loopback TCP, without boto3.

Connections are kept and used again. Whether a request may be sent a second time when its connection breaks:

- before anything was sent (the peer had closed the kept connection, or sending failed at once): always, on a
  new connection. An engine that is restarted under the supervisor's listening socket lets the caller wait in
  the backlog, so this is how a restart looks to most callers.
- after it was sent, without an answer: only reads, polls and heartbeats, which do no harm twice. For all
  others `UnreachableError` says that the request may have been carried out; SWF's own faults
  (already started, unknown task) tell a caller who asks again.

An operation without result can take the next poll with it, in one message: the engine begins the poll when
the operation was carried out, and says so before the poll's answer or with it (`LeanClient.call_and_poll`).

A poll carries an id, the same each time it is sent until its answer has been read: the engine answers it with
the task that it was answered with before, so a task handed out by an engine that then died is not lost.

Requests are unsigned: use it towards an engine that admits its callers by the socket's mode, or that was
started with --any-credentials.
"""

from __future__ import annotations

import itertools
import os
import select
from collections.abc import Sequence
from typing import Any

import msgspec

from flowyd.errors import FlowydError
from flowyd.swf import limits
from flowyd.swf.actions import POLLS, READS, TARGET_PREFIX
from flowyd.swf.client import Answer, Readable, Request
from flowyd.swf.lean_answers import PendingAnswer, answer_of, fault_of, refusal_of, unreachable
from flowyd.swf.lean_connection import (
    Broken,
    Connection,
    Response,
    address_of,
    connect,
)
from flowyd.swf.lean_stream import AnswerStream

#: How often a request that does no harm twice is sent before giving up.
_MOST_ATTEMPTS = 3
_HARMLESS_TWICE = READS | POLLS | {"RecordActivityTaskHeartbeat"}

#: What a poll comes to whose connection the engine ended.
_NO_TASK: Answer = {"startedEventId": 0}

_encode = msgspec.json.Encoder().encode


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
        self._address = address_of(endpoint)
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        #: How requests begin, by action.
        self._heads: dict[str, bytes] = {}
        #: Connections without a request under way.
        self._kept: list[Connection] = []
        #: That of the call that is under way, and whether calls have been broken off.
        self._current: Connection | None = None
        self._is_broken_off = False
        #: Ids of polls: no other client has the first part, no other poll of this one the second.
        self._name = os.urandom(8).hex()
        self._polls = itertools.count(1)

    def new_poll_id(self) -> str:
        """An id that no poll has."""
        return f"{self._name}-{next(self._polls)}"

    def call(self, action: str, request: Request) -> Answer:
        """See `SwfClient.call`."""
        headers = _poll_header(self.new_poll_id()) if action in POLLS else b""
        message = self._message(action, request, headers)
        return answer_of(self._exchange(message, action, harmless_twice=action in _HARMLESS_TWICE))

    def metrics(self) -> str:
        """The engine's metrics in Prometheus's text format; it shows them to its own machine only.

        Raises:
            SwfFault: it refuses, or what listens knows no metrics.
            UnreachableError, ProtocolError: as `SwfClient.call`.
        """
        message = f"GET /metrics HTTP/1.1\r\nHost: {self._address.host}\r\n\r\n".encode()
        response = self._exchange(message, "GET /metrics", harmless_twice=True)
        if response.status != 200:
            raise fault_of(response)
        return response.body.decode("utf-8", "replace")

    def _exchange(self, message: bytes, action: str, *, harmless_twice: bool) -> Response:
        """Sends the message, again where that does no harm, and reads what answers it."""
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            connection = self._current = self._connection()
            try:
                if self._is_broken_off:
                    raise Broken(was_sent=False, why="it was broken off")
                connection.send(message)
                response = connection.receive()
            except Broken as error:
                connection.close()
                may_repeat = not self._is_broken_off and (not error.was_sent or harmless_twice)
                if not may_repeat or attempt == _MOST_ATTEMPTS:
                    raise unreachable(action, self.endpoint, error) from error
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
                broken = Broken(was_sent=True, why=f"waited for {self._read_timeout_s:g} s")
                raise unreachable(action, self.endpoint, broken)
            if pending not in readable:
                pending.withdraw()
            answer = pending.finish()
            if answer is None or pending.was_read:
                return answer
        return answer

    def begin_poll(
        self, action: str, request: Request, poll_id: str | None = None, *, most_tasks: int = 1
    ) -> PendingAnswer:
        """Sends a poll and returns at once; wait for it with select, together with others.

        Args:
            poll_id: that of a poll of this action and task list whose answer was not read, to repeat it.
            most_tasks: so many tasks are taken at once: more than one are in a list, `tasks`. Answers of
                several activity tasks go through `PendingAnswer.stream`.

        Raises:
            UnreachableError: nobody listens.
        """
        headers = _poll_header(poll_id or self.new_poll_id())
        if most_tasks > 1:
            headers += b"X-Flowyd-Tasks: %d\r\n" % most_tasks
        return self._begin(self._message(action, request, headers), action, if_ended=_NO_TASK)

    def call_and_poll(
        self,
        action: str,
        request: Request,
        poll_action: str,
        poll_request: Request,
        poll_id: str,
        *,
        before: Sequence[Request] = (),
        stream: AnswerStream | None = None,
        most_tasks: int = 1,
    ) -> PendingAnswer:
        """Calls an operation without result and begins the next poll, in one message.

        The poll is begun if the call was no fault: `PendingAnswer.carried_out` tells, and comes first.

        Args:
            before: further calls of the operation, carried out before it; `PendingAnswer.before` tells.
            stream: answers that were sent ahead, on whose connection this goes; they are the first in
                `PendingAnswer.before`.
            most_tasks: see `begin_poll`.

        Raises:
            UnreachableError: nobody listens; no call was carried out, but perhaps what was sent ahead.
        """
        next_poll: dict[str, Any] = {"action": poll_action, "request": poll_request}
        if most_tasks > 1:
            next_poll["tasks"] = most_tasks
        # JSON may hold this character as it is, a header may not.
        named = _encode(next_poll).replace(b"\x7f", b"\\u007f")
        headers = b"%bX-Flowyd-Next-Poll: %b\r\n" % (_poll_header(poll_id), named)
        message = self._message(action, request, headers)
        if before:
            message = b"".join([self._message(action, each, b"") for each in before]) + message
        return self._begin(
            message, poll_action, if_ended=_NO_TASK, sent_with=action, calls_before=len(before), stream=stream
        )

    def send_ahead(self, stream: AnswerStream, action: str, request: Request) -> None:
        """Calls an operation without result and does not wait; `call_and_poll` or `call_all` tells of it."""
        stream.send(self._message(action, request, b""))

    def call_all(
        self, action: str, requests: Sequence[Request], *, stream: AnswerStream | None = None
    ) -> list[FlowydError | None]:
        """Calls an operation without result several times, in one message.

        Args:
            stream: answers that were sent ahead, on whose connection this goes; they are the first in the
                list.

        Returns:
            for each call, as far as it is known, why it was refused; None: it was carried out. Those that
            the list lacks may have been carried out.
        """
        return self._call_all(action, requests, stream=stream)

    def give_back(self, poll_id: str, requests: Sequence[Request]) -> list[FlowydError | None]:
        """Gives activity tasks back that were not begun, to be offered again, in one message.

        An engine that does not know of it fails them.

        Args:
            poll_id: that of the poll that gave them; the engine leaves alone what another one has meanwhile.
            requests: for each task what RespondActivityTaskFailed takes.

        Returns:
            as `call_all`.

        Raises:
            UnreachableError: nobody listens.
        """
        headers = b"X-Flowyd-Not-Begun: %b\r\n" % poll_id.encode()
        return self._call_all("RespondActivityTaskFailed", requests, headers=headers)

    def _call_all(
        self,
        action: str,
        requests: Sequence[Request],
        *,
        headers: bytes = b"",
        stream: AnswerStream | None = None,
    ) -> list[FlowydError | None]:
        outcomes: list[FlowydError | None] = []
        response: Response | None = None
        connection = self._connection() if stream is None else stream.connection
        try:
            connection.send(b"".join([self._message(action, each, headers) for each in requests]))
            for _ in range(len(requests) + (stream.sent if stream is not None else 0)):
                response = connection.receive()
                outcomes.append(refusal_of(response))
        except Broken:
            connection.close()
            return outcomes
        self._keep(connection, response)
        return outcomes

    def begin_wait(self, request: Request) -> PendingAnswer:
        """Sends DescribeWorkflowExecution, to be answered when the execution closes, and returns at once.

        An engine that knows of it answers in the turn of the close, or after as long as a poll waits; any
        other SWF service at once. Wait for it with select, together with others.

        Raises:
            UnreachableError: nobody listens.
        """
        action = "DescribeWorkflowExecution"
        message = self._message(action, request, b"X-Flowyd-Wait: closed\r\n")
        return self._begin(message, action, if_ended=None)

    def _begin(
        self,
        message: bytes,
        action: str,
        *,
        if_ended: Answer | None,
        sent_with: str = "",
        calls_before: int = 0,
        stream: AnswerStream | None = None,
    ) -> PendingAnswer:
        """Sends the message; once more where nothing of it, or not all, had left."""
        for _ in range(_MOST_ATTEMPTS):
            connection = self._connection() if stream is None else stream.connection
            try:
                connection.send(message)
            except Broken as error:
                connection.close()
                last = error
                if stream is not None:
                    break
                continue
            return PendingAnswer(
                action=action,
                endpoint=self.endpoint,
                connection=connection,
                keep=self._keep,
                if_ended=if_ended,
                sent_with=sent_with,
                calls_before=calls_before + (stream.sent if stream is not None else 0),
            )
        raise unreachable(sent_with or action, self.endpoint, last) from last

    def break_off(self) -> None:
        """From any thread: ends the call that is under way, and all that follow, with UnreachableError."""
        self._is_broken_off = True
        if self._current is not None:
            self._current.shut()

    def close(self) -> None:
        """See `SwfClient.close`; what was begun and is not finished keeps its connection."""
        while self._kept:
            self._kept.pop().close()

    def _message(self, action: str, request: Request, headers: bytes) -> bytes:
        body = _encode(request)
        head = self._heads.get(action) or self._head(action)
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, headers, len(body), body)

    def _head(self, action: str) -> bytes:
        """What all requests of the action begin with."""
        head = (
            f"POST / HTTP/1.1\r\nHost: {self._address.host}\r\nContent-Type: application/x-amz-json-1.0\r\n"
            f"X-Amz-Target: {TARGET_PREFIX}{action}\r\n"
        )
        self._heads[action] = encoded = head.encode()
        return encoded

    def _connection(self) -> Connection:
        """A kept connection that still stands, or a new one."""
        while self._kept:
            connection = self._kept.pop()
            if connection.stands():
                return connection
            connection.close()
        return connect(
            self._address, connect_timeout_s=self._connect_timeout_s, read_timeout_s=self._read_timeout_s
        )

    def _keep(self, connection: Connection, response: Response | None) -> None:
        """Keeps the connection; `response`: what came over it last."""
        if response is None or response.keep_alive:
            self._kept.append(connection)
        else:
            connection.close()


def _poll_header(poll_id: str) -> bytes:
    return b"X-Flowyd-Poll: %b\r\n" % poll_id.encode()

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
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from flowyd.errors import FlowydError, ProtocolError, UnreachableError
from flowyd.swf import limits
from flowyd.swf.actions import POLLS, READS, TARGET_PREFIX
from flowyd.swf.client import Answer, Readable, Request
from flowyd.swf.faults import SwfFault, fault_from_wire
from flowyd.swf.lean_connection import (
    CARRIED_OUT,
    Broken,
    Connection,
    Response,
    address_of,
    connect,
)

#: How often a request that does no harm twice is sent before giving up.
_MOST_ATTEMPTS = 3
_HARMLESS_TWICE = READS | POLLS | {"RecordActivityTaskHeartbeat"}

#: What a poll comes to whose connection the engine ended.
_NO_TASK: Answer = {"startedEventId": 0}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


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
                    raise _unreachable(action, self.endpoint, error) from error
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
                raise _unreachable(action, self.endpoint, broken)
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
            most_tasks: so many decision tasks are taken at once: more than one are in a list, `tasks`.

        Raises:
            UnreachableError: nobody listens.
        """
        headers = _poll_header(poll_id or self.new_poll_id())
        if most_tasks > 1:
            headers += f"X-Flowyd-Tasks: {most_tasks}\r\n"
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
        most_tasks: int = 1,
    ) -> PendingAnswer:
        """Calls an operation without result and begins the next poll, in one message.

        The poll is begun if the call was no fault: `PendingAnswer.carried_out` tells, and comes first.

        Args:
            before: further calls of the operation, carried out before it; `PendingAnswer.before` tells.
            most_tasks: see `begin_poll`.

        Raises:
            UnreachableError: nobody listens; no call was carried out.
        """
        next_poll: dict[str, Any] = {"action": poll_action, "request": poll_request}
        if most_tasks > 1:
            next_poll["tasks"] = most_tasks
        # JSON may hold this character as it is, a header may not.
        named = _encode(next_poll).replace(b"\x7f", b"\\u007f").decode()
        headers = f"{_poll_header(poll_id)}X-Flowyd-Next-Poll: {named}\r\n"
        message = self._message(action, request, headers)
        if before:
            message = b"".join([self._message(action, each, "") for each in before]) + message
        pending = self._begin(message, poll_action, if_ended=_NO_TASK, sent_with=action)
        pending.calls_before = len(before)
        return pending

    def call_all(self, action: str, requests: Sequence[Request]) -> list[FlowydError | None]:
        """Calls an operation without result several times, in one message.

        Returns:
            for each call, as far as it is known, why it was refused; None: it was carried out. Those that
            the list lacks may have been carried out.
        """
        outcomes: list[FlowydError | None] = []
        connection = self._connection()
        try:
            connection.send(b"".join([self._message(action, each, "") for each in requests]))
            for _ in requests:
                response = connection.receive()
                outcomes.append(_refusal(response))
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
        message = self._message(action, request, "X-Flowyd-Wait: closed\r\n")
        return self._begin(message, action, if_ended=None)

    def _begin(
        self, message: bytes, action: str, *, if_ended: Answer | None, sent_with: str = ""
    ) -> PendingAnswer:
        """Sends the message; once more where nothing of it, or not all, had left."""
        for _ in range(_MOST_ATTEMPTS):
            connection = self._connection()
            try:
                connection.send(message)
            except Broken as error:
                connection.close()
                last = error
                continue
            return PendingAnswer(
                action=action,
                endpoint=self.endpoint,
                connection=connection,
                keep=self._keep,
                if_ended=if_ended,
                sent_with=sent_with,
            )
        raise _unreachable(sent_with or action, self.endpoint, last) from last

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
        head = self._heads.get(action) or self._head(action)
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, headers.encode(), len(body), body)

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

    def _keep(self, connection: Connection, response: Response) -> None:
        if response.keep_alive:
            self._kept.append(connection)
        else:
            connection.close()


class PendingAnswer:
    """A poll or a wait that was sent; readable (fileno) when `finish` will not wait."""

    def __init__(
        self,
        *,
        action: str,
        connection: Connection,
        keep: Callable[[Connection, Response], None],
        endpoint: str,
        if_ended: Answer | None,
        sent_with: str,
    ) -> None:
        """See `finish`.

        Args:
            if_ended: what it comes to if the engine ends the connection, as it does when it restarts.
            sent_with: the operation before it in the same message; empty: none.
        """
        self._action = action
        self._sent_with = sent_with
        self._endpoint = endpoint
        self._connection = connection
        self._keep = keep
        self._if_ended = if_ended
        #: The answer, where it was received while another was waited for.
        self._response: Response | None = None
        self._is_withdrawn = False
        #: Whether the service's answer was read; if not, the same poll should be repeated under its id.
        self.was_read = False
        #: How many calls came before that in the message, and what became of each, once that is known.
        self.calls_before = 0
        self.before: list[FlowydError | None] = []

    def fileno(self) -> int:
        """The connection's file descriptor, for select."""
        return self._connection.fileno()

    @property
    def is_here(self) -> bool:
        """Whether the answer has been received already; `fileno` is not readable then."""
        return self._response is not None or self._connection.has_received

    def carried_out(self) -> bool:
        """Waits until the call that came with the poll was carried out; whether the poll was begun.

        It is not where the service does not know of polls that come with calls.

        Raises:
            SwfFault: the call was refused, and the poll was not begun.
            UnreachableError: the call may have been carried out; the poll is to be repeated under its id.
        """
        try:
            while len(self.before) < self.calls_before:
                self.before.append(_refusal(self._connection.receive()))
            response = self._connection.receive(or_interim=True)
        except Broken as error:
            self._connection.close()
            raise _unreachable(self._sent_with, self._endpoint, error) from error
        if response.status == CARRIED_OUT:
            return True
        if response.status == 200 and response.body:
            self._response = response
            return True
        self._keep(self._connection, response)
        _answer(response)
        return False

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
        try:
            response = self._response or self._connection.receive()
        except Broken as error:
            self._connection.close()
            if self._is_withdrawn:
                return None
            if error.timed_out:
                raise UnreachableError(f"{self._action} got no answer: {error}") from error
            return self._if_ended
        if self._is_withdrawn:
            self._connection.close()
        else:
            self._keep(self._connection, response)
        answer = _answer(response)
        self.was_read = True
        return answer


def _poll_header(poll_id: str) -> str:
    return f"X-Flowyd-Poll: {poll_id}\r\n"


def _unreachable(action: str, endpoint: str, error: Broken) -> UnreachableError:
    done = "it may have been carried out" if error.was_sent else "it was not carried out"
    return UnreachableError(f"{action} at {endpoint} got no answer ({error}); {done}. See the engine's log")


def _answer(response: Response) -> Answer:
    """The answer's JSON; a fault is raised."""
    members = _members(response)
    if response.status == 200:
        return members
    raise _fault(members)


def _refusal(response: Response) -> FlowydError | None:
    """Why a call without result was refused; None: it was carried out."""
    return None if response.status == 200 else _fault(_members(response))


def _members(response: Response) -> dict[str, Any]:
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

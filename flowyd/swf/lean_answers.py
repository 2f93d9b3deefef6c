"""What comes back to the client for a local engine: answers and faults, and polls and waits under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec

from flowyd.errors import FlowydError, ProtocolError, UnreachableError
from flowyd.swf.actions import BEGIN_BEFORE
from flowyd.swf.client import Answer
from flowyd.swf.faults import SwfFault, fault_from_wire
from flowyd.swf.lean_connection import CARRIED_OUT, Broken, Connection, Response
from flowyd.swf.lean_stream import AnswerStream

_decode = msgspec.json.Decoder().decode


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
        calls_before: int,
    ) -> None:
        """See `finish`.

        Args:
            if_ended: what it comes to if the engine ends the connection, as it does when it restarts.
            sent_with: the operation before it in the same message; empty: none.
            calls_before: further calls of that operation, before it.
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
        self._calls_before = calls_before
        #: For the answers of several activity tasks that came together.
        self.stream: AnswerStream | None = None
        #: What became of the calls before, as far as it is known: why one was refused.
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
            while len(self.before) < self._calls_before:
                self.before.append(refusal_of(self._connection.receive()))
            response = self._connection.receive(or_interim=True)
        except Broken as error:
            self._connection.close()
            raise unreachable(self._sent_with, self._endpoint, error) from error
        if response.status == CARRIED_OUT:
            return True
        if response.status == 200 and response.body:
            self._response = response
            return True
        self._keep(self._connection, response)
        answer_of(response)
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
        is_leased = False
        try:
            answer = answer_of(response)
            is_leased = BEGIN_BEFORE in answer
        finally:
            if self._is_withdrawn:
                self._connection.close()
            elif is_leased and response.keep_alive:
                self.stream = AnswerStream(self._connection)
            else:
                self._keep(self._connection, response)
        self.was_read = True
        return answer


def unreachable(action: str, endpoint: str, error: Broken) -> UnreachableError:
    """What a caller is told of a connection that broke under an operation."""
    done = "it may have been carried out" if error.was_sent else "it was not carried out"
    return UnreachableError(f"{action} at {endpoint} got no answer ({error}); {done}. See the engine's log")


def answer_of(response: Response) -> Answer:
    """The answer's JSON; a fault is raised."""
    members = _members(response)
    if response.status == 200:
        return members
    raise fault_of(response)


def refusal_of(response: Response) -> FlowydError | None:
    """Why a call without result was refused; None: it was carried out."""
    return None if response.status == 200 else fault_of(response)


def _members(response: Response) -> dict[str, Any]:
    body = response.body
    try:
        members: Any = _decode(body) if body else {}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(f"the answer is no JSON (status {response.status}): {error}") from error
    if not isinstance(members, dict):
        raise ProtocolError(f"the answer is no JSON object (status {response.status})")
    return cast("dict[str, Any]", members)


def fault_of(response: Response) -> SwfFault:
    """The fault that an answer says."""
    members = _members(response)
    return fault_from_wire(str(members.get("__type", "UnknownError")), str(members.get("message", "")))

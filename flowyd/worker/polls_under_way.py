"""What clients can do beyond one call at a time, as a worker's poller sees it (`flowyd.swf.lean`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowyd.errors import FlowydError
from flowyd.swf.client import Answer, Readable, Request
from flowyd.swf.lean_stream import AnswerStream
from flowyd.worker.ahead import Sender


class Pending(Readable, Protocol):
    """A poll under way; readable when `finish` will not wait."""

    #: Whether the answer was read; if not, the poll is repeated under its id.
    was_read: bool
    #: Whether the answer was received already; what is waited for is not readable then.
    is_here: bool
    #: For the answers of several activity tasks that came together.
    stream: AnswerStream | None

    def finish(self) -> Answer | None: ...

    def withdraw(self) -> None: ...


class PendingNext(Pending, Protocol):
    """A poll that was sent with the answer of a task, or of several."""

    #: What became of the answers but the last, as far as it is known: why one was refused.
    before: list[FlowydError | None]

    def carried_out(self) -> bool: ...


class ManyPolls(Protocol):
    """A client that can wait for several polls at once."""

    def new_poll_id(self) -> str: ...

    def begin_poll(self, action: str, request: Request, poll_id: str | None = None) -> Pending: ...


class PollingNext(Sender, Protocol):
    """A client that can answer tasks and poll for the next ones in the same message, several at once."""

    def begin_poll(
        self, action: str, request: Request, poll_id: str | None = None, *, most_tasks: int = 1
    ) -> Pending: ...

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
    ) -> PendingNext: ...

    def call_all(
        self, action: str, requests: Sequence[Request], *, stream: AnswerStream | None = None
    ) -> list[FlowydError | None]: ...

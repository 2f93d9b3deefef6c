"""Waiting for an execution to close, in whichever way the service allows.

SWF has no call for it. flowyd's own engine heeds a header on DescribeWorkflowExecution and answers when the
execution is closed (`LeanClient.begin_wait`). A service that does not know the header answers at once, and a
client that cannot send it asks plainly: there the execution is looked at, once in the time that the caller
gives. Callers need not know which it is.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from flowyd.errors import FlowydError, UnreachableError
from flowyd.swf.client import Answer, Readable, Request, SwfClient
from flowyd.swf.limits import POLL_READ_TIMEOUT_S

#: Whoever says "open" sooner than this does not wait; an engine that does waits for 0.1 s at least.
_HASTY_S = 0.05


class Pending(Readable, Protocol):
    """A request under way; readable when `finish` will not wait."""

    def finish(self) -> Answer | None: ...
    def give_up(self) -> None: ...


@runtime_checkable
class WaitingClient(Protocol):
    """A client that can tell the service what it waits for."""

    def begin_wait(self, request: Request) -> Pending: ...


class CloseWait:
    """The wait for the end of one execution; a request may stay under way from one method to the next."""

    def __init__(self, client: SwfClient, *, domain: str, execution: Mapping[str, str]) -> None:
        """`execution`: SWF's pair of ids. Not for use from two threads at once."""
        self._client = client
        self._request = {"domain": domain, "execution": dict(execution)}
        self._pending: Pending | None = None
        self._asked_at = 0.0
        self._closed: Answer | None = None

    def wait(self, within_s: float) -> Answer | None:
        """The description of the closed execution, at once when it closes; None if it is open after so long.

        Where the service does not tell, it is asked at the beginning, and the rest of the time is slept.

        Raises:
            SwfFault, UnreachableError, ProtocolError: as `SwfClient.call`.
        """
        ends_at = time.monotonic() + within_s
        if isinstance(self._client, WaitingClient):
            self._listen(self._client, ends_at)
        elif self._closed is None:
            self._note(self._client.call("DescribeWorkflowExecution", self._request))
        if self._closed is None:
            _sleep_until(ends_at)
        return self._closed

    def pause(self, within_s: float) -> None:
        """Sleeps so long, or less if the service tells that the execution closed meanwhile.

        For callers who look themselves: where the client cannot be told nothing is asked, and what is wrong
        is left to the next look.
        """
        ends_at = time.monotonic() + within_s
        was_closed = self._closed is not None
        if isinstance(self._client, WaitingClient):
            with contextlib.suppress(FlowydError):
                self._listen(self._client, ends_at)
        if was_closed or self._closed is None:
            _sleep_until(ends_at)

    def close(self) -> None:
        """Takes back what is under way."""
        if self._pending is not None:
            self._pending.give_up()
            self._pending = None

    def _listen(self, client: WaitingClient, ends_at: float) -> None:
        """Waits until the service tells, turns out not to, or the time is over."""
        while self._closed is None and (left_s := ends_at - time.monotonic()) > 0:
            if self._pending is None:
                self._pending, self._asked_at = client.begin_wait(self._request), time.monotonic()
            readable, _, _ = select.select([self._pending], [], [], left_s)
            asked_s = time.monotonic() - self._asked_at
            if readable:
                pending, self._pending = self._pending, None
                self._note(pending.finish())
                if asked_s < _HASTY_S:
                    break
            elif asked_s > POLL_READ_TIMEOUT_S:
                self.close()
                raise UnreachableError(f"DescribeWorkflowExecution got no answer within {asked_s:.0f} s")

    def _note(self, answer: Answer | None) -> None:
        if answer is not None and answer["executionInfo"]["executionStatus"] == "CLOSED":
            self._closed = answer


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))

"""Activity tasks that came together: what may still be begun, and the answers that are under way.

The engine takes those for not begun that follow the first one without an answer, once their lease is over
(`flowyd.engine.leases`). So the next may be begun only if the answers of all before it have left over the
connection they came by, and the lease is not over after that.
"""

from __future__ import annotations

from typing import Protocol

from flowyd.swf.actions import LEASE_S
from flowyd.swf.client import Request
from flowyd.swf.lean_stream import AnswerStream
from flowyd.worker.answers import SentAhead
from flowyd.worker.giving_back import GivingBack


class Sender(GivingBack, Protocol):
    """A client that can send answers ahead."""

    def send_ahead(self, stream: AnswerStream, action: str, request: Request) -> None: ...


class Ahead:
    """The tasks of one poll's answer."""

    def __init__(self, sender: Sender, stream: AnswerStream, begin_before: float) -> None:
        """`begin_before`: when the lease is over, seconds of CLOCK_MONOTONIC."""
        self._sender = sender
        self.stream = stream
        self._begin_before = begin_before
        self.sent: list[SentAhead] = []

    @property
    def handed_out_at(self) -> float:
        """When the tasks were handed out, seconds of CLOCK_MONOTONIC."""
        return self._begin_before - LEASE_S

    def send(self, answer: SentAhead) -> None:
        """Sends an answer."""
        self.sent.append(answer)
        self._sender.send_ahead(self.stream, answer.action, answer.request)

    def may_begin(self, number: int, now: float) -> bool:
        """Whether the task may be begun that so many came before; `now`: CLOCK_MONOTONIC just before it."""
        left_s = self._begin_before - now
        # More is left by no clock that the engine shares.
        return self.stream.is_whole and len(self.sent) == number and 0 < left_s <= LEASE_S

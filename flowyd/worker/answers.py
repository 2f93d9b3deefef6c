"""Answers on their way, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowyd.errors import FlowydError, UnreachableError
from flowyd.swf.client import Request, SwfClient
from flowyd.worker.calling import call_through, passing

#: Told for each answer why the service refused it, or UnreachableError; None: it was taken.
Settled = Callable[[Sequence[FlowydError | None]], object]

#: What is said of an answer that may not have been taken: it is to be sent again.
_UNKNOWN = UnreachableError("nothing is known of it")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentAhead:
    """An answer that left before the last one of its message."""

    action: str
    request: Request
    #: Told why it was not taken.
    refused: Callable[[FlowydError], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers that left together, behind those that were sent ahead."""

    action: str
    requests: Sequence[Request]
    ahead: Sequence[SentAhead]
    #: How long each may take to come through if it must be sent again, seconds.
    within_s: float
    settled: Settled

    def settle(self, client: SwfClient, known: Sequence[FlowydError | None]) -> None:
        """Sends again, alone, what may not have been taken, and tells what became of all.

        `known`: what is known of the first of them, those that were sent ahead before the others.
        """
        sent = [*((each.action, each.request) for each in self.ahead)]
        sent += [(self.action, request) for request in self.requests]
        outcomes: list[FlowydError | None] = []
        for number, (action, request) in enumerate(sent):
            outcome = known[number] if number < len(known) else _UNKNOWN
            if outcome is not None and passing(outcome):
                outcome = self._alone(client, action, request)
            outcomes.append(outcome)
        for each, outcome in zip(self.ahead, outcomes, strict=False):
            if outcome is not None:
                each.refused(outcome)
        self.settled(outcomes[len(self.ahead) :])

    def _alone(self, client: SwfClient, action: str, request: Request) -> FlowydError | None:
        try:
            call_through(client, action, request, within_s=self.within_s)
        except FlowydError as error:
            return error
        return None

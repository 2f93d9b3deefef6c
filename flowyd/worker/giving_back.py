"""Giving activity tasks back that were not begun, so that another worker may have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowyd.errors import FlowydError, UnreachableError
from flowyd.swf.client import Request
from flowyd.worker.calling import come_through, passing


class GivingBack(Protocol):
    """A client of a service that takes tasks back."""

    def give_back(self, poll_id: str, requests: Sequence[Request]) -> list[FlowydError | None]: ...


def give_back(
    client: GivingBack, poll_id: str, requests: Sequence[Request], *, within_s: float
) -> list[FlowydError | None]:
    """Gives tasks back, again those of which nothing is known or which may be taken a moment later.

    Args:
        poll_id: of the poll that gave them.
        requests: what fails each of them at a service that does not take it back.

    Returns:
        for each why it was refused; None: it was taken.

    Raises:
        SwfFault, UnreachableError: some of them were not taken within the time.
    """
    unknown = UnreachableError("the connection broke before all tasks were given back")
    outcomes: list[FlowydError | None] = [unknown] * len(requests)

    def attempt() -> None:
        left = [number for number, why in enumerate(outcomes) if why is not None and passing(why)]
        found = client.give_back(poll_id, [requests[number] for number in left])
        for number, outcome in zip(left, found, strict=False):
            outcomes[number] = outcome
        for why in outcomes:
            if why is not None and passing(why):
                raise why

    come_through(attempt, "giving back", within_s=within_s)
    return outcomes

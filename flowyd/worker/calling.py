"""Calls to the service that must come through: repeated while it is away, given up when it refuses."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from flowyd.errors import UnreachableError
from flowyd.swf.client import Answer, Request, SwfClient
from flowyd.swf.faults import InternalFailure, SwfFault, ThrottlingException

logger = logging.getLogger(__name__)

_Outcome = TypeVar("_Outcome")

#: Pauses between tries: from first, doubling, to longest; a restarted engine is back within the first few.
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0

#: Faults that say nothing about the request: the same one may be taken a moment later.
_PASSING = (ThrottlingException, InternalFailure)


class Pauses:
    """Growing pauses with jitter between the tries of one thing."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S

    def next_s(self) -> float:
        """The next pause."""
        pause = self._next_s * (0.5 + random.random())
        self._next_s = min(LONGEST_PAUSE_S, self._next_s * 2)
        return pause

    def reset(self) -> None:
        """It worked; the next pause is short again."""
        self._next_s = FIRST_PAUSE_S


def passing(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    return isinstance(error, UnreachableError | SwfFault) and (
        isinstance(error, (UnreachableError, *_PASSING)) or getattr(error, "name", "") in _THROTTLES
    )


#: Names that AWS also uses for "too fast".
_THROTTLES = frozenset({"Throttling", "RequestLimitExceeded", "ServiceUnavailable", "LimitExceededException"})


def call_through(
    client: SwfClient,
    action: str,
    request: Request,
    *,
    within_s: float,
    wait: Callable[[float], object] = time.sleep,
) -> Answer:
    """The service's answer, waiting out a service that is away, restarting or throttling.

    A repeated request may have been carried out the first time; the service then refuses the second as
    closed or unknown, which the caller must expect.

    Args:
        wait: sleeps so long; answers true to have it given up at once.

    Raises:
        SwfFault: the service refused.
        UnreachableError: it did not come back within the time.
    """
    return come_through(lambda: client.call(action, request), action, within_s=within_s, wait=wait)


def come_through(
    attempt: Callable[[], _Outcome],
    what: str,
    *,
    within_s: float,
    wait: Callable[[float], object] = time.sleep,
) -> _Outcome:
    """What the attempt comes to, repeated as `call_through` does.

    Raises:
        Exception: what the last attempt raised.
    """
    deadline = time.monotonic() + within_s
    pauses = Pauses()
    while True:
        try:
            return attempt()
        except (UnreachableError, SwfFault) as error:
            pause = pauses.next_s()
            if not passing(error) or time.monotonic() + pause >= deadline:
                raise
            logger.debug("%s again in %.2f s: %s", what, pause, error)
            if wait(pause):
                raise

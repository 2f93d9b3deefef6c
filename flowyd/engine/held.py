"""Turns that are over and not durable yet: their answers are held until they are.

While one turn is being written the next ones go on with what it left in memory, so they are durable in the
same order, and if one is lost all that follow are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from flowyd.engine.calls import Answered, Call
from flowyd.engine.polls import Poll


class HeldTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn, and what must be known of it if it is lost."""

    #: It is durable when so many commits are (`Store.durable`).
    commits: int
    calls: Sequence[Call]
    answered: Sequence[Answered]
    #: Polls that it took out of waiting.
    taken: Sequence[Poll]

    def told(self) -> list[Call]:
        """Calls of earlier turns that waited for an end, which this one told them."""
        of_this_turn = set(self.calls)
        told = [answered.call for answered in self.answered if answered.call.waits_for_close]
        return [call for call in told if call not in of_this_turn]


class HeldTurns:
    """Those that are held, the oldest first."""

    def __init__(self) -> None:
        self._turns: deque[HeldTurn] = deque()

    def add(self, turn: HeldTurn) -> None:
        """Holds a turn."""
        self._turns.append(turn)

    def release(self, durable: int) -> list[Answered]:
        """The answers of the turns that are durable now."""
        answered: list[Answered] = []
        while self._turns and self._turns[0].commits <= durable:
            answered += self._turns.popleft().answered
        return answered

    def lose(self) -> list[HeldTurn]:
        """Gives up all that are held."""
        lost = list(self._turns)
        self._turns.clear()
        return lost

    def __bool__(self) -> bool:
        return bool(self._turns)

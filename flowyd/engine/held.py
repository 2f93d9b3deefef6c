"""Turns that are over and not durable yet: their answers are held until they are, but for early ones.

While one turn is being written the next ones go on with what it left in memory, so they are durable in the
same order, and if one is lost all that follow are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

import msgspec

from flowyd.engine.calls import Answered, Call
from flowyd.engine.polls import Poll


class HeldTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn, and what must be known of it if it is lost."""

    #: It is durable when so many commits are (`Store.durable`).
    commits: int
    calls: Sequence[Call]
    answered: Sequence[Answered]
    #: Polls of those that are answered before it is durable.
    early: Collection[Call] = ()
    #: Polls that it took out of waiting.
    taken: Sequence[Poll]


class LostTurns(msgspec.Struct, frozen=True, kw_only=True):
    """Turns that will never be durable: what they did has not happened."""

    #: Calls that they answered, early or not.
    answered: Sequence[Call]
    #: Calls that nothing was sent for: their own, and those of earlier turns that were told of an end.
    unanswered: Sequence[Call]
    #: Polls that they took out of waiting and that nothing was sent for.
    taken: Sequence[Poll]


class HeldTurns:
    """Those that are held, the oldest first."""

    def __init__(self) -> None:
        self._turns: deque[HeldTurn] = deque()
        #: Answers that need not be held.
        self._early: list[Answered] = []

    def add(self, turn: HeldTurn) -> None:
        """Holds a turn."""
        self._turns.append(turn)
        if turn.early:
            self._early += [each for each in turn.answered if each.call in turn.early]

    def release(self, durable: int) -> list[Answered]:
        """Early answers, and those of the turns that are durable now."""
        answered, self._early = self._early, []
        while self._turns and self._turns[0].commits <= durable:
            turn = self._turns.popleft()
            if turn.early:
                answered += [each for each in turn.answered if each.call not in turn.early]
            else:
                answered += turn.answered
        return answered

    def lose(self) -> LostTurns:
        """Gives up all that are held."""
        turns, self._turns = self._turns, deque()
        early = {call for turn in turns for call in turn.early}
        answered = [each.call for turn in turns for each in turn.answered]
        calls = [call for turn in turns for call in turn.calls if call not in early]
        told = [call for call in answered if call.waits_for_close]
        taken = [poll for turn in turns for poll in turn.taken if poll.call not in early]
        return LostTurns(answered=answered, unanswered=list(dict.fromkeys([*calls, *told])), taken=taken)

    def __bool__(self) -> bool:
        return bool(self._turns)

"""Polls that wait for a task, in each task list first come, first served, and answered empty after a while.

A poll that came with an answer goes before all that wait: its worker has just become idle, and what it needs
is still in the processor's caches. In a chain, where all would take turns, that saves a tenth of all
processor time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from flowyd.engine.calls import Call
from flowyd.engine.writes import ListKey
from flowyd.swf.faults import LimitExceededFault

#: Callers that are remembered when their polls have ended: each worker is another one.
_REMEMBERED = 10_000


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A poll for a task."""

    call: Call
    key: ListKey
    #: When it is answered without a task.
    ends_at: float
    #: It came with a call that is durable when so many commits are (`Store.durable`); 0: it came alone.
    follows: int = 0


class WaitingPolls:
    """All polls that wait; each waits equally long, so the oldest one ends first."""

    def __init__(self, *, most_per_list: int) -> None:
        self._most_per_list = most_per_list
        self._polls: OrderedDict[Call, Poll] = OrderedDict()
        self._by_list: dict[ListKey, OrderedDict[Call, Poll]] = {}
        #: When the latest poll of a caller at a list ends, or would have ended if it had found nothing.
        self._latest_end: dict[tuple[ListKey, str], float] = {}

    def add(self, poll: Poll) -> None:
        """Lets a poll wait.

        Raises:
            LimitExceededFault: too many wait at this list.
        """
        waiting = self._by_list.setdefault(poll.key, OrderedDict())
        if len(waiting) >= self._most_per_list:
            raise LimitExceededFault("Limit on maximum concurrent poll requests per task list reached")
        self._polls[poll.call] = poll
        waiting[poll.call] = poll
        if poll.follows:
            waiting.move_to_end(poll.call, last=False)
        identity = poll.call.request.get("identity")
        if identity:
            if len(self._latest_end) >= _REMEMBERED:
                self._latest_end.clear()
            self._latest_end[poll.key, identity] = poll.ends_at

    def remove(self, call: Call) -> Poll | None:
        """Takes a poll away; None if it does not wait."""
        poll = self._polls.pop(call, None)
        if poll is not None:
            waiting = self._by_list[poll.key]
            del waiting[call]
            if not waiting:
                del self._by_list[poll.key]
        return poll

    def restore(self, polls: Sequence[Poll]) -> None:
        """Lets polls wait again that were taken away, before all others and in their old order."""
        for poll in reversed(polls):
            self._polls[poll.call] = poll
            self._polls.move_to_end(poll.call, last=False)
            waiting = self._by_list.setdefault(poll.key, OrderedDict())
            waiting[poll.call] = poll
            waiting.move_to_end(poll.call, last=False)

    def first(self, key: ListKey) -> Poll | None:
        """The poll that gets the next task of a list."""
        waiting = self._by_list.get(key)
        return next(iter(waiting.values())) if waiting else None

    def is_attended(self, key: ListKey, identity: str, *, ends_after: float) -> bool:
        """Whether a poll of this caller waits at a list, or one did that would end after this moment."""
        if self._latest_end.get((key, identity), 0.0) > ends_after:
            return True
        waiting = self._by_list.get(key)
        if waiting is None:
            return False
        return any(poll.call.request.get("identity") == identity for poll in waiting.values())

    def lists(self) -> list[ListKey]:
        """Lists at which somebody waits."""
        return list(self._by_list)

    def count(self, key: ListKey) -> int:
        """How many wait at a list."""
        return len(self._by_list.get(key, ()))

    def next_end(self) -> float | None:
        """When the next poll ends without a task."""
        return next(iter(self._polls.values())).ends_at if self._polls else None

    def take_ended(self, now: float) -> list[Poll]:
        """Removes the polls whose time is over, oldest first."""
        ended = []
        while self._polls:
            poll = next(iter(self._polls.values()))
            if poll.ends_at > now:
                break
            self.remove(poll.call)
            ended.append(poll)
        return ended

    def __len__(self) -> int:
        return len(self._polls)

"""Which completions of activities need the decider, where it has said what its code waits for.

Amazon SWF makes a decision task for every completion, and so does this service for a decider that says
nothing. flowyd's own says with its decision which activities its code waits for together: a fan-out and its
join then take two decisions. That is valid until the next decision is completed, and no part of the history:
without it there are more decisions, never fewer. (See flowyd.swf.actions.DECIDE_AFTER for how it is said.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Protocol


class _Activity(Protocol):
    """What is asked of an open activity."""

    #: 0 while it is only scheduled.
    started_event_id: int


class DecideAfter:
    """What a decision said of the completions after it."""

    __slots__ = ("_groups_of", "_is_met", "_missing", "_queued", "identity")

    def __init__(
        self, together: Iterable[Collection[int]], *, queued: int, identity: str | None = None
    ) -> None:
        """
        Args:
            together: groups of activities, by scheduled event id: the decider is needed once all of a group
                have completed.
            queued: it is needed, too, where fewer activities than this have not been started.
            identity: all this is the word of whoever polls under this name; None: of anybody.
        """
        self.identity = identity
        self._queued = queued
        self._groups_of: dict[int, list[int]] = defaultdict(list)
        self._missing: list[int] = []
        #: Whether all of a group have completed.
        self._is_met = False
        for number, group in enumerate(map(frozenset, together)):
            self._missing.append(len(group))
            self._is_met = self._is_met or not group
            for scheduled_event_id in group:
                self._groups_of[scheduled_event_id].append(number)

    def complete(self, scheduled_event_id: int) -> None:
        """Takes in a completion."""
        for number in self._groups_of.get(scheduled_event_id, ()):
            self._missing[number] -= 1
            self._is_met = self._is_met or not self._missing[number]

    def needs_decider(self, activities: Collection[_Activity]) -> bool:
        """Whether the decider is needed now, after a completion.

        `activities`: those that are open. Where there are none, nothing might come that tells of this one.
        """
        if self._is_met or not activities:
            return True
        return sum(not activity.started_event_id for activity in activities) < self._queued

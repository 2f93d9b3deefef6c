"""Where in the history the code stands: the order of what it has learned, and what follows from that.

Each time code gets to know a result it has learned of that result's event. The highest event id learned so
far dates the point where the code stands: the first decision that knew of this event is the one in which
the code first came here. From that follow, the same in every replay: whether the code is replaying, the
time, the length of the history, which errors were known, and where a cancel request is delivered (at the
first point where the code waits for something later than the request).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from flowyd.decider.index import HistoryIndex
from flowyd.decider.records import Target
from flowyd.decider.sources import calling_line
from flowyd.sdk.failures import CancelRequested
from flowyd.sdk.placeholder import ResultObject

Follow = Callable[[ResultObject[Any], "Callable[[], ResultObject[Any]] | None"], None]

#: How many waited-for calls the execution context lists.
_LISTED = 20


class OurFault(BaseException):
    """Raised through the author's code when flowyd itself fails in it: never the author's answer."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Progress:
    """How far one run of the code has come."""

    def __init__(self, index: HistoryIndex, *, wait: Callable[[], None], follow: Follow) -> None:
        """`wait` is called where the code can go no further, and returns when it goes on."""
        self._index = index
        self._wait = wait
        self._follow = follow
        self._order = 0
        #: Set when the cancel request was delivered.
        self.cancel_delivered = False
        #: What ended the run, whatever the code makes of it: nothing it does after that counts.
        self.ending: BaseException | None = None
        #: What the code waits for, whether for all of it, and its JSON.
        self.waiting_for: Sequence[ResultObject[Any]] = ()
        self.waits_for_all = False
        self.waiting = ""
        #: What the code has asked for, new or known, in program order.
        self.asked_for: list[Target] = []
        #: What it wants canceled: calls, whichever attempt of theirs is open, or all it had asked for.
        self._cancel_wishes: list[ResultObject[Any] | Target] = []

    def close(self) -> None:
        """The code is over, and asks nothing more."""
        self._follow = _follow_no_more
        self.waiting_for = ()
        self._cancel_wishes.clear()
        if self.ending is not None:
            self.ending.__traceback__ = None

    @property
    def order(self) -> int:
        """The highest event id the code has learned of."""
        return self._order

    @property
    def decision(self) -> int:
        """The started event id of the decision in which the code first got here."""
        return self._index.decision_after(self._order)

    @property
    def replaying(self) -> bool:
        """Whether that was an earlier decision."""
        return self.decision < self._index.started_id

    def cancel_precedes(self, order: int | None) -> bool:
        """Whether a cancel request that was not delivered yet came before this event (None: not yet)."""
        requested = self._index.cancel_requested_id
        return bool(requested) and not self.cancel_delivered and (order is None or requested < order)

    def follow(self, unfinished: ResultObject[Any], again: Callable[[], ResultObject[Any]] | None) -> None:
        """Has the object become what `again` answers (see Watcher)."""
        self._follow(unfinished, again)

    def learn(self, order: int) -> None:
        """The code learns of an event; raises CancelRequested if a cancel request came before it."""
        if self.ending is not None:
            raise self.ending
        if self._index.cancel_requested_id and self.cancel_precedes(order):
            self._deliver_cancel()
        if order > self._order:
            self._order = order

    def pass_by(self, order: int) -> None:
        """Flowyd, not the code, goes on after this event; a cancel request waits for the code to wait."""
        self._order = max(self._order, order)

    def answer_at(
        self, order: int, again: Callable[[], ResultObject[Any]], *, has_asked: bool
    ) -> ResultObject[Any]:
        """What `again` answers while the code stands where it made a call, and had learned no more than that.

        `has_asked`: what the call asks for has its place in `asked_for` already.
        """
        now, self._order = self._order, order
        asked_for = len(self.asked_for)
        try:
            return again()
        finally:
            self._order = now
            if has_asked:
                del self.asked_for[asked_for:]

    def suspend(self, waiting_for: Sequence[ResultObject[Any]], *, together: bool = False) -> None:
        """Waits here, for one of these or for all `together`, or delivers a cancel request instead."""
        self.check_running()
        if self.cancel_precedes(None):
            self._deliver_cancel()
        self.waiting_for = [result for result in waiting_for if result.order is None]
        self.waits_for_all = together
        self.waiting = _context(self.waiting_for)
        self._wait()
        self.check_running()

    def end(self, ending: BaseException) -> NoReturn:
        """Ends the run."""
        self.ending = ending
        raise ending

    def check_running(self) -> None:
        """Ends code again that goes on after its run has ended, as in a `finally` or a bare `except`."""
        if self.ending is not None:
            raise self.ending

    def cancel(self, target: ResultObject[Any]) -> None:
        """Notes the wish; whether there is something left to cancel is seen when the run is over or waits."""
        self.check_running()
        self._cancel_wishes.append(target)

    @property
    def cancel_wishes(self) -> list[Target]:
        """What the code wants canceled, by now, in the order of its wishes."""
        wishes = []
        for wish in self._cancel_wishes:
            if not isinstance(wish, ResultObject):
                wishes.append(wish)
            elif wish.order is None and wish.target is not None:
                wishes.append(wish.target)
        return wishes

    def _deliver_cancel(self) -> NoReturn:
        self.cancel_delivered = True
        self._cancel_wishes.extend(self.asked_for)
        self._order = max(self._order, self._index.cancel_requested_id)
        raise CancelRequested


def _follow_no_more(unfinished: ResultObject[Any], again: Callable[[], ResultObject[Any]] | None) -> None:
    """Nobody is left who would want to know."""


def _context(waiting_for: Sequence[ResultObject[Any]]) -> str:
    line = calling_line()
    listed = [result.call for result in waiting_for[:_LISTED]]
    return json.dumps({"waits_for": listed, "more": len(waiting_for) - len(listed), "at": str(line)})

"""Unanswered: the calls that the code has made and has no answer of yet, each with what it waits for.

Every call is answered by a function that can be asked again. A run that is kept asks those again of which
the history has news, in program order, as a run from the top would come to them; so a decision costs what
is new and not what is known. Three things may make a call answerable: an event about something it asked
for, the end of other calls that it was given, and room under a limit. What the code holds meanwhile becomes
the answer (`ResultObject.become`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

from flowyd.decider.asking import Requests
from flowyd.decider.progress import Progress
from flowyd.decider.records import Target
from flowyd.sdk.placeholder import Error, Placeholder, ResultObject

#: Answers from what the history says now.
Again = Callable[[], ResultObject[Any]]


@dataclass(slots=True, eq=False)
class Call:
    """One unanswered call."""

    #: What the code holds, and what it becomes.
    given: Placeholder[Any]
    again: Again
    #: What the code had learned when it made the call.
    stood_at: int
    is_task: bool
    has_asked: bool = False
    #: How many of its arguments are not finished.
    missing: int = 0


class Unanswered:
    """The unanswered calls of one run of the code, by their place in program order."""

    def __init__(self, progress: Progress, requests: Requests) -> None:
        self._progress = progress
        self._requests = requests
        self._calls: dict[int, Call] = {}
        self._places = 0
        #: Those of them whose arguments are not finished.
        self.blocked: dict[int, Call] = {}
        self._by_target: dict[Target, int] = {}
        self._by_argument: dict[ResultObject[Any], list[int]] = defaultdict(list)
        #: Places of those that wait for room: tasks, and timers of the author's own. Heaps.
        self._tasks_held_back: list[int] = []
        self._timers_held_back: list[int] = []
        #: False once only a run from the top can find out how it goes on.
        self.can_go_on = True

    def __len__(self) -> int:
        return len(self._calls)

    def close(self) -> None:
        """The code is over: nobody waits for an answer any more."""
        self._calls.clear()
        self.blocked.clear()
        self._by_argument.clear()

    @property
    def outstanding(self) -> int:
        """Tasks asked for or held back; the end of the run must wait for them."""
        return sum(call.is_task and not call.given.waiting_for for call in self._calls.values())

    @property
    def tasks(self) -> Iterable[Call]:
        """Those that the end of the run must wait for, sooner or later."""
        return (call for call in self._calls.values() if call.is_task)

    @property
    def some_are_held_back(self) -> bool:
        """Whether tasks wait for room."""
        return bool(self._tasks_held_back)

    def answer(
        self, again: Again, *, is_task: bool = False, waits_for: Target | None = None
    ) -> ResultObject[Any]:
        """The answer of a call that the code makes now; noted if it is not finished.

        Args:
            again: gives the answer, now and later.
            is_task: the end of the run must wait for it, once it has its arguments.
            waits_for: what brings the answer, if the call asks for nothing.
        """
        self._requests.begin_call()
        given = again()
        if isinstance(given, Placeholder):
            self._note(Call(given, again, self._progress.order, is_task), waits_for)
        return given

    def follow(self, unfinished: ResultObject[Any], again: Again | None) -> None:
        """Notes an object that combines others (see Watcher)."""
        if again is None or not isinstance(unfinished, Placeholder):
            self.can_go_on = False
            return
        self._requests.begin_call()
        self._note(Call(unfinished, again, self._progress.order, is_task=False))

    def renew(self, news: Iterable[Target]) -> None:
        """Asks the calls again that may have an answer now, each once.

        Raises:
            TaskFailed, Divergence: as a run from the top would raise at the same call.
        """
        due = [place for target in news if (place := self._by_target.pop(target, None)) is not None]
        heapify(due)
        tasks, self._tasks_held_back = self._tasks_held_back, []
        timers, self._timers_held_back = self._timers_held_back, []
        asked: set[int] = set()
        while heaps := self._with_room(due, tasks, timers):
            place = heappop(min(heaps))  # the heap whose first place is the earliest
            if place not in asked and place in self._calls:
                asked.add(place)
                self._renew(place, due)
        self._tasks_held_back = _merged(tasks, self._tasks_held_back)
        self._timers_held_back = _merged(timers, self._timers_held_back)

    def _with_room(self, due: list[int], tasks: list[int], timers: list[int]) -> list[list[int]]:
        """Those of the heaps from which a call may be asked again now."""
        heaps = [due] if due else []
        if tasks and self._requests.has_room:
            heaps.append(tasks)
        if timers and self._requests.has_room_for_timers:
            heaps.append(timers)
        return heaps

    def _renew(self, place: int, due: list[int]) -> None:
        """Asks one call again; those that it was the last argument of are due then, too."""
        call = self._calls[place]
        self._requests.begin_call()
        answer = self._progress.answer_at(call.stood_at, call.again, has_asked=call.has_asked)
        call.given.become(answer)
        if isinstance(answer, Placeholder):
            self._wait(place, call)
            return
        del self._calls[place]
        self.blocked.pop(place, None)
        for dependent in self._by_argument.pop(call.given, ()):
            waiting = self._calls.get(dependent)  # None: another argument has failed before
            if waiting is not None:
                waiting.missing -= 1
                if isinstance(answer, Error) or not waiting.missing:
                    heappush(due, dependent)

    def _note(self, call: Call, waits_for: Target | None = None) -> None:
        self._calls[self._places] = call
        if waits_for is not None:
            self._by_target[waits_for] = self._places
        self._wait(self._places, call)
        self._places += 1

    def _wait(self, place: int, call: Call) -> None:
        for target in self._requests.looked_up:
            self._by_target[target] = place
            call.has_asked = True
        call.missing = len(call.given.waiting_for)
        if call.missing:
            self.blocked[place] = call
        else:
            self.blocked.pop(place, None)
        for argument in call.given.waiting_for:
            self._by_argument[argument].append(place)
        if self._requests.held_back:
            heappush(self._tasks_held_back if call.is_task else self._timers_held_back, place)


def _merged(heap: list[int], places: list[int]) -> list[int]:
    for place in places:
        heappush(heap, place)
    return heap

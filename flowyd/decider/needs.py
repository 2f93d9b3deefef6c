"""Which completions of activities a run that waits has a use for: the rest need no decision of their own.

The code goes on, or a call gets the last of its arguments, once all activities of some group have completed.
What is not completed but failed makes a decision anyway, and so does everything that is no activity: a group
that holds such a thing is not finished by completions alone, and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flowyd.decider.outcomes import DecideAfter
from flowyd.decider.records import Kind, State, Target
from flowyd.decider.replay import Replay
from flowyd.decider.unanswered import Call
from flowyd.sdk.placeholder import ResultObject

#: Where fewer tasks than this are open each completion counts: little is to be gained, and the history is as
#: Amazon SWF would write it.
WIDE = 10

#: Where more calls than this wait for their arguments each completion counts: looking at them costs more.
_MOST_BLOCKED = 100


def decide_after(replay: Replay, *, returned: bool) -> DecideAfter | None:
    """What has to complete before a run that was left here needs a decision; None: each completion counts.

    `returned`: the code has ended, and what it started is still open.
    """
    unanswered, requests = replay.unanswered, replay.requests
    blocked = unanswered.blocked
    if not unanswered.can_go_on or requests.open_tasks < WIDE or len(blocked) > _MOST_BLOCKED:
        return None
    groups = _Groups(replay, blocked)
    if returned:
        groups.add(call.given for call in unanswered.tasks)
    elif replay.progress.waits_for_all:
        groups.add(replay.progress.waiting_for)
    else:
        for waited_for in replay.progress.waiting_for:
            groups.add((waited_for,))
    for call in blocked.values():
        groups.add(call.given.waiting_for)
    together = sorted(groups.found)
    if unanswered.some_are_held_back:
        return DecideAfter(together=together, queued=requests.open_limit // 2)
    alone = {group[0] for group in together if len(group) == 1}
    open_activities = groups.activities(call.given for call in unanswered.tasks)
    return None if alone.issuperset(open_activities) else DecideAfter(together=together)


class _Groups:
    """Activities that must complete together, told by what waits for them."""

    def __init__(self, replay: Replay, blocked: dict[int, Call]) -> None:
        self._asked = replay.index.asked
        self._new = set(replay.requests.new)
        #: What stands for several others, and these.
        self._combined: dict[ResultObject[Any], Sequence[ResultObject[Any]]] = {
            call.given: call.given.waiting_for for call in blocked.values() if not call.is_task
        }
        #: Groups of activity ids.
        self.found: set[tuple[str, ...]] = set()

    def add(self, waited_for: Iterable[ResultObject[Any]]) -> None:
        """Adds what must complete before all of these are finished, if completions are enough for that."""
        group: set[str] = set()
        left = list(waited_for)
        while left:
            result = left.pop()
            if result.order is not None:
                continue
            if self._is_open_activity(result):
                group.add(result.target[1])
            elif result in self._combined:
                left.extend(self._combined[result])
            else:
                return
        if group:
            self.found.add(tuple(sorted(group)))

    def activities(self, results: Iterable[ResultObject[Any]]) -> set[str]:
        """Those of them that are open activities, by their ids."""
        return {result.target[1] for result in results if self._is_open_activity(result)}

    def _is_open_activity(self, result: ResultObject[Any]) -> bool:
        target: Target | None = result.target
        if target is None or target[0] is not Kind.ACTIVITY:
            return False
        held = self._asked.get(target)
        return target in self._new if held is None else held.state is State.OPEN

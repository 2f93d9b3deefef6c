"""Requests: the one door through which a replay asks the service for anything.

Whatever the code asks for passes here once, known or new. Known things are compared with the history; new
ones become decisions, in program order, unless the limit of open tasks is reached or an earlier decision
has passed this point without asking.
"""

from __future__ import annotations

from flowyd.decider import decisions as wire
from flowyd.decider.determinism import compare, forgotten, missed
from flowyd.decider.index import HistoryIndex
from flowyd.decider.outcomes import Decision
from flowyd.decider.progress import Progress
from flowyd.decider.records import Asked, Kind, State, Target, is_own_timer
from flowyd.errors import ProgramError
from flowyd.swf.limits import NAME_CHARACTERS

#: Activities, children and their delays and pauses open at the same time; more wait for a later decision.
OPEN_TASKS = 64

#: Timers of the author's own open at the same time. The service takes 1,000; the rest is for delays.
OPEN_TIMERS = 900

#: Length of all inputs that one answer asks with; more wait for a later decision. The service takes requests
#: of 1 MiB, and a character takes six bytes at most, as in \u00e9.
INPUT_CHARACTERS = 164_000

#: Pause before asking again for what the service refused for a limit or a rate, seconds: doubled each time.
_PAUSE_S = 1
_LONGEST_PAUSE_S = 60

_LIMITED = frozenset({Kind.ACTIVITY, Kind.CHILD, Kind.TIMER})


class Requests:
    """What one run of the code asks for."""

    def __init__(self, index: HistoryIndex, progress: Progress, *, open_limit: int = OPEN_TASKS) -> None:
        self._index = index
        self._progress = progress
        self.open_limit = open_limit
        self._open = index.open_tasks
        self._open_timers = index.open_timers
        self._input_characters = 0
        #: In program order.
        self.decisions: list[Decision] = []
        #: What these decisions ask for.
        self.new: list[Target] = []
        #: Of the call being answered: what was looked up for it, and whether it had to wait for room.
        self.looked_up: list[Target] = []
        self.held_back = False
        #: What of the history the code asked for, now or in the decision that has put it there.
        self.touched: set[Target] = set()
        #: The highest event id that ended one of them.
        self.settled = 0

    def begin_decision(self) -> None:
        """The run goes on: the history has what its last decision asked for, and there is room again."""
        self.touched.update(key for key in self.new if key in self._index.asked)
        self._open = self._index.open_tasks
        self._open_timers = self._index.open_timers
        self._input_characters = 0
        self.decisions = []
        self.new = []

    def begin_call(self) -> None:
        """Another call is answered from here on."""
        self.looked_up = []
        self.held_back = False

    @property
    def open_tasks(self) -> int:
        """Tasks open after this decision, with their delays and pauses."""
        return self._open

    @property
    def has_room(self) -> bool:
        """Whether another task may be asked for in this decision, if its input is not too long."""
        return self._open < self.open_limit

    @property
    def has_room_for_timers(self) -> bool:
        """Whether another timer of the author's own may be asked for."""
        return self._open_timers < OPEN_TIMERS

    def touch(self, key: Target, held: Asked) -> None:
        """The code asks again for what the history is known to hold as the code asks for it."""
        self._progress.asked_for.append(key)
        self.touched.add(key)
        if held.order > self.settled:
            self.settled = held.order

    def holds_back(self, key: Target) -> bool:
        """Whether this awaited task is new and must wait for others to end; if so, that is noted."""
        if self.has_room or key in self._index.asked:
            return False
        self._progress.asked_for.append(key)
        self.looked_up.append(key)
        self.held_back = True
        return True

    def known(
        self, kind: Kind, asked_id: str, *, what: str, input_text: str | None = None, awaited: bool = True
    ) -> Asked | None:
        """What the history holds under this id; None if nothing, or if it may be asked for again.

        Raises:
            Divergence: the history holds something else under it.
        """
        key = (kind, asked_id)
        held = self._index.asked.get(key)
        self._progress.asked_for.append(key)
        self.looked_up.append(key)
        if held is None:
            return None
        self.touched.add(key)
        if awaited:
            self.settled = max(self.settled, held.order)
        compare(held, what=what, input_text=input_text)
        if held.refusals:  # the pauses after each belong to it
            pauses = ((Kind.TIMER, _again(asked_id, n)) for n in range(1, held.refusals + 1))
            self.touched.update(pause for pause in pauses if pause in self._index.asked)
        if held.cancel_requested and (woken := (Kind.TIMER, canceled_id(asked_id))) in self._index.asked:
            self.touched.add(woken)
        if (
            held.cancel_requested
            and (request := (Kind.CANCEL, cancel_control(asked_id))) in self._index.asked
        ):
            self.touched.add(request)
        if held.state is State.THROTTLED:
            return held if self._paused(held) else None
        return held

    def ask(
        self,
        kind: Kind,
        asked_id: str,
        decision: Decision,
        *,
        what: str,
        input_text: str | None = None,
        since: int = 0,
    ) -> None:
        """Asks for something new. `since`: the highest event id that had to be known before asking.

        Raises:
            Divergence: an earlier decision passed this point without asking.
        """
        if len(asked_id) > NAME_CHARACTERS:
            raise ProgramError(f"the id {asked_id!r} is longer than {NAME_CHARACTERS} characters")
        own_timer = is_own_timer(kind, asked_id)
        if own_timer:
            self.held_back = not self.has_room_for_timers
        elif kind in _LIMITED:
            self.held_back = not self.has_room or self._is_full(input_text)
        if self.held_back:
            return
        if (kind, asked_id) not in self._index.asked:
            self._check_not_passed(kind, asked_id, what=what, input_text=input_text, since=since)
        if own_timer:
            self._open_timers += 1
        else:
            self._open += kind in _LIMITED
        self._input_characters += len(input_text or "")
        self.new.append((kind, asked_id))
        self.decisions.append(decision)

    def _is_full(self, input_text: str | None) -> bool:
        """Whether the input would make the answer too long; the first one never does."""
        return self._input_characters > 0 and _too_long(self._input_characters, input_text)

    def _check_not_passed(
        self, kind: Kind, asked_id: str, *, what: str, input_text: str | None, since: int
    ) -> None:
        decision = self._index.decision_after(max(since, self._progress.order))
        if decision >= self._index.started_id or self._index.close_refused_id > decision:
            return
        passed = self._index.decided_at(decision)
        if passed is None:
            return
        if is_own_timer(kind, asked_id):
            held_back = passed.timers_after >= OPEN_TIMERS
        else:
            held_back = passed.open_after >= min(self.open_limit, OPEN_TASKS) or (
                kind in _LIMITED and _too_long(passed.input_characters, input_text)
            )
        if held_back:
            return
        raise missed(kind=kind, asked_id=asked_id, what=what, input_text=input_text, decision=decision)

    def _paused(self, held: Asked) -> bool:
        """Whether the pause after a refusal lasts; starts its timer when it is not there yet."""
        timer_id = _again(held.id, held.refusals)
        pause = min(_PAUSE_S << min(held.refusals - 1, 10), _LONGEST_PAUSE_S)
        timer = self._index.find(Kind.TIMER, timer_id)
        self.looked_up.append((Kind.TIMER, timer_id))
        if timer is None:
            self.ask(
                Kind.TIMER, timer_id, wire.start_timer(timer_id, pause), what=str(pause), since=held.order
            )
            return True
        return timer.state is State.OPEN

    def check_nothing_forgotten(self) -> None:
        """Checks that the code asked for everything the history holds.

        Raises:
            Divergence: it did not.
        """
        if len(self.touched) < len(self._index.asked):
            raise forgotten(self._index, self.touched)


def _too_long(asked_characters: int, input_text: str | None) -> bool:
    return input_text is not None and asked_characters + len(input_text) > INPUT_CHARACTERS


def cancel_control(child_id: str) -> str:
    """The control text of a request to cancel that child."""
    return f"cancel-{child_id}"


def canceled_id(timer_id: str) -> str:
    """The id of the timer that lets a run go on after it canceled that timer."""
    return f"{timer_id}-canceled"


def _again(asked_id: str, refusals: int) -> str:
    """The id of the timer that is waited for after that many refusals."""
    return f"{asked_id}-again-{refusals}"

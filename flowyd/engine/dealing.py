"""Dealing out tasks: which waiting poll gets which task, and what is remembered of it.

A poll waits until a turn finds a task for it or its time is over. Lists are looked at where a poll or a task
came in the turn. Waiting polls, and what was handed out to whom, outlast a turn that fails; the tasks and
executions they are matched with are given anew then (`deal_from`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from flowyd.engine import handing_out
from flowyd.engine.calls import EMPTY_ANSWERS, Answered, Call
from flowyd.engine.clock import Clock
from flowyd.engine.context import Context
from flowyd.engine.hand_outs import HandOut, HandOuts
from flowyd.engine.polls import Poll, WaitingPolls
from flowyd.engine.store import Store
from flowyd.engine.writes import ListKey

#: A poll's answer with several tasks takes no more of them from this size on.
_ENOUGH_BYTES = 262_144


class Dealing:
    """All polls of one service."""

    #: What tasks are dealt from: `deal_from` comes before anything else.
    _context: Context

    def __init__(self, store: Store, *, clock: Clock, poll_s: float, most_per_list: int) -> None:
        """Polls wait for `poll_s` seconds, at most so many at one list."""
        self._store = store
        self._clock = clock
        self._poll_s = poll_s
        self.polls = WaitingPolls(most_per_list=most_per_list)
        self._hand_outs = HandOuts(self._is_current)
        self._hand_outs.load(store.hand_outs())
        #: Lists to look at in this turn: a poll came, or a task was offered again.
        self._polled: dict[ListKey, None] = {}
        #: What came on offer again since the lists were last looked at.
        self._unread: list[HandOut] = []
        #: Polls that this turn took out of waiting.
        self._taken: list[Poll] = []

    def deal_from(self, context: Context) -> None:
        """Deals from this memory from now on, which was made anew from the store."""
        self._context = context
        # Before those with a row, which come once more and then count there: a lost row is an old one.
        handing_out.put_back_activities(context)
        for handed_out in self._hand_outs.offered():
            if self._is_current(handed_out):
                handing_out.put_back(context, handed_out.key, handed_out.task)
            else:
                self._hand_outs.drop(self._store, handed_out)

    # A turn

    def end_polls(self, now: float) -> list[Answered]:
        """Begins a turn: answers the polls whose time is over."""
        self._put_back()
        self._taken = self.polls.take_ended(now)
        return [Answered(call=poll.call, result=EMPTY_ANSWERS[poll.call.action]) for poll in self._taken]

    def poll(self, call: Call, *, follows: int = 0) -> bytes | None:
        """The answer to a poll that can be had at once; None: it waits.

        Args:
            follows: the commits after which the call that it came with is durable; 0: it came alone.

        Raises:
            SwfFault: it may not wait, or what it asks for is wrong.
        """
        request = call.request
        domain = self._context.domain(request)
        if call.action == "PollForDecisionTask" and request.get("nextPageToken"):
            return handing_out.next_decision_page(self._context, request)
        key = (domain.id, handing_out.POLL_KINDS[call.action], request["taskList"]["name"])
        if call.poll_id:
            again = self._answer_again(call, key)
            if again is not None:
                return again
        ends_at = self._clock.now() + self._poll_s
        self.polls.add(Poll(call=call, key=key, ends_at=ends_at, follows=follows))
        self._polled[key] = None
        return None

    def deal(self) -> list[Answered]:
        """Matches tasks and polls where either came in this turn."""
        self._put_back()
        context, offered = self._context, self._context.recorder.offered
        answered = []
        while self._polled or offered:
            lists = {**self._polled, **offered}
            self._polled.clear()
            offered.clear()
            for key in lists:
                answered += self._deal_of(key)
            # Only a history at its limit has any: it is terminated by the start of its last task.
            context.errands.run()
        return answered

    def early(self, durable: int) -> set[Call]:
        """Polls whose answers of this turn need not wait until it is durable.

        What they came with must be, as of so many commits: their answer says that it was carried out.
        """
        return {poll.call for poll in self._taken if poll.call.takes_early and poll.follows <= durable}

    def settle(self) -> list[Poll]:
        """The turn is committed: what it handed out counts. The polls that it took out of waiting."""
        self._hand_outs.settle()
        taken, self._taken = self._taken, []
        return taken

    def offer_again(self, call: Call) -> None:
        """Puts the tasks that answered a poll back on offer: the answer was never read.

        The next poll gets them with the same started events. One that has closed meanwhile is not had again.
        """
        self._offered_again(self._hand_outs.offer_again(self._store, call))

    def offer_rest(self, call: Call) -> None:
        """Puts on offer again what the caller of a poll has not begun: all but the first open task."""
        self._offered_again(self._hand_outs.offer_rest(self._store, call))

    def take_back_task(self, poll_id: str, execution_id: int, scheduled_event_id: int) -> bool:
        """Puts a task on offer again that the caller of that poll gives back.

        Returns:
            False: nothing is known of it any more. True: it is on offer, or was handed out to somebody else.
        """
        found = self._hand_outs.last(poll_id, (execution_id, scheduled_event_id))
        if found is not None and found.poll_id == poll_id:
            self._offered_again(self._hand_outs.give_back(self._store, found))
        return found is not None

    def look_everywhere(self) -> None:
        """Looks at all lists where polls wait in the turn that comes or is under way."""
        self._polled.update(dict.fromkeys(self.polls.lists()))

    def _answer_again(self, call: Call, key: ListKey) -> bytes | None:
        """The answer to a repeated poll; None if it had none before, or its task has closed."""
        again = self._hand_outs.repeated(call, key)
        if not again:
            return None
        self._offered_again(self._hand_outs.answer_again(self._store, call, again))
        return _together(
            call,
            [
                handing_out.hand_out(self._context, each.task, call.action, call.request)[1]
                for each in again[: call.most_tasks]
            ],
        )

    def _offered_again(self, handed_out: Sequence[HandOut]) -> None:
        self._unread += handed_out
        self._polled.update(dict.fromkeys(each.key for each in handed_out))

    def _put_back(self) -> None:
        """Puts it back on offer: in a turn, since it may read, and before deadlines fire that are no more."""
        unread, self._unread = self._unread, []
        for each in unread:
            if self._is_current(each):
                handing_out.put_back(self._context, each.key, each.task)

    def _is_current(self, handed_out: HandOut) -> bool:
        """Whether the task is as it was handed out."""
        hot = self._context.executions.get(handed_out.task.execution_id)
        return (
            hot is not None
            and hot.row.run_id == handed_out.run_id
            and handing_out.is_current(self._context, handed_out.key, handed_out.task)
        )

    def _deal_of(self, key: ListKey) -> list[Answered]:
        """A task for each poll at the list, as far as they go; what is left goes to polls that take more."""
        answers: dict[Call, list[bytes]] = {}
        take_more: deque[Poll] = deque()
        while (poll := self.polls.first(key)) is not None and (body := self._deal_to(poll)):
            self.polls.remove(poll.call)
            self._taken.append(poll)
            answers[poll.call] = [body]
            if poll.call.most_tasks > 1:
                take_more.append(poll)
        if poll is None:
            self._deal_more(take_more, answers)
        return [Answered(call=call, result=_together(call, bodies)) for call, bodies in answers.items()]

    def _deal_more(self, polls: deque[Poll], answers: dict[Call, list[bytes]]) -> None:
        """Deals out what is left, one task to each of the polls in turn."""
        while polls and self._hand_outs.has_room:
            poll = polls.popleft()
            body = self._deal_to(poll)
            if body is None:
                return
            bodies = answers[poll.call]
            bodies.append(body)
            if len(bodies) < poll.call.most_tasks and sum(map(len, bodies)) < _ENOUGH_BYTES:
                polls.append(poll)

    def _deal_to(self, poll: Poll) -> bytes | None:
        """What the poll is answered with for the next task of its list; None: there is none."""
        task = handing_out.take(self._context, poll.key)
        if task is None:
            return None
        call = poll.call
        task, body = handing_out.hand_out(self._context, task, call.action, call.request)
        hot = self._context.executions.get(task.execution_id)
        assert hot is not None, "it was just handed out"
        self._hand_outs.stage(self._store, call, poll.key, hot.row.run_id, task)
        return body

    # When a turn fails

    def take_back(self, lost: Sequence[Poll]) -> None:
        """The turn is void, and so are earlier ones, which had taken these polls out of waiting."""
        self._taken = [*lost, *self._taken]
        self._polled.clear()

    def forget(self, lost: Iterable[Call]) -> None:
        """Makes what is remembered of hand-outs anew from the store; these answers of lost turns are void.

        Raises:
            sqlite3.Error: the store cannot be read.
        """
        self._hand_outs = self._hand_outs.without(lost, self._store.hand_outs())

    def wait_again(self, calls: Sequence[Call]) -> None:
        """Polls of earlier turns go on waiting as if the void turn, of these calls, had not taken them."""
        of_this_turn = {call.next_poll or call for call in calls}
        self.polls.restore([poll for poll in self._taken if poll.call not in of_this_turn])
        self._taken = []


def _together(call: Call, bodies: Sequence[bytes]) -> bytes:
    """The poll's answer with these tasks; several activity tasks are on lease."""
    call.is_leased = len(bodies) > 1 and call.action == "PollForActivityTask"
    return handing_out.together(bodies)

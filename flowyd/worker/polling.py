"""Waiting for the next task on one task list or several, without ever losing one that was handed out.

A stop takes outstanding polls back; a task that was handed out just before still comes out of `next_tasks`.
With a client that can wait on several polls at once, all lists are polled together; else only the first.
"""

from __future__ import annotations

import contextlib
import logging
import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import setproctitle

from flowyd.control.reports import TaskInHand, WorkerState
from flowyd.errors import FlowydError, UnreachableError
from flowyd.swf.actions import BEGIN_BEFORE
from flowyd.swf.client import Answer, PollingClient, Request
from flowyd.swf.lean_stream import AnswerStream
from flowyd.swf.limits import POLL_READ_TIMEOUT_S
from flowyd.worker.ahead import Ahead
from flowyd.worker.answers import Answers, Settled
from flowyd.worker.calling import Pauses
from flowyd.worker.giving_back import give_back
from flowyd.worker.polls_under_way import ManyPolls, Pending, PendingNext, PollingNext
from flowyd.worker.reporting import POLLING_LIMIT_S, Reporter
from flowyd.worker.stopping import StopSignal

logger = logging.getLogger(__name__)

#: A service that holds a poll waits for a task; one that says so soon that there is none is asked less often.
_HASTY_S = 0.5
#: A task that comes within this is not worth a report that the worker was polling before it, seconds: the
#: tasks of a chain go round among the workers, and each has one every few milliseconds.
_AT_ONCE_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What to ask for, again and again."""

    action: str
    request: Mapping[str, Any]


class Poller:
    """Hands out one task after the other, or several, and takes their answers to the service."""

    def __init__(
        self,
        client: PollingClient,
        polls: Sequence[Poll],
        *,
        stop: StopSignal,
        reporter: Reporter,
        title: str,
    ) -> None:
        """`title`: of the process, where it waits for a task."""
        self._title = title
        self._client = client
        self._polls = polls
        self._stop = stop
        self._reporter = reporter
        self._many = cast("ManyPolls", client) if hasattr(client, "begin_poll") else None
        self._both = cast("PollingNext", client) if hasattr(client, "call_and_poll") else None
        #: Names the next poll; a client that knows no ids is asked for none.
        self._new_poll_id: Callable[[], str] = self._many.new_poll_id if self._many else str
        #: Whether the next task may be polled for before the one in hand is answered.
        self.polls_ahead = False
        #: So many tasks are taken at once, where the service can hand out several.
        self.most_tasks = 1
        self._pending: dict[int, Pending] = {}
        #: Polls under way that were sent with answers of which it is not known yet what became of them.
        self._untold: dict[int, tuple[PendingNext, Answers]] = {}
        #: What is waited for: the stop, and the polls under way, whose numbers are here by descriptor.
        self._number_of: dict[int, int] = {}
        self._waiter = select.poll()
        self._waiter.register(stop, select.POLLIN)
        #: The poll that was answered last.
        self._last = 0
        self._begun_at: dict[int, float] = {}
        #: The ids of the polls by number, and that of the one that gave the tasks in hand.
        self._poll_ids: dict[int, str] = {}
        self.came_with = ""
        #: Of several activity tasks that came together.
        self.ahead: Ahead | None = None
        self._was_hasty = False
        self._pauses = Pauses()

    def answer(self, action: str, request: Request, *, within_s: float) -> None:
        """Answers the task in hand, and polls for the next before that or in the same message.

        So the service has the poll when it hands out what follows from the answer: that is one turn of the
        engine less, and no race between its next task and the poll for it.

        Raises:
            SwfFault: the service refused the answer.
            AnsweredBefore: it was sent again, and refused.
            UnreachableError: it did not come back within the time.
        """
        outcomes: list[FlowydError | None] = []
        self.answer_all(action, [request], within_s=within_s, settled=outcomes.extend)
        self.settle()
        [refusal] = outcomes
        if refusal is not None:
            raise refusal

    def answer_all(
        self,
        action: str,
        requests: Sequence[Request],
        *,
        within_s: float,
        settled: Settled,
        and_poll: bool = True,
    ) -> None:
        """Answers tasks in hand as `answer` does, in one message if it can be.

        Args:
            settled: told what became of them; later, with `settle` at the latest, if tasks of another list
                are there already.
            and_poll: these are all; else others will follow before the next poll.
        """
        ahead, self.ahead = self.ahead, None
        answers = Answers(
            action=action,
            requests=requests,
            ahead=ahead.sent if ahead is not None else (),
            within_s=within_s,
            settled=settled,
        )
        stream = ahead.stream if ahead is not None else None
        outcomes: list[FlowydError | None] | None = None
        both = self._both
        if and_poll and self.polls_ahead and not self._stop.requested and self._last not in self._pending:
            if both is not None:
                self._answer_with_poll(both, answers, stream)
                return
            if self._many is not None:
                # A service that is away is met again by the answer.
                with contextlib.suppress(FlowydError):
                    self._begin(self._many, self._reporter.hand.tasks)
        elif both is not None and (stream is not None or len(requests) > 1):
            outcomes = []
            with contextlib.suppress(UnreachableError):
                outcomes = both.call_all(action, requests, stream=stream)
        answers.settle(self._client, outcomes)

    def end_ahead(self, *, within_s: float) -> None:
        """Sees to answers that were sent ahead and have not been followed by one that was waited for."""
        if self.ahead is not None:
            self.answer_all("", (), within_s=within_s, settled=list, and_poll=False)

    def give_back(self, tasks: Sequence[TaskInHand], *, why: str, within_s: float) -> None:
        """Gives back tasks of those that came last, which were not begun, so that others may have them.

        Args:
            why: for an engine that does not know of them any more, and fails them.
        """
        if not tasks or self._both is None:
            return
        requests = [{"taskToken": task.task_token, "reason": why} for task in tasks]
        try:
            give_back(self._both, self.came_with, requests, within_s=within_s)
        except FlowydError as error:
            logger.error(
                "%d tasks could not be given back: %s", len(tasks), error, extra={"action": "answer"}
            )

    def _answer_with_poll(self, both: PollingNext, answers: Answers, stream: AnswerStream | None) -> None:
        number = self._last
        poll_id = self._begin_in_hand(number, self._reporter.hand.tasks)
        poll = self._polls[number]
        *before, request = answers.requests
        try:
            pending = both.call_and_poll(
                answers.action,
                request,
                poll.action,
                poll.request,
                poll_id,
                before=before,
                stream=stream,
                most_tasks=self.most_tasks,
            )
        except UnreachableError:
            answers.settle(self._client, [])
            return
        self._note_begun(number, pending)
        self._untold[number] = pending, answers
        if not self._is_answered_besides(number):
            self._hear(number)

    def settle(self) -> None:
        """Waits until it is known what became of all answers."""
        for number in list(self._untold):
            self._hear(number)

    def _hear(self, number: int) -> None:
        """Waits until it is known what became of the answers that the poll was sent with."""
        pending, answers = self._untold.pop(number)
        outcome: FlowydError | None = None
        is_begun = False
        try:
            is_begun = pending.carried_out()
        except FlowydError as error:
            outcome = error
        if not is_begun:
            self._forget(number)
        answers.settle(self._client, [*pending.before, outcome])

    def _is_answered_besides(self, number: int) -> bool:
        """Whether another poll has been answered, as far as that can be seen without reading."""
        if len(self._pending) == 1:
            return False
        if any(pending.is_here for other, pending in self._pending.items() if other != number):
            return True
        return any(self._number_of.get(fd, number) != number for fd, _ in self._waiter.poll(0))

    def next_tasks(self) -> tuple[Poll, list[Answer]] | None:
        """The next tasks, up to `most_tasks` that came together, and the poll that gave them.

        Waits as long as it takes; a service that is away is waited for. None: the worker must stop, and
        nothing is left.
        """
        while True:
            try:
                found = self._next()
            except FlowydError as error:
                if self._stop.requested:
                    return None
                pause = self._pauses.next_s()
                level = logging.DEBUG if pause < 1 else logging.WARNING
                logger.log(level, "polling again in %.1f s: %s", pause, error, extra={"action": "poll"})
                self._say_polling()
                self._stop.wait(pause)
                continue
            if found is not None:
                poll, answer = found
                if tasks := _tasks_of(answer):
                    self._pauses.reset()
                    return poll, tasks
                if self._was_hasty:
                    self._stop.wait(self._pauses.next_s())
                else:
                    self._pauses.reset()
            elif self._stop.requested:
                return None

    def _next(self) -> tuple[Poll, Answer] | None:
        return self._next_of_one() if self._many is None else self._next_of_all(self._many)

    def _next_of_one(self) -> tuple[Poll, Answer] | None:
        if self._stop.requested:
            return None
        poll = self._polls[0]
        self._reporter.hand.hold(())
        self._say_polling()
        began_at = time.monotonic()
        answer = self._client.poll(poll.action, poll.request, withdraw=self._stop)
        self._was_hasty = time.monotonic() - began_at < _HASTY_S
        return None if answer is None else (poll, answer)

    def _next_of_all(self, client: ManyPolls) -> tuple[Poll, Answer] | None:
        if self._stop.requested:
            return self._take_back()
        self._begin(client)
        for number, pending in self._pending.items():
            if pending.is_here:
                return self._heard(number)
        readable = self._waiter.poll(_AT_ONCE_S * 1000)
        if not readable:
            self._reporter.hand.rest()
            self._say_polling()
            readable = self._waiter.poll(POLL_READ_TIMEOUT_S * 1000)
        for fd, _ in readable:
            if fd in self._number_of:
                return self._heard(self._number_of[fd])
        # A stop; or silence for longer than a poll may last, and the connection is of no use any more.
        return self._take_back()

    def _heard(self, number: int) -> tuple[Poll, Answer] | None:
        """What a poll is answered with, or None if it was only said what became of the answers before it."""
        if number in self._untold:
            self._hear(number)
            pending = self._pending.get(number)
            if pending is None or not pending.is_here:
                return None
        return self._finish(number)

    def _begin(self, client: ManyPolls, tasks: Sequence[TaskInHand] = ()) -> None:
        """Sends the polls that are not under way."""
        for number, poll in enumerate(self._polls):
            if number not in self._pending:
                poll_id = self._begin_in_hand(number, tasks)
                self._note_begun(number, self._begun(client, poll, poll_id))

    def _begun(self, client: ManyPolls, poll: Poll, poll_id: str) -> Pending:
        if self._both is None:
            return client.begin_poll(poll.action, poll.request, poll_id)
        return self._both.begin_poll(poll.action, poll.request, poll_id, most_tasks=self.most_tasks)

    def _begin_in_hand(self, number: int, tasks: Sequence[TaskInHand]) -> str:
        poll = self._polls[number]
        task_list = poll.request["taskList"]["name"]
        poll_id = self._reporter.hand.begin_poll(poll.action, task_list, self._new_poll_id, tasks)
        self._poll_ids[number] = poll_id
        return poll_id

    def _note_begun(self, number: int, pending: Pending) -> None:
        self._pending[number] = pending
        self._begun_at[number] = time.monotonic()
        if not pending.is_here:
            fd = pending.fileno()
            self._number_of[fd] = number
            self._waiter.register(fd, select.POLLIN)

    def _take_back(self) -> tuple[Poll, Answer] | None:
        """Withdraws what is outstanding, one poll at a time; a task handed out before comes out."""
        self.settle()
        while self._pending:
            number, pending = next(iter(self._pending.items()))
            pending.withdraw()
            found = self._finish(number)
            if found is not None and _tasks_of(found[1]):
                return found
        return None

    def _finish(self, number: int) -> tuple[Poll, Answer] | None:
        self._last = number
        poll, pending = self._polls[number], self._forget(number)
        answer = pending.finish()
        self._was_hasty = time.monotonic() - self._begun_at[number] < _HASTY_S
        self.came_with = self._poll_ids[number]
        if answer is not None and self._both is not None and pending.stream is not None:
            self.ahead = Ahead(self._both, pending.stream, answer[BEGIN_BEFORE])
        if pending.was_read:
            task_list, next_id = poll.request["taskList"]["name"], self._new_poll_id()
            self._reporter.hand.answered(poll.action, task_list, next_id)
        return None if answer is None else (poll, answer)

    def _forget(self, number: int) -> Pending:
        """The poll is not waited for any more."""
        pending = self._pending.pop(number)
        for fd in [fd for fd, its_number in self._number_of.items() if its_number == number]:
            del self._number_of[fd]
            self._waiter.unregister(fd)
        return pending

    def _say_polling(self) -> None:
        setproctitle.setproctitle(self._title)
        self._reporter.report(WorkerState.POLLING, until=time.monotonic() + POLLING_LIMIT_S)


def _tasks_of(answer: Answer) -> list[Answer]:
    """The tasks in a poll's answer: none, one, or a list of several."""
    if answer.get("taskToken"):
        return [answer]
    return list(answer.get("tasks", ()))

"""A worker's hand: its tasks and polls, written to a file of its own before anything is done with them.

The file is for whoever answers for the worker after a kill -9, be it of the whole daemon. It need not outlive
the machine, so it is written without fsync, and once for each task: with a task goes the id under which the
next poll will be sent, while the task is still in hand. An id that was never sent is to the service that of a
new poll. A task leaves the file with the next record after it was answered; to answer it again does no harm.
Of tasks that came together the file says how many were begun: one small write for each but the first. The
answer of an activity task is written before it is sent, for whoever answers for the worker.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from flowyd.control.in_hand import (
    ANSWERS_AT,
    BEGUN_AT,
    GivenAnswer,
    InHand,
    PollUnderWay,
    encode_answer,
    encode_begun,
    encode_in_hand,
)
from flowyd.control.reports import TaskInHand

logger = logging.getLogger(__name__)


class Hand:
    """What one worker has in hand; without a file (a script's worker) only in memory."""

    def __init__(self, inherited: InHand | None = None, fd: int | None = None) -> None:
        """`inherited`: whose hand it is, and what it takes over from dead workers; `fd`: the open file."""
        self._owner = inherited
        self._fd = fd
        self._tasks: Sequence[TaskInHand] = ()
        #: The poll that gave them, and how many of them were begun; see `InHand`.
        self._came_with = ""
        self._begun = 1
        #: How many bytes of answers to them are in the file.
        self._answers_bytes = 0
        #: Tasks of dead workers that wait for their turn, by token.
        self._waiting = {task.task_token: task for task in inherited.tasks} if inherited else {}
        #: Polls whose answers were not read, by action and task list, and which are still to be sent.
        self._polls: dict[tuple[str, str], PollUnderWay] = {}
        self._unsent: set[tuple[str, str]] = set()
        if inherited is not None:
            self._polls = {(poll.action, poll.task_list): poll for poll in inherited.polls}
        #: Whether the file says the same.
        self._is_written = False
        if self._fd is not None:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write()

    def begin_poll(
        self, action: str, task_list: str, new_id: Callable[[], str], tasks: Sequence[TaskInHand] = ()
    ) -> str:
        """The id under which to poll: that of the same poll before if its answer was not read.

        Args:
            new_id: makes an id; an empty one if the service cannot repeat a poll.
            tasks: what is in hand meanwhile.
        """
        place = (action, task_list)
        self._unsent.discard(place)
        known = self._polls.get(place)
        poll_id = known.poll_id if known else new_id()
        if known is None and poll_id:
            self._polls[place] = PollUnderWay(action=action, task_list=task_list, poll_id=poll_id)
            self._is_written = False
        if self._waiting:
            self._waiting.clear()
            self._is_written = False
        if tasks is not self._tasks:
            self._take(tasks, "", 1)
        if not self._is_written:
            self._write()
        return poll_id

    @property
    def is_kept(self) -> bool:
        """Whether it is in a file, by which somebody answers for what a dead worker had not begun."""
        return self._fd is not None

    @property
    def tasks(self) -> Sequence[TaskInHand]:
        """What is in hand, or was until just now."""
        return self._tasks

    def answered(self, action: str, task_list: str, next_id: str = "") -> None:
        """The poll's answer was read; the file hears of it with what comes next.

        Args:
            next_id: under which to poll when there is a task in hand; empty: that is not known yet.
        """
        place = (action, task_list)
        if next_id:
            self._polls[place] = PollUnderWay(action=action, task_list=task_list, poll_id=next_id)
            self._unsent.add(place)
        else:
            self._polls.pop(place, None)
        self._is_written = False

    def rest(self) -> None:
        """What was in hand is answered, and nothing came after it."""
        if self._tasks:
            self.hold(())

    def hold(self, tasks: Sequence[TaskInHand], came_with: str = "", *, begun: int = 1) -> None:
        """These tasks are in hand, and those before no more.

        Args:
            came_with: the id of the poll that gave them, if they are begun one after the other; empty: all
                are begun.
            begun: how many of them are, the first of them first.
        """
        if self._waiting:
            for task in self._tasks:
                self._waiting.pop(task.task_token, None)
        if not tasks:
            # No poll goes out beside a task any more.
            for place in self._unsent:
                del self._polls[place]
            self._unsent.clear()
        self._take(tasks, came_with, begun)
        self._write()

    def begin(self, number: int) -> None:
        """So many of the tasks in hand are begun from now on, the first of them first; never fewer."""
        if number <= self._begun:
            return
        self._begun = number
        self._put(encode_begun(number), BEGUN_AT)

    def note_answer(self, action: str, request: Mapping[str, str]) -> None:
        """A task in hand is given this answer, which is not sent yet.

        Where it cannot be written the task is failed if the worker dies now.
        """
        if self._fd is None:
            return
        content = encode_answer(GivenAnswer(action=action, request=dict(request)))
        try:
            os.pwrite(self._fd, content, ANSWERS_AT + self._answers_bytes)
        except OSError as error:
            logger.debug("an answer is not written down: %s", error)
            return
        self._answers_bytes += len(content)

    def _take(self, tasks: Sequence[TaskInHand], came_with: str, begun: int) -> None:
        self._answers_bytes = 0
        self._tasks, self._came_with, self._begun = tasks, came_with, begun
        self._is_written = False

    def _write(self) -> None:
        self._is_written = True
        if self._fd is None or self._owner is None:
            return
        tasks, came_with = self._tasks, self._came_with
        if self._waiting:
            held = {task.task_token: task for task in (*tasks, *self._waiting.values())}
            # Not all of these came with one poll: whoever answers for them must take them for begun.
            tasks, came_with = tuple(held.values()), ""
        record = replace(
            self._owner,
            tasks=tasks,
            polls=tuple(self._polls.values()),
            came_with=came_with,
            begun=self._begun,
        )
        self._put(encode_in_hand(record), 0)

    def _put(self, content: bytes, place: int) -> None:
        if self._fd is None:
            return
        try:
            os.pwrite(self._fd, content, place)
        except OSError as error:
            logger.warning("what is in hand is not written down any more: %s", error)
            # It would be wrong from now on, such as that a task was not begun; reports go on to be right.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            self._fd = None

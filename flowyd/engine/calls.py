"""What passes between the engine's server and its service: calls in, answered calls out.

The server makes one `Call` for each request it has read and hands all calls at hand to one turn of the
service. A turn returns the calls that got their answer, be they of this turn or some that waited since an
earlier one: polls, and descriptions of executions that have closed. Everything answered is durable, but for
decision tasks that a poll takes early (`Call.takes_early`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from flowyd.swf.actions import POLLS
from flowyd.swf.faults import SwfFault

#: More tasks are in no answer.
MOST_TASKS = 32
#: Answers without a task: recorded without a taskToken member.
EMPTY_ANSWERS = {
    "PollForActivityTask": b'{"startedEventId":0}',
    "PollForDecisionTask": b'{"previousStartedEventId":0,"startedEventId":0}',
}


#: How the answer to a poll with several tasks begins.
_SEVERAL = b'{"tasks":['


def together(answers: Sequence[bytes]) -> bytes:
    """The answer with all these tasks to a poll that takes several; that of the one if it is only one."""
    return answers[0] if len(answers) == 1 else b"%b%b]}" % (_SEVERAL, b",".join(answers))


def is_leased(action: str, answer: bytes) -> bool:
    """Whether an answer has several activity tasks, which are on lease (`leases`)."""
    return action == "PollForActivityTask" and answer.startswith(_SEVERAL)


def may_wait(action: str | None, *, waits_for_close: bool) -> bool:
    """Whether a call may be answered in a later turn than its own."""
    return action in POLLS or waits_for_close


@dataclass(slots=True, eq=False, kw_only=True)
class Call:
    """One request under way; compared by identity, since two equal requests are two calls."""

    #: An operation of `flowyd.swf.actions.ACTIONS`.
    action: str
    #: The checked request: `flowyd.engine.requests` found no violation.
    request: dict[str, Any]
    #: What the caller calls a poll, the same when it repeats one whose answer it has not read; or empty.
    poll_id: str = ""
    #: How many tasks a poll takes at most, if it has an id.
    most_tasks: int = 1
    #: The poll that gave the activity task which the caller has not begun and gives back; or empty.
    not_begun: str = ""
    #: Whether a poll takes decision tasks that are not durable yet, and may be lost.
    takes_early: bool = False
    #: A poll that came in the same message; it begins when this call was carried out, if it was no fault.
    next_poll: Call | None = None
    #: A description that is wanted when the execution is closed.
    waits_for_close: bool = False

    def trust(self, most_tasks: int, *, shares_clock: bool = False) -> None:
        """Lets a poll of flowyd's own, which has an id, take several tasks at once, and decision tasks early.

        `shares_clock`: whether the caller knows when a lease of activity tasks is over.
        """
        is_decision = self.action == "PollForDecisionTask"
        if self.poll_id and (is_decision or shares_clock):
            self.most_tasks = max(1, min(most_tasks, MOST_TASKS))
            self.takes_early = is_decision

    @property
    def may_wait(self) -> bool:
        """Whether a later turn may answer it. Once nobody reads the answer it is withdrawn."""
        return may_wait(self.action, waits_for_close=self.waits_for_close)


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A call and what to send for it."""

    call: Call
    #: The JSON body (empty for operations without result), or the fault.
    result: bytes | SwfFault

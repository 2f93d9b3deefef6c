"""What `decide` can answer: one frozen record per way a decision ends.

All but Broken carry the decisions to send, in SWF's wire form, and the execution context: JSON that says
what the run waits for. A Broken outcome is not sent at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Decision = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideAfter:
    """What must have happened before the completion of an activity means anything to the run."""

    #: Groups of activity ids: the run goes on once all of one group have completed.
    together: Sequence[Sequence[str]]
    #: It has more to ask for once fewer activities than this wait for a worker.
    queued: int = 0

    @property
    def wire(self) -> dict[str, Any]:
        """As it is sent (flowyd.swf.actions.DECIDE_AFTER)."""
        return {"together": [list(group) for group in self.together], "queued": self.queued}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """The run needs results that are not there yet, or has returned and waits for what still runs."""

    decisions: list[Decision]
    execution_context: str
    warnings: tuple[str, ...] = ()
    #: Which completions of activities need the next decision; None: each of them.
    decide_after: DecideAfter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The run returned, and nothing is left to wait for."""

    decisions: list[Decision]
    #: JSON of the value.
    result: str
    execution_context: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The run, or a task whose errors it does not handle, failed: the author's answer."""

    decisions: list[Decision]
    reason: str
    details: str
    execution_context: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """The run let a cancel request through."""

    decisions: list[Decision]
    execution_context: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """The run continues as a new one."""

    decisions: list[Decision]
    #: Arguments of the new run as JSON.
    input: str
    execution_context: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Code and history do not fit, or flowyd has a bug: nothing must be sent.

    The decision task is left to time out, so that fixed code can go on.
    """

    #: The whole story in one text, with both sides where there are two.
    reason: str
    #: What the code asked for, and what the history holds; empty for a bug of ours.
    code_asks: str = ""
    history_holds: str = ""
    #: Which call, such as `resize-0-0`, and where it stands in the code: `file:line`.
    call: str = ""
    where: str = ""
    #: Set where the cause was an exception of ours.
    traceback: str = ""
    warnings: tuple[str, ...] = ()


Outcome = Suspended | Completed | Failed | Canceled | Restarted | Broken

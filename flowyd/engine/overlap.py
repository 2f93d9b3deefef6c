"""When a turn is to be made durable: at once, while the next ones go on, or together with the next one.

Where more calls have come in, or came in while the last turn was being written, the next turns go on and
share the next write. A lonely turn is waited for, since that is quicker for it, but if it gave a decider work
that decides while it is written. A turn whose answers nobody waits for is written with the next one: mostly
that is the answer to the task it gave, so a step of a chain is one write.
"""

from __future__ import annotations

import enum
from collections.abc import Callable


class When(enum.Enum):
    """When a turn is written."""

    #: At once, and waited for.
    NOW = enum.auto()
    #: As soon as what is being written is durable, while the next turns go on.
    MEANWHILE = enum.auto()
    #: With the next turn that is not written so, or a moment later (`GATHERING_S`).
    WITH_NEXT = enum.auto()


#: A turn that is to be written with the next one waits for it so long, seconds.
GATHERING_S = 0.005


class Overlap:
    """Decides it for one turn after the other, from how the last ones met."""

    def __init__(self) -> None:
        #: Whether calls came in while the last turn was being written; whether a turn has joined this one.
        self._is_busy = self._is_joined = False

    def when(
        self, *, is_awaited: bool, is_early: bool, is_writing: bool, more_waits: Callable[[], bool]
    ) -> When:
        """When the turn that ends is to be written.

        Args:
            is_awaited: somebody waits for an answer of it, and has nothing before that.
            is_early: tasks of it are handed out before it is durable.
            is_writing: a turn before it is being written.
            more_waits: whether calls wait already that the next turn could begin with; not always asked.
        """
        if not is_awaited:
            return When.WITH_NEXT
        if is_writing:
            self._is_joined = True
            return When.MEANWHILE
        self._is_joined = False
        return When.MEANWHILE if is_early or self._is_busy or more_waits() else When.NOW

    def was_waited_for(self, *, more_waits: bool) -> None:
        """The turn is durable; calls may have come in meanwhile."""
        self._is_busy = more_waits

    def was_written(self) -> None:
        """What was being written is durable, and nothing is being written now."""
        self._is_busy = self._is_joined

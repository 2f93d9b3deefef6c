"""When a turn is to be made durable while the next ones go on.

Where more calls have come in, or came in while the last turn was being written, the next turns go on and
share the next write. A lonely turn is waited for, since that is quicker for it.
"""

from __future__ import annotations

from collections.abc import Callable


class Overlap:
    """Decides it for one turn after the other, from how the last ones met."""

    def __init__(self) -> None:
        #: Whether calls came in while the last turn was being written; whether a turn has joined this one.
        self._is_busy = self._is_joined = False

    def goes_on(self, *, is_writing: bool, more_waits: Callable[[], bool]) -> bool:
        """Whether the turn that ends need not be waited for.

        Args:
            is_writing: a turn before it is being written.
            more_waits: whether calls wait already that the next turn could begin with; not always asked.
        """
        if is_writing:
            self._is_joined = True
            return True
        self._is_joined = False
        return self._is_busy or more_waits()

    def was_waited_for(self, *, more_waits: bool) -> None:
        """The turn is durable; calls may have come in meanwhile."""
        self._is_busy = more_waits

    def was_written(self) -> None:
        """What was being written is durable, and nothing is being written now."""
        self._is_busy = self._is_joined

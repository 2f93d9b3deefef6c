"""How many tasks a worker takes at once: as many as it deals with in a few milliseconds.

So where they are slow it takes one at a time, and none waits long behind others that came with it.
"""

from __future__ import annotations

from collections.abc import Callable

#: How long the tasks of one message may take together, and the first decision wait for the last, seconds.
TOGETHER_S = 0.005
#: More tasks are not taken at once: what is saved for each further one is little.
MOST = 16
#: The weight of the last tasks in what one is expected to take.
_WEIGHT = 0.25


class Pace:
    """Measures decisions or activities; a first one is taken alone."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: a clock, in seconds."""
        self.now = now
        self._each_s = TOGETHER_S

    @property
    def tasks(self) -> int:
        """So many tasks are to be taken at once."""
        return max(1, min(MOST, int(TOGETHER_S / self._each_s))) if self._each_s > 0 else MOST

    def is_over(self, began_at: float) -> bool:
        """Whether answers must not wait for another decision."""
        return self.now() - began_at > TOGETHER_S

    def note(self, tasks: int, began_at: float) -> None:
        """So many tasks were done since then."""
        each_s = (self.now() - began_at) / tasks
        self._each_s += _WEIGHT * (each_s - self._each_s)

"""The engine's clock: epoch seconds that never go back, whatever happens to the wall clock.

A clock starts at the wall's time and goes on by the monotonic clock, so a step of the wall clock neither
fires deadlines nor holds them back. It follows the wall again at the next start.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What time it is."""

    def now(self) -> float:
        """Epoch seconds; never less than the answer before."""
        ...


class SystemClock:
    """The wall clock at the start plus monotonic time since."""

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self._offset_s


class ManualClock:
    """A clock that moves only when it is told to."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Lets time pass.

        Raises:
            ValueError: negative seconds.
        """
        if seconds < 0:
            raise ValueError(f"a clock does not go back, not even {seconds} s")
        self._now += seconds

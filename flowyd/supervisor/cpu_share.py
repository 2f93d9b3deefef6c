"""The share of a core that a process uses, from looks at its CPU time that come when they come.

A look closes the stretch that the next one measures. Besides whoever asks, the first report after a while
looks too: so an operator who asks once, after an idle night, is told about the task at hand, not the night.
"""

from __future__ import annotations

#: Looks nearer together share one stretch, so that two who ask at once are told the same.
LEAST_S = 0.5
#: CPU time is counted in hundredths of a second; a shorter stretch tells nothing.
_TELLING_S = 0.1


class CpuShare:
    """One process's share; mutable, owned by its `Child`."""

    def __init__(self, *, started_at: float) -> None:
        self._used_s = 0.0
        self._looked_at = started_at
        self._percent = 0.0

    def is_due(self, now: float) -> bool:
        """Whether a look is worth its price."""
        return now - self._looked_at >= LEAST_S

    def look(self, used_s: float, now: float) -> float:
        """Percent of one core since the stretch began.

        Args:
            used_s: CPU seconds since the process began.
            now: CLOCK_MONOTONIC seconds.
        """
        stretch_s = now - self._looked_at
        if stretch_s >= _TELLING_S:
            self._percent = max(0.0, 100 * (used_s - self._used_s) / stretch_s)
        if stretch_s >= LEAST_S:
            self._used_s, self._looked_at = used_s, now
        return round(self._percent, 1)

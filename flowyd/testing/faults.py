"""What can be made to happen to an activity task instead of its work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Raises:
    """The activity fails with this exception."""

    exception: Exception


@dataclass(frozen=True, slots=True)
class TimesOut:
    """The activity does its work, but its answer never arrives."""


@dataclass(frozen=True, slots=True)
class WorkerDies:
    """The worker is gone before the work begins; nobody answers."""


Fault = Raises | TimesOut | WorkerDies

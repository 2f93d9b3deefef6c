"""One figure of the benchmark: what was measured, how often, and what of it is shown.

Pure: no process, no clock. A figure keeps every sample, so that the JSON lines can be judged by others;
tables and plots show the median with minimum and maximum beside it.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured quantity of one system, in all runs of one invocation."""

    #: "S2", or the name of a growth curve.
    scenario: str
    #: What is counted, such as "chain of 100".
    what: str
    #: Name of the system.
    system: str
    #: ms, s, /s, %, MiB or "" for a count.
    unit: str
    #: Whether a smaller figure is the better one.
    less_is_better: bool
    #: One value per run.
    samples: tuple[float, ...] = ()
    #: CPU of all processes together per activity (per workflow in S6 and S7), microseconds, one per run.
    cpu_us: tuple[float, ...] = ()
    #: Why there is no sample.
    skipped: str = ""
    #: Position on a growth curve; 0 for a scenario.
    x: float = 0

    @property
    def median(self) -> float:
        """The middle sample; not for a skipped figure."""
        return statistics.median(self.samples)


def joined(figures: Iterable[Figure]) -> list[Figure]:
    """Figures of the same quantity and system from several runs as one, in order of first appearance."""
    found: dict[tuple[str, str, str, float], list[Figure]] = {}
    for figure in figures:
        found.setdefault((figure.scenario, figure.what, figure.system, figure.x), []).append(figure)
    return [_one(group) for group in found.values()]


def _one(group: Sequence[Figure]) -> Figure:
    first = group[0]
    return Figure(
        scenario=first.scenario,
        what=first.what,
        system=first.system,
        unit=first.unit,
        less_is_better=first.less_is_better,
        samples=tuple(sample for figure in group for sample in figure.samples),
        cpu_us=tuple(sample for figure in group for sample in figure.cpu_us),
        skipped=next((figure.skipped for figure in group if figure.skipped), ""),
        x=first.x,
    )


def advantage(figure: Figure, other: Figure) -> float:
    """How many times better `figure` is than `other`, by medians; above 1 is ahead.

    A figure of nothing (0 % of a CPU) counts as the smallest that can be told from it, 0.01.
    """
    ours, theirs = max(figure.median, 0.01), max(other.median, 0.01)
    return theirs / ours if figure.less_is_better else ours / theirs


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this share (0 to 1) of them does not exceed."""
    ordered = sorted(samples)
    index = max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))
    return ordered[index]


def to_line(figure: Figure) -> str:
    """The figure as one line of JSON."""
    return json.dumps(asdict(figure), separators=(",", ":"))


def from_line(line: str) -> Figure:
    """The figure of `to_line`'s text."""
    members: dict[str, Any] = json.loads(line)
    members["samples"] = tuple(members["samples"])
    members["cpu_us"] = tuple(members["cpu_us"])
    return Figure(**members)

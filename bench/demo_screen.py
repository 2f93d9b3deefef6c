"""What the demo prints: a table drawn again in place on a terminal, one line per change elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from bench.demo_progress import Attempt, Progress, Stage

#: In the order the workflow calls them.
ACTIVITIES = ("resize", "predominantcolor", "renameimage")

_COLORS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34"}
_MARKS = {
    Stage.SCHEDULED: ("·", "dim"),
    Stage.RUNNING: ("▶", "yellow"),
    Stage.COMPLETED: ("✓", "green"),
    Stage.FAILED: ("✗", "red"),
    Stage.TIMED_OUT: ("✗", "red"),
}


class Screen:
    """Where the demo writes. Colours, and drawing in place, only on a terminal."""

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output or sys.stdout
        self.is_terminal = self._output.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._has_colors = self.is_terminal and "NO_COLOR" not in os.environ
        self._began = time.monotonic()
        #: Lines of the table that stand on the terminal and will be drawn over.
        self._drawn = 0
        self._told: set[tuple[str, int]] = set()

    def style(self, text: str, name: str) -> str:
        """The text in a colour or weight."""
        return f"\x1b[{_COLORS[name]}m{text}\x1b[0m" if self._has_colors and name in _COLORS else text

    def say(self, text: str = "") -> None:
        """One line, below whatever has been drawn."""
        self._drawn = 0
        print(text, file=self._output, flush=True)

    def title(self, text: str) -> None:
        """The beginning of a new part."""
        self.say()
        self.say(self.style(text, "bold"))

    def show(self, progress: Mapping[str, Progress], *, now: float) -> None:
        """How far all are, at this time (epoch seconds): the table again, or what is new."""
        if not self.is_terminal:
            self._tell(progress)
            return
        head = self.style(f"  {'':<12} {'   '.join(ACTIVITIES)}", "dim")
        lines = [head, *(self._row(name, one, now) for name, one in progress.items())]
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        print(up + "".join(f"\x1b[2K{line}\n" for line in lines), end="", file=self._output, flush=True)
        self._drawn = len(lines)

    def _tell(self, progress: Mapping[str, Progress]) -> None:
        for name, one in progress.items():
            for activity in ACTIVITIES:
                for number, attempt in enumerate(one.of(activity)):
                    if attempt.stage is not Stage.SCHEDULED:
                        self._once(f"{name:<12} {activity} {_outcome(attempt)}", number)
            if one.closed:
                self._once(f"{name:<12} workflow {one.closed.lower()}", 0)

    def _once(self, line: str, attempt: int) -> None:
        if (line, attempt) not in self._told:
            self._told.add((line, attempt))
            self.say(f"  {time.monotonic() - self._began:5.1f} s  {line}")

    def _row(self, name: str, progress: Progress, now: float) -> str:
        cells = "".join(self._cell(activity, progress.of(activity), now) for activity in ACTIVITIES)
        end = self.style(progress.closed.lower(), "green" if progress.closed == "Completed" else "red")
        return f"  {name:<12} {cells} {end}"

    def _cell(self, activity: str, attempts: Sequence[Attempt], now: float) -> str:
        """Seconds and one mark per attempt, as wide as the name of the activity above it."""
        running = [a for a in attempts if a.stage is Stage.RUNNING]
        seconds = now - running[0].started_at if running else sum(a.duration_s for a in attempts)
        shown = f"{max(0.0, seconds):.1f} s" if running or seconds else ""
        marks = "".join(self.style(*_MARKS[attempt.stage]) for attempt in attempts)
        room = len(activity) + 3 - len(shown) - 1 - len(attempts)
        return f"{shown} {marks}{' ' * room}" if room >= 0 else f"{shown} {marks} "


def _outcome(attempt: Attempt) -> str:
    if attempt.stage is Stage.RUNNING:
        return "started"
    if attempt.stage is Stage.COMPLETED:
        return f"completed in {attempt.duration_s:.2f} s"
    return f"{attempt.stage.value} after {attempt.duration_s:.2f} s: {attempt.reason}"


def summary(rows: Mapping[str, Progress], screen: Screen) -> list[str]:
    """The table of results: time of each activity, colour, path."""
    heads = (
        f"  {'picture':<12} {'resize':>8} {'predominantcolor':>17} {'renameimage':>12}  {'colour':<7} path"
    )
    lines = [screen.style(heads, "dim")]
    for name, one in rows.items():
        times = {a: _times(one.of(a)) for a in ACTIVITIES}
        path = str(one.result)
        color = path.rsplit("/", 2)[-2]
        lines.append(
            f"  {name:<12} {times['resize']:>8} {times['predominantcolor']:>17} {times['renameimage']:>12}"
            f"  {screen.style(f'{color:<7}', color if color in _COLORS else 'dim')} {path}"
        )
    return lines


def _times(attempts: Sequence[Attempt]) -> str:
    """Such as "0.52 s", with "+" between the attempts of one that was tried again."""
    return " + ".join(f"{attempt.duration_s:.2f}" for attempt in attempts) + " s"

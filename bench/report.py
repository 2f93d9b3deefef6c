"""What one invocation of the benchmark measured: its text, and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import machine, plot, table
from bench.figures import Figure, joined, to_line
from bench.growth import CURVES

_LEFT_OUT = "Left out (`make bench-peers` installs what package clients can)"


@dataclass(slots=True, kw_only=True)
class Report:
    """Figures as they come in, and what is made of them."""

    #: Of the machine.
    facts: dict[str, Any]
    #: Names of the systems, in the order of the table's columns.
    systems: list[str]
    #: Those of them that the first one is compared with.
    rivals: frozenset[str]
    #: In the order in which they were measured, one for each run.
    figures: list[Figure] = field(default_factory=list)
    #: Systems that are not here, and why.
    left_out: list[str] = field(default_factory=list)
    #: What could not be measured, and why.
    failures: list[str] = field(default_factory=list)

    def for_terminal(self) -> str:
        """The machine, the tables, what is left out and what failed, in narrow lines."""
        compared = self._compared()
        return self._text(table.listing(compared, self.systems) if compared else [])

    def for_pages(self) -> str:
        """The same as Markdown, with a column for each system."""
        compared = self._compared()
        return self._text(table.rows(compared, self.systems, self.rivals) if compared else [])

    def _text(self, scenarios: list[list[str]]) -> str:
        parts = [machine.described(self.facts) + "\n"]
        if scenarios:
            parts.append(table.markdown(scenarios))
        if curves := self._curves():
            parts.append(table.markdown(table.curve_rows(curves)))
        for title, lines in ((_LEFT_OUT, self.left_out), ("Failed", self.failures)):
            if lines:
                parts.append("\n".join((f"{title}:", "", *(f"- {line}" for line in lines), "")))
        return "\n".join(parts)

    def write(self, folder: Path) -> None:
        """bench.md, bench.jsonl with every sample, and the plots as SVG."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bench.md").write_text(self.for_pages())
        lines = [json.dumps({"machine": self.facts, "left_out": self.left_out, "failures": self.failures})]
        lines += map(to_line, joined(self.figures))
        (folder / "bench.jsonl").write_text("\n".join(lines) + "\n")
        if compared := self._compared():
            (folder / "bench.svg").write_text(plot.bars(compared, self.systems))
        curves = [figure for figure in self._curves() if figure.samples]
        for name in dict.fromkeys(figure.scenario for figure in curves):
            drawn = plot.lines([figure for figure in curves if figure.scenario == name])
            (folder / f"bench-{name}.svg").write_text(drawn)

    def _compared(self) -> list[Figure]:
        return [figure for figure in joined(self.figures) if figure.scenario not in CURVES]

    def _curves(self) -> list[Figure]:
        return [figure for figure in joined(self.figures) if figure.scenario in CURVES]

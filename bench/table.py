"""Figures as tables for people: for pages one column per system, for terminals one row per system.

Pure. Columns are aligned, so that a text reads the same in a terminal and in Markdown.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence

from bench.figures import Figure, advantage


def shown(value: float) -> str:
    """A value with three significant digits and no exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def cell(figure: Figure | None) -> str:
    """Median, minimum to maximum, and CPU per activity."""
    if figure is None:
        return ""
    if not figure.samples:
        return f"- ({figure.skipped})" if figure.skipped else "-"
    text = f"{shown(figure.median)} {figure.unit}".rstrip()
    if len(figure.samples) > 1:
        text += f" ({shown(min(figure.samples))} to {shown(max(figure.samples))})"
    if figure.cpu_us:
        text += f", {shown(statistics.median(figure.cpu_us))} µs CPU"
    return text


def listing(figures: Sequence[Figure], systems: Sequence[str]) -> list[list[str]]:
    """One row per quantity and system, by scenario, narrow enough for a terminal; a last column holds the
    advantage of the first system over each of the others."""
    against = f"{systems[0]} against it" if systems[1:] else ""
    table = [["", "", "median", "least to most", "µs CPU", against]]
    for scenario, what in _quantities(figures):
        by_system = {f.system: f for f in figures if (f.scenario, f.what) == (scenario, what)}
        label = f"{scenario} {what}"
        for name in systems:
            if name in by_system:
                pair = [by_system[one] for one in (systems[0], name) if one in by_system]
                ratio = "" if name == systems[0] else _ratio(pair, systems[0])
                table.append([label, name, *_measured(by_system[name]), ratio])
                label = ""
    return table


def _measured(figure: Figure) -> list[str]:
    if not figure.samples:
        return ["-", figure.skipped, ""]
    extent = f"{shown(min(figure.samples))} to {shown(max(figure.samples))}"
    cpu = shown(statistics.median(figure.cpu_us)) if figure.cpu_us else ""
    value = f"{shown(figure.median)} {figure.unit}".rstrip()
    return [value, extent if len(figure.samples) > 1 else "", cpu]


def _quantities(figures: Sequence[Figure]) -> list[tuple[str, str]]:
    """Scenario and what is counted, by scenario."""
    found = dict.fromkeys((figure.scenario, figure.what) for figure in figures)
    return sorted(found, key=lambda one: one[0])


def rows(figures: Sequence[Figure], systems: Sequence[str], rivals: Collection[str]) -> list[list[str]]:
    """The heading and one row per quantity, by scenario; with rivals, a last column holds the
    advantage of the first system over the best of them."""
    compared = [systems[0], *(name for name in systems[1:] if name in rivals)]
    heading = ["", *systems, *([f"{systems[0]} against the best other"] if compared[1:] else [])]
    table = [heading]
    for scenario, what in _quantities(figures):
        by_system = {f.system: f for f in figures if (f.scenario, f.what) == (scenario, what)}
        row = [f"{scenario} {what}", *(cell(by_system.get(name)) for name in systems)]
        if compared[1:]:
            row.append(_ratio([by_system[name] for name in compared if name in by_system], compared[0]))
        table.append(row)
    return table


def _ratio(figures: Sequence[Figure], first: str) -> str:
    measured = [figure for figure in figures if figure.samples]
    # Counts (how many in flight, how many run twice) are read, not divided.
    if len(measured) < 2 or measured[0].system != first or not measured[0].unit:
        return ""
    ours, *others = measured
    least = min(advantage(ours, other) for other in others)
    return f"{shown(least)} times"


def markdown(table: Sequence[Sequence[str]]) -> str:
    """The rows as a Markdown table with aligned columns."""
    widths = [max(3, *(len(row[column]) for row in table)) for column in range(len(table[0]))]
    lines = [_line(row, widths) for row in table]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
    return "| " + " | ".join(cells) + " |"


def curve_rows(figures: Sequence[Figure]) -> list[list[str]]:
    """One row per position of each growth curve."""
    table = [["curve", "at", "what", "figure"]]
    for figure in figures:
        table.append([figure.scenario, f"{figure.x:,.0f}", figure.what, cell(figure)])
    return table

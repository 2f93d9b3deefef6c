"""Figures as SVG for the docs: grouped bars for the scenarios, lines for the growth curves.

Pure, and no library: the pictures are a few rectangles, lines and texts. Colours are told apart without
red and green, text takes the page's colour, so both light and dark pages can show them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bench.figures import Figure, advantage
from bench.table import shown

_COLOURS = (
    "#0072b2",
    "#999999",
    "#e69f00",
    "#56b4e9",
    "#cc79a7",
    "#d55e00",
    "#009e73",
    "#b8a200",
    "#5e4fa2",
    "#a6611a",
)
_BAR = 13
_LABEL_WIDTH = 300
_PLOT_WIDTH = 480
_VALUE_WIDTH = 150
#: The shortest bar, as a share of the longest.
_SHORTEST = 0.003
_LINE_HEIGHT = 320


def bars(figures: Sequence[Figure], systems: Sequence[str]) -> str:
    """One group of bars per quantity, by scenario; the best is the longest bar.

    Length is the figure (or its inverse, where less is better) as a share of the best of the group, so that
    ahead reads the same everywhere; the value is written at the bar.
    """
    quantities = dict.fromkeys((f.scenario, f.what) for f in figures if f.samples)
    parts: list[str] = []
    y = 0
    for quantity in sorted(quantities, key=lambda quantity: quantity[0]):
        group = [
            f for name in systems for f in figures if (f.scenario, f.what) == quantity and f.system == name
        ]
        group = [f for f in group if f.samples]
        parts.append(_text(0, y + 11, " ".join(quantity), weight="bold"))
        y += 18
        for figure in group:
            width = _PLOT_WIDTH * _share(figure, group)
            colour = _COLOURS[systems.index(figure.system) % len(_COLOURS)]
            parts.append(_text(_LABEL_WIDTH - 8, y + 10, figure.system, anchor="end"))
            parts.append(_rectangle(_LABEL_WIDTH, y, width, colour))
            parts.append(_text(_LABEL_WIDTH + width + 6, y + 10, f"{shown(figure.median)} {figure.unit}"))
            y += _BAR + 3
        y += 10
    return _document(_LABEL_WIDTH + _PLOT_WIDTH + _VALUE_WIDTH, y, parts)


def _share(figure: Figure, group: Sequence[Figure]) -> float:
    """Length of a bar: the figure's worth as a share of the best one's, or just so much that it is seen."""
    return max(_SHORTEST, min(advantage(figure, other) for other in group))


def lines(figures: Sequence[Figure]) -> str:
    """One line per quantity and system over x, both axes logarithmic where they span more than a decade."""
    series: dict[str, list[Figure]] = {}
    for figure in figures:
        if figure.samples:
            series.setdefault(f"{figure.system}: {figure.what}", []).append(figure)
    points = [figure for one in series.values() for figure in one]
    across = _Axis([figure.x for figure in points], 70, _PLOT_WIDTH + 70)
    up = _Axis([figure.median for figure in points], _LINE_HEIGHT, 20, from_zero=True)
    parts = [_text(across.place(x), _LINE_HEIGHT + 18, f"{x:,.0f}", anchor="middle") for x in across.ticks()]
    for value in up.ticks():
        y = up.place(value)
        ends = f'x1="70" y1="{y:.1f}" x2="{_PLOT_WIDTH + 70}" y2="{y:.1f}"'
        parts.append(f'<line {ends} stroke="#888" stroke-width="0.4"/>')
        parts.append(_text(64, y + 4, shown(value), anchor="end"))
    for number, (name, one) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{across.place(f.x):.1f},{up.place(f.median):.1f}" for f in one)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{across.place(f.x):.1f}" cy="{up.place(f.median):.1f}" r="3" fill="{colour}"/>'
            for f in one
        ]
        y = _LINE_HEIGHT + 44 + 18 * number
        parts.append(_rectangle(70, y - 10, 12, colour))
        parts.append(_text(90, y + 1, f"{name}, {one[0].unit}"))
    height = _LINE_HEIGHT + 50 + 18 * len(series)
    return _document(_PLOT_WIDTH + 130, height, parts)


class _Axis:
    """Values to pixels."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, from_zero: bool = False) -> None:
        low, high = min(values), max(values)
        self._logarithmic = low > 0 and high / low > 10
        self._values = sorted(set(values))
        if from_zero and not self._logarithmic:
            low = 0.0
        self._low, self._high, self._start, self._end = low, max(high, low + 1e-9), start, end

    def place(self, value: float) -> float:
        """The pixel of a value."""
        if self._logarithmic:
            share = math.log(value / self._low) / math.log(self._high / self._low)
        else:
            share = (value - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Up to nine values worth a label."""
        if self._logarithmic or len(self._values) <= 9:
            chosen = self._values[:: math.ceil(len(self._values) / 9)]
            return chosen if self._start < self._end else [self._low, *chosen]
        step = (self._high - self._low) / 5
        return [self._low + step * i for i in range(6)]


def _rectangle(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_BAR - 1}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="#777">'
        f"{escape(text)}</text>"
    )


def _document(width: float, height: float, parts: Sequence[str]) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join((head, *parts, "</svg>", ""))

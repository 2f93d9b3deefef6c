"""The benchmark's plots are well-formed, and longer means better."""

from __future__ import annotations

from xml.etree import ElementTree

from bench.figures import Figure
from bench.plot import bars, lines

SVG = "{http://www.w3.org/2000/svg}"


def figure(system: str, value: float, *, less: bool = True, x: float = 0) -> Figure:
    return Figure(
        scenario="S1",
        what="a < b",
        system=system,
        unit="ms",
        less_is_better=less,
        samples=(value,),
        x=x,
    )


def widths(picture: str) -> list[float]:
    rectangles = ElementTree.fromstring(picture).iter(f"{SVG}rect")
    return [float(rectangle.attrib["width"]) for rectangle in rectangles][2:]


def test_the_lower_latency_has_the_longer_bar() -> None:
    fast, slow = widths(bars([figure("fast", 2), figure("slow", 16)], ["fast", "slow"]))

    assert fast > slow > 0


def test_the_higher_rate_has_the_longer_bar() -> None:
    figures = [figure("fast", 900, less=False), figure("slow", 9, less=False)]

    fast, slow = widths(bars(figures, ["fast", "slow"]))

    assert fast > slow > 0


def test_a_growth_curve_has_one_point_per_figure() -> None:
    picture = lines([figure("flowyd", 1_000 - x, x=x) for x in (100, 1_000, 10_000)])

    assert len(list(ElementTree.fromstring(picture).iter(f"{SVG}circle"))) == 3

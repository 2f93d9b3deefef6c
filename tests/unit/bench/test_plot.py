"""The benchmark's plots are well-formed, and longer means better."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from bench.figures import Figure
from bench.plot import bars, lines

#: System: its latency.
SPEEDS = {"fast": 2, "slow": 4, "least": 4_000}

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
    return [float(rectangle.attrib["width"]) for rectangle in rectangles]


def test_the_lower_latency_has_the_longer_bar() -> None:
    fast, slow = widths(bars([figure("fast", 2), figure("slow", 16)], ["fast", "slow"]))

    assert fast > slow > 0


def test_the_higher_rate_has_the_longer_bar() -> None:
    figures = [figure("fast", 900, less=False), figure("slow", 9, less=False)]

    fast, slow = widths(bars(figures, ["fast", "slow"]))

    assert fast > slow > 0


def test_half_as_good_is_half_as_long() -> None:
    fast, slow, least = widths(bars([figure(name, value) for name, value in SPEEDS.items()], list(SPEEDS)))

    assert slow == fast / 2
    assert 0 < least < fast / 100


def test_groups_come_by_scenario() -> None:
    later, earlier = replace(figure("one", 1), scenario="S6"), figure("one", 1)

    picture = bars([later, earlier], ["one"])

    assert picture.index("S1 ") < picture.index("S6 ")


def test_a_growth_curve_has_one_point_per_figure() -> None:
    picture = lines([figure("flowyd", 1_000 - x, x=x) for x in (100, 1_000, 10_000)])

    assert len(list(ElementTree.fromstring(picture).iter(f"{SVG}circle"))) == 3

"""The benchmark's statistics and its table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.figures import Figure, advantage, from_line, joined, percentile, to_line
from bench.table import cell, markdown, rows

FIGURE = Figure(
    scenario="S2",
    what="chain of 100",
    system="flowyd",
    unit="/s",
    less_is_better=False,
    samples=(900.0, 1_100.0, 1_000.0),
    cpu_us=(700.0, 800.0, 750.0),
)


def test_runs_of_one_quantity_and_system_become_one_figure() -> None:
    first = replace(FIGURE, samples=(900.0,), cpu_us=(700.0,))
    second = replace(FIGURE, samples=(1_100.0, 1_000.0), cpu_us=(800.0, 750.0))
    other = replace(FIGURE, system="another")

    assert joined([first, other, second]) == [FIGURE, other]


def test_a_figure_survives_its_line_of_json() -> None:
    assert from_line(to_line(FIGURE)) == FIGURE


@pytest.mark.parametrize(
    ("less_is_better", "ours", "theirs", "expected"),
    [
        pytest.param(False, 300.0, 100.0, 3.0, id="more per second"),
        pytest.param(True, 2.0, 8.0, 4.0, id="less latency"),
        pytest.param(True, 8.0, 2.0, 0.25, id="more latency"),
        pytest.param(True, 0.0, 5.0, 500.0, id="nothing counts as a hundredth"),
    ],
)
def test_advantage_is_above_one_when_ahead(
    less_is_better: bool, ours: float, theirs: float, expected: float
) -> None:
    figure = replace(FIGURE, less_is_better=less_is_better)

    assert advantage(replace(figure, samples=(ours,)), replace(figure, samples=(theirs,))) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 2), (0.99, 4), (0.75, 3), (1.0, 4), (0.0, 1)], ids=lambda value: str(value)
)
def test_percentile_is_a_sample_that_the_share_does_not_exceed(share: float, expected: float) -> None:
    assert percentile([4, 1, 3, 2], share) == expected


def test_cell_shows_median_range_and_cpu() -> None:
    assert cell(FIGURE) == "1,000 /s (900 to 1,100), 750 µs CPU"


def test_cell_of_a_skipped_figure_says_why() -> None:
    assert cell(replace(FIGURE, samples=(), cpu_us=(), skipped="takes minutes")) == "- (takes minutes)"


def test_table_compares_the_first_system_with_the_best_rival_but_not_with_a_floor() -> None:
    floor = replace(FIGURE, system="floor", samples=(2_000.0,))
    slow = replace(FIGURE, system="slow", samples=(10.0,))
    best = replace(FIGURE, system="best", samples=(500.0,))

    systems = ["flowyd", "floor", "slow", "best"]
    table = rows([FIGURE, floor, slow, best], systems, {"slow", "best"})

    assert table[1][0] == "S2 chain of 100"
    assert table[1][-1] == "2.00 times"


def test_rows_are_in_the_order_of_the_scenarios_and_not_of_the_runs() -> None:
    figures = [replace(FIGURE, scenario=scenario) for scenario in ("S6", "S1", "S2")]

    assert [row[0][:2] for row in rows(figures, ["flowyd"], ())[1:]] == ["S1", "S2", "S6"]


def test_nothing_is_compared_without_a_rival() -> None:
    floor = replace(FIGURE, system="floor")

    assert rows([FIGURE, floor], ["flowyd", "floor"], ())[0] == ["", "flowyd", "floor"]


def test_markdown_lines_are_equally_long() -> None:
    text = markdown([["", "flowyd"], ["S1 latency", "2 ms"]])

    assert len({len(line) for line in text.splitlines()}) == 1

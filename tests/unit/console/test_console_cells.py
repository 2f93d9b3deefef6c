"""Columns share the width they are given; numbers are written as people read them."""

from __future__ import annotations

import pytest

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Column, cell, cut_inside, cut_path, fit, plain, widths


def column(width: int, *, stretch: int = 0, spare: int = 0) -> Column[str]:
    return Column(title="x", draw=lambda item, _width: cell(item), width=width, stretch=stretch, spare=spare)


def test_what_is_left_over_goes_to_the_stretching_columns_by_share() -> None:
    columns = [column(10), column(10, stretch=1), column(10, stretch=3)]

    assert widths(columns, 34 + 8) == [10, 12, 16]


def test_columns_are_left_out_by_spare_until_the_rest_fits() -> None:
    columns = [column(10), column(10, spare=1), column(10, spare=2)]

    assert widths(columns, 24) == [10, 10, 0]


def test_a_column_without_spare_is_never_left_out() -> None:
    assert widths([column(10), column(10)], 5) == [10, 10]


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("abc", 5, "abc  "), ("abcdef", 5, "abcd…"), ("abc", 3, "abc"), ("abc", 0, "")],
)
def test_a_text_is_cut_or_padded_to_its_width(text: str, width: int, expected: str) -> None:
    assert fit(text, width) == expected


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("order-7", 10, "order-7"),
        ("22xCJkqfwUyQN448PVz2jRwqftem-picture-1-0", 21, "22xCJkqfwU…icture-1-0"),
        ("abcdef", 1, "…"),
        ("abcdef", 0, ""),
    ],
)
def test_a_name_is_cut_in_its_middle_as_both_ends_tell_it_apart(text: str, width: int, expected: str) -> None:
    assert cut_inside(text, width) == expected


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (40, "/srv/flowyd/activities/captions.py"),
        (24, "…/activities/captions.py"),
        (20, "…/captions.py"),
        (8, "…ions.py"),
    ],
)
def test_of_a_path_whole_names_are_kept_from_its_end(width: int, expected: str) -> None:
    assert cut_path("/srv/flowyd/activities/captions.py", width) == expected


def test_control_characters_never_reach_the_terminal() -> None:
    assert plain(cell("a\x1b[31m\nb")) == "a [31m b"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "-"),
        (0.0, "0ms"),
        (0.82, "820ms"),
        (4.2, "4.2s"),
        (59.7, "1m"),
        (192, "3m 12s"),
        (3_600, "1h"),
        (187_200, "2d 4h"),
    ],
)
def test_durations_are_written_in_their_two_largest_units(seconds: float | None, expected: str) -> None:
    assert wording.duration(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 B"), (1_400, "1.4 kB"), (99_600_000, "99.6 MB"), (999_600, "1.0 MB")]
)
def test_bytes_are_written_in_powers_of_a_thousand(count: int, expected: str) -> None:
    assert wording.size(count) == expected

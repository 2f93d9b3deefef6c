"""Tables: aligned, fitted to the width there is, whole where there is none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowyd.cli.char_width import cut, width
from flowyd.cli.output import Page, safe
from flowyd.cli.tables import shortened, table
from flowyd.console.view_model.cells import Column, Part, Tone, cell, plain

Row = tuple[str, str, str]

COLUMNS: tuple[Column[Row], ...] = (
    Column(title="Name", draw=lambda r, _w: cell(r[0]), width=6, stretch=1),
    Column(title="N", draw=lambda r, _w: cell(r[1]), width=3, right=True),
    Column(title="Note", draw=lambda r, _w: cell(r[2], Tone.DIM), width=6, stretch=2, spare=1),
)


def page(width: int | None, *, colours: bool = False) -> Page:
    return Page(width=width, height=24, colours=colours, live=False)


def test_columns_are_as_narrow_as_their_content() -> None:
    assert table(COLUMNS, [("a", "1", "x"), ("bb", "10", "yy")], page(80)) == [
        "NAME   N  NOTE",
        "a      1  x",
        "bb    10  yy",
    ]


def test_an_empty_column_that_can_be_spared_is_left_out() -> None:
    assert table(COLUMNS, [("a", "1", "")], page(None)) == ["NAME  N", "a     1"]


def test_a_column_that_can_be_spared_goes_first() -> None:
    lines = table(COLUMNS, [("a long name", "1", "a note")], page(16))

    assert lines == ["NAME         N", "a long name  1"]


def test_what_is_too_long_is_cut_with_an_ellipsis() -> None:
    lines = table(COLUMNS, [("a name that is long", "1", "a note that is even longer")], page(40))

    assert lines[1].startswith("a name that i")
    assert lines[1].count("…") == 2
    assert max(map(len, lines)) == 40


def test_colours_do_not_disturb_the_alignment() -> None:
    rows = [("a", "1", "x"), ("b", "2", "y")]

    coloured = table(COLUMNS, rows, page(80, colours=True))

    assert coloured[1] == "a     1  \x1b[2mx\x1b[0m"
    assert [re.sub(r"\x1b\[\d+m", "", line).rstrip() for line in coloured] == table(COLUMNS, rows, page(80))


@given(st.lists(st.tuples(st.text(), st.text(max_size=3), st.text()), max_size=5), st.integers(25, 120))
def test_no_line_is_wider_than_the_page(rows: list[Row], size: int) -> None:
    assert all(width(line) <= size for line in table(COLUMNS, rows, page(size)))


def test_wide_characters_take_two_columns() -> None:
    lines = table(COLUMNS, [("画像", "1", "x"), ("abcd", "2", "y")], page(40))

    assert lines[1:] == ["画像  1  x", "abcd  2  y"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("abc", 3),
        ("✔ ▶ ░█", 6),
        ("画像", 4),
        ("🎨", 2),
        ("e\u0301", 1),
        ("Größe", 5),
        ("👩\u200d👩\u200d👧", 2),
    ],
)
def test_the_width_of_a_text_is_what_it_takes_on_the_screen(text: str, columns: int) -> None:
    assert width(text) == columns


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs"))), st.integers(0, 40))
def test_a_cut_text_fits_and_is_a_beginning(text: str, size: int) -> None:
    short = cut(text, size)

    assert width(short) <= size
    assert text.startswith(short)


@pytest.mark.parametrize(("size", "text"), [(5, "ab cd"), (4, "ab …"), (2, "a…"), (1, "…")])
def test_a_cell_is_cut_at_its_width(size: int, text: str) -> None:
    assert plain(shortened((Part("ab "), Part("cd", Tone.BAD)), size)) == text


def test_text_of_others_cannot_steer_the_terminal() -> None:
    assert safe("a\x1b[2Jb\nc\td") == "a [2Jb\nc   d"

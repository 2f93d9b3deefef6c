"""Rows that are collected: what is put behind them, and what was taken from them before."""

from __future__ import annotations

from flowyd.engine.writes import Writes


def test_statements_are_not_changed_by_what_follows() -> None:
    first, second = Writes(), Writes()
    first.add_event(1, 1, "first")
    second.add_event(1, 2, "second")
    statements = first.statements()

    both = first.followed_by(second)

    assert [rows for _, rows in statements] == [[(1, 1, "first")]]
    assert [rows for _, rows in both.statements()] == [[(1, 1, "first"), (1, 2, "second")]]


def test_nothing_followed_by_something_is_that() -> None:
    later = Writes()
    later.add_event(1, 1, "first")

    assert Writes().followed_by(later).statements() == later.statements()

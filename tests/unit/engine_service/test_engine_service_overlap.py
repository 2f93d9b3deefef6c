"""When a turn is written: the rule alone; the tests of held and of early turns have it at work."""

from __future__ import annotations

import pytest

from flowyd.engine.overlap import Overlap, When


def when(
    overlap: Overlap,
    *,
    is_awaited: bool = True,
    is_early: bool = False,
    is_writing: bool = False,
    more_waits: bool = False,
) -> When:
    return overlap.when(
        is_awaited=is_awaited, is_early=is_early, is_writing=is_writing, more_waits=lambda: more_waits
    )


def test_a_lonely_turn_is_waited_for() -> None:
    assert when(Overlap()) is When.NOW


@pytest.mark.parametrize("why", ["is_early", "is_writing", "more_waits"])
def test_a_turn_goes_on_where_there_is_something_to_go_on_with(why: str) -> None:
    assert when(Overlap(), **{why: True}) is When.MEANWHILE


@pytest.mark.parametrize("is_early", [True, False])
@pytest.mark.parametrize("is_writing", [True, False])
def test_a_turn_that_nobody_waits_for_is_written_with_the_next(is_early: bool, is_writing: bool) -> None:
    found = when(Overlap(), is_awaited=False, is_early=is_early, is_writing=is_writing, more_waits=True)

    assert found is When.WITH_NEXT


def test_calls_that_came_in_while_a_turn_was_waited_for_let_the_next_go_on() -> None:
    overlap = Overlap()

    overlap.was_waited_for(more_waits=True)

    assert when(overlap) is When.MEANWHILE


def test_turns_go_on_as_long_as_others_join_them() -> None:
    overlap = Overlap()
    when(overlap, more_waits=True)
    when(overlap, is_writing=True)
    overlap.was_written()
    assert when(overlap) is When.MEANWHILE

    overlap.was_written()

    assert when(overlap) is When.NOW

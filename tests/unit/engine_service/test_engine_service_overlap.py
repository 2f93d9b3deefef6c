"""Whether a turn is waited for: the rule alone; the tests of held turns have it at work."""

from __future__ import annotations

from flowyd.engine.overlap import Overlap


def yes() -> bool:
    return True


def no() -> bool:
    return False


def test_a_lonely_turn_is_waited_for() -> None:
    assert not Overlap().goes_on(is_writing=False, more_waits=no)


def test_a_turn_goes_on_where_calls_wait_or_another_is_being_written() -> None:
    assert Overlap().goes_on(is_writing=False, more_waits=yes)
    assert Overlap().goes_on(is_writing=True, more_waits=no)


def test_calls_that_came_in_while_a_turn_was_waited_for_let_the_next_go_on() -> None:
    overlap = Overlap()

    overlap.was_waited_for(more_waits=True)

    assert overlap.goes_on(is_writing=False, more_waits=no)


def test_turns_go_on_as_long_as_others_join_them() -> None:
    overlap = Overlap()
    overlap.goes_on(is_writing=False, more_waits=yes)
    overlap.goes_on(is_writing=True, more_waits=no)
    overlap.was_written()
    assert overlap.goes_on(is_writing=False, more_waits=no)

    overlap.was_written()

    assert not overlap.goes_on(is_writing=False, more_waits=no)

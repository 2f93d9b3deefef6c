"""How many tasks are taken at once follows from how long decisions take."""

from __future__ import annotations

from flowyd.worker.pace import MOST, TOGETHER_S, Pace


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def after(*decisions_s: float) -> int:
    """How many tasks are taken once so many decisions took so long."""
    clock = Clock()
    pace = Pace(clock)
    for each_s in decisions_s:
        began_at = clock()
        clock.at += each_s
        pace.note(1, began_at)
    return pace.tasks


def test_the_first_task_is_taken_alone() -> None:
    assert after() == 1


def test_quick_decisions_come_many_at_once() -> None:
    assert after(*[0.0001] * 30) == MOST


def test_slow_decisions_come_one_at_a_time() -> None:
    assert after(*[0.0001] * 30, *[0.1] * 3) == 1


def test_decisions_between_come_as_many_as_fit() -> None:
    assert after(*[TOGETHER_S / 3.5] * 50) == 3


def test_decisions_too_short_to_measure_are_quick() -> None:
    assert after(*[0.0] * 200) == MOST


def test_answers_wait_only_so_long() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert not pace.is_over(0.0)
    clock.at = TOGETHER_S * 1.01
    assert pace.is_over(0.0)

"""kill -9 of a real engine under load, in short; `python -m tests.system.crashes` goes on for longer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.system.crash_engine import POINTS
from tests.system.crashes import Crashes


@pytest.fixture
def crashes(tmp_path: Path) -> Crashes:
    """A prepared file."""
    crashes = Crashes(tmp_path, random.Random(20))
    crashes.prepare()
    return crashes


def test_what_was_acknowledged_is_there_once_after_deaths_at_random_moments(crashes: Crashes) -> None:
    wrong = [each for number in range(4) for each in crashes.kill_at_random(number)]

    assert wrong == []
    assert crashes.acknowledged > 100
    assert crashes.finish() == []


@pytest.mark.parametrize("point", POINTS)
def test_what_was_acknowledged_is_there_once_after_a_death_at_the_worst_point(
    crashes: Crashes, point: str
) -> None:
    wrong = [each for number in range(3) for each in crashes.die_at(point, number)]

    assert wrong == []
    assert crashes.executions
    assert crashes.finish() == []

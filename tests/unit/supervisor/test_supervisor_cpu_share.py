"""The share of a core, however often and by whomever it is looked at."""

from __future__ import annotations

import pytest

from flowyd.supervisor.cpu_share import CpuShare


def test_a_worker_that_burns_after_an_idle_hour_is_not_told_to_be_idle() -> None:
    share = CpuShare(started_at=0.0)
    share.look(1.0, 3600.0)  # The report that its task began.

    assert share.look(4.0, 3603.0) == 100.0


def test_two_who_ask_at_once_are_told_the_same() -> None:
    share = CpuShare(started_at=0.0)
    share.look(0.0, 10.0)
    first = share.look(1.0, 11.0)

    assert share.look(1.0, 11.001) == first == 100.0


def test_askers_in_quick_turns_do_not_hide_what_is_used() -> None:
    share = CpuShare(started_at=0.0)
    told = [share.look(0.5 * moment / 20, moment / 20) for moment in range(2, 200)]

    assert told[10:] == [pytest.approx(50.0)] * len(told[10:])


def test_a_look_is_due_only_after_a_while() -> None:
    share = CpuShare(started_at=0.0)
    share.look(0.0, 10.0)

    assert not share.is_due(10.4)
    assert share.is_due(10.5)

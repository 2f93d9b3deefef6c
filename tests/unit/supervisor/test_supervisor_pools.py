"""A pool as the supervisor holds it: the decision tasks that its dead workers leave to the next one."""

from __future__ import annotations

import pytest

from flowyd.control.reports import TaskInHand
from flowyd.supervisor.pools import PoolState


def task(token: str) -> TaskInHand:
    return TaskInHand(
        kind="decision", task_token=token, type_name="t", type_version="1", workflow_id=token, run_id=token
    )


A, B, C, D = (task(token) for token in "abcd")


@pytest.fixture
def pool() -> PoolState:
    return PoolState(config=None, processes=1)


@pytest.mark.parametrize("suspect", [A, B, C], ids=["first", "between", "last"])
def test_what_a_worker_died_deciding_comes_after_all_that_came_with_it(
    pool: PoolState, suspect: TaskInHand
) -> None:
    pool.orphan([A, B, C], running=suspect)

    *others, last = pool.take_orphans()
    assert last is suspect
    assert others == [each for each in (A, B, C) if each is not suspect]


def test_orphans_are_taken_once(pool: PoolState) -> None:
    pool.orphan([A, B], running=A)
    pool.take_orphans()

    assert pool.take_orphans() == ()


def test_what_two_workers_died_deciding_is_left_to_time_out_and_the_others_are_not(pool: PoolState) -> None:
    pool.orphan([A, B, C], running=A)
    pool.take_orphans()

    pool.orphan([C, A], running=A)

    assert pool.take_orphans() == (C,)


def test_each_of_several_that_kill_has_its_second_time(pool: PoolState) -> None:
    deaths = [([A, B, C], A), ([B, C, A], B), ([C, A, B], A), ([C, B], C), ([B, C], B)]
    left = []
    for in_hand, running in deaths:
        pool.orphan(in_hand, running=running)
        left.append(pool.take_orphans())

    assert left == [(B, C, A), (C, A, B), (C, B), (B, C), (C,)]


def test_others_may_come_with_any_number_of_deaths(pool: PoolState) -> None:
    for suspect in (B, C, D):
        pool.orphan([A, suspect], running=suspect)
        assert pool.take_orphans() == (A, suspect)


def test_a_worker_that_died_deciding_nothing_leaves_no_suspect(pool: PoolState) -> None:
    for _ in range(3):
        pool.orphan([A, B], running=None)

        assert pool.take_orphans() == (A, B)


def test_what_was_decided_already_is_no_suspect_of_what_is_in_hand(pool: PoolState) -> None:
    """The report may be of a task before; the worker died before it began with the next ones."""
    pool.orphan([A, B], running=D)
    pool.take_orphans()

    pool.orphan([D], running=D)

    assert pool.take_orphans() == (D,)


def test_orphans_of_several_dead_workers_wait_in_the_order_of_the_deaths(pool: PoolState) -> None:
    pool.orphan([A, B], running=A)
    pool.orphan([C, D], running=C)

    assert pool.take_orphans() == (B, A, D, C)

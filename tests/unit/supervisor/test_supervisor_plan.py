"""The supervisor's plan: tables of situations, and properties that hold in every one of them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowyd.supervisor.plan import (
    FATAL_DEATHS,
    FATAL_RETRY_S,
    Action,
    Check,
    ChildSeen,
    DumpStack,
    Ending,
    Kill,
    PoolWanted,
    Seen,
    SlotSeen,
    Start,
    Stop,
    StopReason,
    Wanted,
    after_death,
    end_within_s,
    next_look_at,
    plan,
    rested,
)
from flowyd.supervisor.pools import PoolState

NOW = 1000.0
ENGINE = PoolWanted(name="engine", rank=0, processes=1)
IMAGES = PoolWanted(name="images", rank=2, processes=2)
DECISIONS = PoolWanted(name="decisions", rank=1, processes=1)


def child(pid: int, pool: PoolWanted = IMAGES, **facts: object) -> ChildSeen:
    members = {"slot": 0, "generation": 0, "started_at": NOW - 100, "ready": True, **facts}
    return ChildSeen(pid=pid, pool=pool.name, rank=pool.rank, **members)  # type: ignore[arg-type]


def test_missing_children_are_started_and_nothing_before_the_engine_was_ready() -> None:
    wanted = Wanted(pools=(ENGINE, IMAGES))

    first = plan(wanted, Seen(engine_was_ready=False), NOW)
    later = plan(wanted, Seen(children=(child(1, ENGINE),)), NOW)

    assert first == [Start(pool="engine", slot=0)]
    assert later == [Start(pool="images", slot=0), Start(pool="images", slot=1)]


def test_workers_go_on_while_the_engine_is_restarted() -> None:
    seen = Seen(children=(child(2), child(3, slot=1)))

    assert plan(Wanted(pools=(ENGINE, IMAGES)), seen, NOW) == [Start(pool="engine", slot=0)]


def test_a_slot_in_its_pause_is_started_when_the_pause_is_over() -> None:
    wanted = Wanted(pools=(DECISIONS,))
    seen = Seen(slots={("decisions", 0): SlotSeen(fast_deaths=3, retry_at=NOW + 2)})

    assert plan(wanted, seen, NOW) == []
    assert next_look_at(wanted, seen) == NOW + 2
    assert plan(wanted, seen, NOW + 2) == [Start(pool="decisions", slot=0)]


def test_a_pool_made_smaller_stops_the_highest_slots() -> None:
    seen = Seen(children=(child(1), child(2, slot=1)))

    actions = plan(Wanted(pools=(replace(IMAGES, processes=1),)), seen, NOW)

    assert actions == [Stop(pid=2, reason=StopReason.RESIZED, kill_at=NOW + 30)]


def test_children_of_a_removed_pool_are_stopped() -> None:
    assert plan(Wanted(pools=()), Seen(children=(child(1),)), NOW) == [
        Stop(pid=1, reason=StopReason.RESIZED, kill_at=NOW + 30)
    ]


def test_a_drained_pool_stops_all_and_starts_none() -> None:
    seen = Seen(children=(child(1),))

    actions = plan(Wanted(pools=(replace(IMAGES, drained=True),)), seen, NOW)

    assert actions == [Stop(pid=1, reason=StopReason.DRAINED, kill_at=NOW + 30)]


def test_a_child_past_its_stop_deadline_is_killed_once() -> None:
    late = child(1, kill_at=NOW - 1)
    wanted = Wanted(pools=(replace(IMAGES, processes=1),))

    assert plan(wanted, Seen(children=(late,)), NOW) == [Kill(pid=1)]
    assert plan(wanted, Seen(children=(replace(late, killed=True),)), NOW) == []


def test_a_late_child_without_a_task_is_dumped_and_stopped() -> None:
    seen = Seen(children=(child(1, until=NOW - 1),))

    actions = plan(Wanted(pools=(replace(IMAGES, processes=1),)), seen, NOW)

    assert actions == [DumpStack(pid=1), Stop(pid=1, reason=StopReason.HUNG, kill_at=NOW + 2)]


def test_a_late_task_is_looked_up_before_its_worker_counts_as_hung() -> None:
    late = child(1, until=NOW - 1, in_task=True)
    wanted = Wanted(pools=(replace(IMAGES, processes=1),))

    assert plan(wanted, Seen(children=(late,)), NOW) == [Check(pid=1)]
    assert plan(wanted, Seen(children=(replace(late, being_checked=True),)), NOW) == []
    assert DumpStack(pid=1) in plan(wanted, Seen(children=(replace(late, hung=True),)), NOW)


def test_a_new_generation_comes_up_before_an_old_child_is_told_to_stop() -> None:
    pool = replace(IMAGES, generation=1)
    old = (child(1), child(2, slot=1))
    new = child(3, generation=1, ready=False)

    begin = plan(Wanted(pools=(pool,)), Seen(children=old), NOW)
    wait = plan(Wanted(pools=(pool,)), Seen(children=(*old, new)), NOW)
    proven = plan(Wanted(pools=(pool,)), Seen(children=(*old, replace(new, ready=True))), NOW)

    assert begin == [Start(pool="images", slot=0)]
    assert wait == []
    assert proven == [Stop(pid=1, reason=StopReason.REPLACED, kill_at=NOW + 30)]


def test_a_refused_generation_is_withdrawn_and_the_old_children_stay() -> None:
    seen = Seen(children=(child(1), child(2, slot=1), child(3, generation=1, ready=False)))

    assert plan(Wanted(pools=(IMAGES,)), seen, NOW) == [
        Stop(pid=3, reason=StopReason.WITHDRAWN, kill_at=NOW + 30)
    ]


@pytest.mark.parametrize(
    ("limit", "facts"),
    [
        ({"recycle_tasks": 10}, {"tasks_done": 10}),
        ({"recycle_age_s": 50.0}, {"started_at": NOW - 60}),
        ({"recycle_rss_bytes": 100}, {"rss_bytes": 100}),
    ],
    ids=["tasks", "age", "memory"],
)
def test_a_worn_child_is_recycled_one_at_a_time(limit: dict[str, float], facts: dict[str, float]) -> None:
    pool = replace(IMAGES, **limit)  # type: ignore[arg-type]
    both = (child(1, **facts), child(2, slot=1, **facts))

    first = plan(Wanted(pools=(pool,)), Seen(children=both), NOW)
    away = plan(Wanted(pools=(pool,)), Seen(children=(replace(both[0], kill_at=NOW + 9), both[1])), NOW)

    assert first == [Stop(pid=1, reason=StopReason.RECYCLED, kill_at=NOW + 30)]
    assert away == []


def test_the_end_goes_rank_by_rank_with_the_engine_last() -> None:
    wanted = Wanted(pools=(ENGINE, DECISIONS, IMAGES), ending=Ending.ORDERLY)
    engine, decider, worker = child(1, ENGINE), child(2, DECISIONS), child(3)

    assert [
        a.pid for a in plan(wanted, Seen(children=(engine, decider, worker)), NOW) if isinstance(a, Stop)
    ] == [3]
    assert [a.pid for a in plan(wanted, Seen(children=(engine, decider)), NOW) if isinstance(a, Stop)] == [2]
    assert [a.pid for a in plan(wanted, Seen(children=(engine,)), NOW) if isinstance(a, Stop)] == [1]


def test_a_poll_that_cannot_be_taken_back_is_waited_for_beside_the_time_for_a_task() -> None:
    pool = replace(IMAGES, processes=1, stop_timeout_s=5)
    idle, busy = child(1, pool, slot=1, poll_wait_s=75), child(2, pool, slot=2, in_task=True)

    actions = plan(Wanted(pools=(pool,)), Seen(children=(idle, busy, child(3, pool))), NOW)

    assert actions == [
        Stop(pid=1, reason=StopReason.RESIZED, kill_at=NOW + 80),
        Stop(pid=2, reason=StopReason.RESIZED, kill_at=NOW + 5),
    ]


def test_polls_that_cannot_be_taken_back_are_waited_for_all_at_once_at_the_end() -> None:
    wanted = Wanted(pools=(DECISIONS, IMAGES), ending=Ending.ORDERLY)
    seen = Seen(children=(child(1, DECISIONS, poll_wait_s=75), child(2, poll_wait_s=75), child(3, slot=1)))

    assert end_within_s(wanted, seen) == 75 + 30 + 30
    assert plan(wanted, seen, NOW) == [
        Stop(pid=1, reason=StopReason.SHUTDOWN, kill_at=NOW + 105),
        Stop(pid=2, reason=StopReason.SHUTDOWN, kill_at=NOW + 105),
        Stop(pid=3, reason=StopReason.SHUTDOWN, kill_at=NOW + 30),
    ]


def test_the_engine_waits_for_an_errand_at_the_end() -> None:
    wanted = Wanted(pools=(ENGINE,), ending=Ending.ORDERLY)
    errand = ChildSeen(
        pid=9, pool="errand", rank=1, slot=0, generation=0, started_at=NOW, errand=True, until=NOW + 30
    )

    assert plan(wanted, Seen(children=(child(1, ENGINE), errand)), NOW) == []


def test_a_second_request_to_end_kills_workers_and_still_lets_the_engine_close() -> None:
    wanted = Wanted(pools=(ENGINE, IMAGES), ending=Ending.AT_ONCE)

    assert plan(wanted, Seen(children=(child(1, ENGINE), child(2, kill_at=NOW + 99))), NOW) == [Kill(pid=2)]
    assert plan(wanted, Seen(children=(child(1, ENGINE),)), NOW) == [
        Stop(pid=1, reason=StopReason.SHUTDOWN, kill_at=NOW + 5)
    ]


def test_an_engine_that_keeps_dying_rests_for_a_shorter_time_because_everybody_waits_for_it() -> None:
    engine = PoolState(config=None, processes=1).wanted()
    slot = SlotSeen(fast_deaths=FATAL_DEATHS)

    rests = [after_death(slot, pool, lived_s=0.1, now=NOW, jitter=0.0).retry_at for pool in (engine, IMAGES)]

    assert rests == [NOW + 10, NOW + FATAL_RETRY_S]


def test_pauses_double_from_the_second_fast_death_up_to_the_longest() -> None:
    slot, pauses = SlotSeen(), []
    for _ in range(FATAL_DEATHS - 1):
        slot = after_death(slot, IMAGES, lived_s=0.1, now=NOW, jitter=0.0)
        pauses.append(0.0 if slot.retry_at is None else slot.retry_at - NOW)

    assert pauses == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


def test_a_slot_that_keeps_dying_is_fatal_and_tried_again_later_by_itself() -> None:
    slot = after_death(SlotSeen(fast_deaths=FATAL_DEATHS - 1), IMAGES, lived_s=0.1, now=NOW, jitter=0.0)
    wanted, seen = Wanted(pools=(DECISIONS,)), Seen(slots={("decisions", 0): slot})

    assert slot.fatal
    assert plan(wanted, seen, NOW) == []
    assert plan(wanted, seen, NOW + FATAL_RETRY_S) == [Start(pool="decisions", slot=0)]


def test_a_command_has_a_fatal_slot_tried_at_once() -> None:
    slot = rested(SlotSeen(fast_deaths=FATAL_DEATHS, retry_at=NOW + 60))

    assert plan(Wanted(pools=(DECISIONS,)), Seen(slots={("decisions", 0): slot}), NOW) == [
        Start(pool="decisions", slot=0)
    ]


def test_a_long_life_makes_the_next_death_the_first_again() -> None:
    slot = after_death(SlotSeen(fast_deaths=5), IMAGES, lived_s=60.0, now=NOW, jitter=0.5)

    assert slot == SlotSeen(fast_deaths=1)


POOLS = (ENGINE, DECISIONS, IMAGES)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Wanted, Seen]:
    pools = tuple(
        replace(
            pool,
            processes=1 if pool is ENGINE else draw(st.integers(0, 4)),
            generation=draw(st.integers(0, 2)) if pool is not ENGINE else 0,
            drained=pool is not ENGINE and draw(st.booleans()),
            recycle_tasks=draw(st.none() | st.integers(1, 3)),
            recycle_age_s=draw(st.none() | st.just(10.0)),
        )
        for pool in POOLS
    )
    moments = st.none() | st.floats(NOW - 10, NOW + 10)
    children = draw(
        st.lists(
            st.builds(
                lambda pool, facts: replace(child(0, pool), **facts),
                st.sampled_from(POOLS),
                st.fixed_dictionaries(
                    {
                        "slot": st.integers(0, 5),
                        "generation": st.integers(0, 2),
                        "ready": st.booleans(),
                        "until": moments,
                        "in_task": st.booleans(),
                        "being_checked": st.booleans(),
                        "hung": st.booleans(),
                        "tasks_done": st.integers(0, 5),
                        "started_at": st.floats(NOW - 100, NOW),
                        "kill_at": moments,
                        "killed": st.booleans(),
                    }
                ),
            ),
            max_size=8,
        )
    )
    numbered = tuple(replace(one, pid=100 + number) for number, one in enumerate(children))
    slots = draw(
        st.dictionaries(
            st.tuples(st.sampled_from([pool.name for pool in POOLS]), st.integers(0, 4)),
            st.builds(SlotSeen, fast_deaths=st.integers(0, 9), retry_at=moments),
        )
    )
    ending = draw(st.sampled_from(list(Ending)))
    seen = Seen(children=numbered, slots=slots, engine_was_ready=draw(st.booleans()))
    return Wanted(pools=pools, ending=ending), seen


def carried_out(seen: Seen, actions: list[Action], generations: dict[str, int]) -> Seen:
    """What is there once all actions were carried out."""
    children = {one.pid: one for one in seen.children}
    ranks = {pool.name: pool for pool in POOLS}
    for number, action in enumerate(actions):
        match action:
            case Start():
                children[1000 + number] = child(
                    1000 + number,
                    ranks[action.pool],
                    slot=action.slot,
                    generation=generations[action.pool],
                    ready=False,
                    started_at=NOW,
                )
            case Stop():
                children[action.pid] = replace(children[action.pid], kill_at=action.kill_at)
            case Check():
                children[action.pid] = replace(children[action.pid], being_checked=True)
            case DumpStack():
                children[action.pid] = replace(children[action.pid], hung=True)
            case Kill():
                children[action.pid] = replace(children[action.pid], killed=True)
    return replace(seen, children=tuple(children.values()))


@settings(max_examples=300, deadline=None)
@given(situations())
def test_asking_again_at_the_same_time_finds_nothing_to_stop_or_kill_twice(
    situation: tuple[Wanted, Seen],
) -> None:
    wanted, seen = situation
    actions = plan(wanted, seen, NOW)
    after = carried_out(seen, actions, {pool.name: pool.generation for pool in wanted.pools})

    again = plan(wanted, after, NOW)

    assert not [a for a in again if isinstance(a, Start | Kill) and a in actions]
    assert not {a.pid for a in again if isinstance(a, Stop)} & {a.pid for a in actions if isinstance(a, Stop)}


@settings(max_examples=300, deadline=None)
@given(situations())
def test_no_pool_gets_more_than_its_processes_and_one_on_trial(situation: tuple[Wanted, Seen]) -> None:
    wanted, seen = situation
    actions = plan(wanted, seen, NOW)

    for pool in wanted.pools:
        started = [a.slot for a in actions if isinstance(a, Start) and a.pool == pool.name]
        taken = {one.slot for one in seen.children if one.pool == pool.name}
        assert len(started) == len(set(started))
        assert all(slot < pool.processes for slot in started)
        assert len([slot for slot in started if slot in taken]) <= 1
        assert not started or not (pool.drained or wanted.ending is not Ending.NO)


@settings(max_examples=300, deadline=None)
@given(situations())
def test_at_most_one_child_of_a_pool_is_recycled(situation: tuple[Wanted, Seen]) -> None:
    wanted, seen = situation
    recycled = [
        a.pid for a in plan(wanted, seen, NOW) if isinstance(a, Stop) and a.reason is StopReason.RECYCLED
    ]
    pools = {one.pid: one.pool for one in seen.children}

    for pool in POOLS:
        away = [one for one in seen.children if one.pool == pool.name and one.kill_at is not None]
        going = [pid for pid in recycled if pools[pid] == pool.name]
        assert len(going) <= 1
        assert not going or not [one for one in away if one.slot < 4 and one.slot in range(pool.processes)]


@settings(max_examples=300, deadline=None)
@given(situations())
def test_the_engine_is_never_stopped_while_a_worker_lives(situation: tuple[Wanted, Seen]) -> None:
    wanted, seen = situation
    workers = [one for one in seen.children if one.rank > 0]
    engines = {one.pid for one in seen.children if one.rank == 0}

    stopped = {
        a.pid
        for a in plan(wanted, seen, NOW)
        if isinstance(a, Stop) and a.reason is StopReason.SHUTDOWN and a.pid in engines
    }

    assert not (workers and stopped)


def test_a_replaced_child_may_finish_its_task_however_long_it_takes() -> None:
    wanted = Wanted(pools=(replace(IMAGES, processes=1, generation=1),))
    old = child(1, slot=0, in_task=True)
    seen = Seen(children=(old, child(2, slot=0, generation=1)))

    (stop,) = plan(wanted, seen, NOW)
    stopped = replace(seen, children=(replace(old, kill_at=math.inf), seen.children[1]))

    assert stop == Stop(pid=1, reason=StopReason.REPLACED, kill_at=math.inf)
    assert plan(wanted, stopped, NOW + 9999) == []
    assert next_look_at(wanted, stopped) is None


def test_the_end_of_the_daemon_does_not_wait_so_long_for_it() -> None:
    wanted = Wanted(pools=(IMAGES,), ending=Ending.ORDERLY)
    seen = Seen(children=(child(1, slot=0, in_task=True, kill_at=math.inf),))

    assert plan(wanted, seen, NOW) == [Stop(pid=1, reason=StopReason.SHUTDOWN, kill_at=NOW + 30)]

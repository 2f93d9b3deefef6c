"""What the supervisor does next: a comparison of the processes wanted with the processes seen.

`plan` is asked after every event and answers with all actions due now; `next_look_at` says when time alone
makes something due. Neither remembers anything, so a lost signal or a missed event heals at the next look.

How the rules read:
- A pool has slots 0 … processes - 1. A slot whose process is gone is filled again once its pause is over.
- A child leaves its slot only by ending. Told to stop it gets SIGTERM and a deadline, then SIGKILL; one that
  only makes room for a fresh one may finish its task first, however long that takes.
- Of one pool at most one child is away on purpose at a time (recycling), or one too many (replacement:
  the new child proves ready before the old one is told to stop).
- Pools have ranks. Nothing of a higher rank starts before rank 0 (the engine) has been ready once; at the
  end the highest rank stops first, and the next one only when nothing of it is left.
- A poll that the service cannot take back (Amazon SWF's) is waited for, beside the time for a task. At the
  end those who wait for one are told at once, whatever their rank, as their waits would add up.
- Errands end by themselves or at their limit; what is of a lower rank waits for them at the end.
- Times are seconds of one monotonic clock; jitter comes in as a number between 0 and 1.

It is one module because it is one comparison: no rule above can be read without the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

#: A child that lived shorter than this died fast.
FAST_DEATH_S = 10.0
#: So many fast deaths in a row, and the slot is FATAL: something is wrong that a restart does not cure.
FATAL_DEATHS = 8
#: A FATAL slot is tried again by itself after this: outages end.
FATAL_RETRY_S = 120.0
#: How long a hung child gets between SIGTERM and SIGKILL; its stack is in the log by then.
HUNG_STOP_S = 2.0
#: How long a child of a pool that is not there any more may finish its task.
STOP_S = 30.0
#: How long the engine gets to end when everything must end at once.
ENGINE_STOP_S = 5.0
#: Workers of one pool reach their age limit one after the other, over this share of the limit.
AGE_SPREAD = 0.1


class StopReason(str, Enum):
    """Why a child was told to stop."""

    SHUTDOWN = "shutdown"  #: the daemon stops
    DRAINED = "drained"  #: an operator drained the pool
    RESIZED = "resized"  #: the pool has fewer slots now, or is gone
    RECYCLED = "recycled"  #: tasks, age or memory limit
    REPLACED = "replaced"  #: a child with newer code or configuration took its place
    WITHDRAWN = "withdrawn"  #: its newer code or configuration was refused
    HUNG = "hung"  #: past the deadline it reported


class Ending(str, Enum):
    """How far the daemon's end has come."""

    NO = "no"  #: running
    ORDERLY = "orderly"  #: every child may finish its task
    AT_ONCE = "at once"  #: workers are killed


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWanted:
    """What should run for one pool. The engine is a pool of one process and rank 0."""

    name: str
    #: 0 engine, 1 decision pools, 2 activity pools.
    rank: int
    processes: int
    #: Children of another generation are replaced one by one.
    generation: int = 0
    #: True while an operator keeps the pool empty.
    drained: bool = False
    stop_timeout_s: float = 30.0
    backoff_first_s: float = 0.5
    backoff_longest_s: float = 30.0
    #: How long a slot rests that is FATAL.
    rest_s: float = FATAL_RETRY_S
    recycle_tasks: int | None = None
    recycle_age_s: float | None = None
    recycle_rss_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What should run."""

    pools: tuple[PoolWanted, ...]
    ending: Ending = Ending.NO


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSeen:
    """One living child as the supervisor knows it."""

    pid: int
    pool: str
    rank: int
    slot: int
    generation: int
    started_at: float
    #: It has been polling once (the engine: serving).
    ready: bool = False
    #: Past this it is late; None: no limit.
    until: float | None = None
    #: It runs a task, so being late may only mean that the task was given more time than usual.
    in_task: bool = False
    #: Somebody is finding out whether its task is still open.
    being_checked: bool = False
    #: Late beyond doubt.
    hung: bool = False
    tasks_done: int = 0
    rss_bytes: int = 0
    #: Not of a pool: a short-lived child that speaks to the service for the supervisor.
    errand: bool = False
    #: It may have a poll out that the service cannot take back, for so long at most; 0: it has none.
    poll_wait_s: float = 0.0
    #: It was told to stop and is killed at this time (infinity: when its task is done); None: it was not.
    kill_at: float | None = None
    killed: bool = False

    @property
    def has_deadline(self) -> bool:
        """Whether it was told to stop by a certain time."""
        return self.kill_at is not None and self.kill_at < math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSeen:
    """What past deaths mean for a slot's next start."""

    #: Fast deaths in a row.
    fast_deaths: int = 0
    #: No start before this; None: at once.
    retry_at: float | None = None

    @property
    def fatal(self) -> bool:
        """Whether the slot rests for long because its process keeps dying."""
        return self.fast_deaths >= FATAL_DEATHS and self.retry_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there is."""

    children: tuple[ChildSeen, ...] = ()
    #: By pool name and slot; slots without past deaths may be missing.
    slots: Mapping[tuple[str, int], SlotSeen] = field(default_factory=dict)
    #: Rank 0 has been ready once, or there is none.
    engine_was_ready: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Fork a child for the slot."""

    pool: str
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Send SIGTERM and remember the deadline."""

    pid: int
    reason: StopReason
    kill_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Find out whether the late child's task is still open at the service."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpStack:
    """Have the child write the stacks of its threads to its stderr."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Send SIGKILL to the child's process group."""

    pid: int


Action = Start | Stop | Check | DumpStack | Kill


def plan(wanted: Wanted, seen: Seen, now: float) -> list[Action]:
    """All that is due now; carrying it out and asking again gives nothing new at the same time."""
    actions = [*_overdue(seen, now)]
    if wanted.ending is not Ending.NO:
        return [*actions, *_end(wanted, seen, now)]
    known = {pool.name for pool in wanted.pools}
    for pool in wanted.pools:
        children = [child for child in seen.children if child.pool == pool.name]
        actions += _pool(pool, children, seen, now)
    for child in seen.children:
        if child.pool not in known and not child.errand:
            actions += _stop([child], StopReason.RESIZED, now, STOP_S)
    return _once_each(actions)


def after_death(slot: SlotSeen, pool: PoolWanted, *, lived_s: float, now: float, jitter: float) -> SlotSeen:
    """The slot after its process died without being told to.

    The first fast death costs no pause; each further one doubles it, up to the pool's longest.
    """
    deaths = 1 if lived_s >= FAST_DEATH_S else slot.fast_deaths + 1
    if deaths >= FATAL_DEATHS:
        return SlotSeen(fast_deaths=deaths, retry_at=now + pool.rest_s * (1 + 0.1 * jitter))
    if deaths == 1:
        return SlotSeen(fast_deaths=deaths)
    pause = min(pool.backoff_longest_s, pool.backoff_first_s * 2.0 ** (deaths - 2))
    return SlotSeen(fast_deaths=deaths, retry_at=now + pause * (1 + 0.25 * jitter))


def next_look_at(wanted: Wanted, seen: Seen) -> float | None:
    """When time alone makes an action due; None: only an event can. May be in the past: then it is due."""
    moments: list[float] = []
    limits = {pool.name: pool for pool in wanted.pools}
    for child in seen.children:
        if child.has_deadline:
            moments += [] if child.killed or child.kill_at is None else [child.kill_at]
            continue
        if child.until is not None and not child.being_checked:
            moments.append(child.until)
        pool = limits.get(child.pool)
        age = _age_limit(pool, child) if pool else None
        if age is not None and child.ready:
            moments.append(child.started_at + age)
    if wanted.ending is Ending.NO:
        taken = {(child.pool, child.slot) for child in seen.children}
        moments += [
            slot.retry_at
            for (name, number), slot in seen.slots.items()
            if slot.retry_at is not None and (name, number) not in taken and _open(limits.get(name), number)
        ]
    return min(moments, default=None)


def end_within_s(wanted: Wanted, seen: Seen) -> float:
    """How long the orderly end may take that begins now."""
    timeouts = {pool.name: pool.stop_timeout_s for pool in wanted.pools}
    at_once: list[float] = []
    by_rank: dict[int, float] = {}
    for child in seen.children:
        timeout_s = timeouts.get(child.pool, STOP_S)
        if child.poll_wait_s:
            at_once.append(timeout_s + child.poll_wait_s)
        else:
            by_rank[child.rank] = max(timeout_s, by_rank.get(child.rank, 0.0))
    return max(at_once, default=0.0) + sum(by_rank.values())


def _open(pool: PoolWanted | None, slot: int) -> bool:
    return pool is not None and not pool.drained and slot < pool.processes


def _overdue(seen: Seen, now: float) -> Iterator[Action]:
    """Children past a deadline: of a stop, or of what they reported."""
    for child in seen.children:
        if child.has_deadline:
            if _past(child.kill_at, now) and not child.killed:
                yield Kill(pid=child.pid)
        elif child.hung or (_late(child, now) and not child.in_task):
            yield DumpStack(pid=child.pid)
            yield Stop(pid=child.pid, reason=StopReason.HUNG, kill_at=now + HUNG_STOP_S)
        elif _late(child, now) and not child.being_checked:
            yield Check(pid=child.pid)


def _late(child: ChildSeen, now: float) -> bool:
    return _past(child.until, now)


def _past(moment: float | None, now: float) -> bool:
    return moment is not None and now >= moment


def _end(wanted: Wanted, seen: Seen, now: float) -> Iterator[Action]:
    if not seen.children:
        return
    timeouts = {pool.name: pool.stop_timeout_s for pool in wanted.pools}
    highest = max(child.rank for child in seen.children)
    for child in seen.children:
        if wanted.ending is Ending.AT_ONCE and child.rank > 0:
            if not child.killed:
                yield Kill(pid=child.pid)
        elif _may_end(child, highest):
            grace = timeouts.get(child.pool, STOP_S) + child.poll_wait_s
            if wanted.ending is Ending.AT_ONCE:
                grace = min(grace, ENGINE_STOP_S)
            yield Stop(pid=child.pid, reason=StopReason.SHUTDOWN, kill_at=now + grace)


def _may_end(child: ChildSeen, highest_rank: int) -> bool:
    is_next = child.rank == highest_rank or child.poll_wait_s > 0
    return is_next and not child.has_deadline and not child.errand


def _pool(pool: PoolWanted, children: list[ChildSeen], seen: Seen, now: float) -> list[Action]:
    staying = [child for child in children if child.kill_at is None]
    if pool.drained:
        return [*_stop(staying, StopReason.DRAINED, now, pool.stop_timeout_s)]
    beyond = [child for child in staying if child.slot >= pool.processes]
    actions: list[Action] = [*_stop(beyond, StopReason.RESIZED, now, pool.stop_timeout_s)]
    if pool.rank > 0 and not seen.engine_was_ready:
        return actions
    taken = {child.slot for child in children}
    for number in range(pool.processes):
        if number not in taken and _may_start(seen.slots.get((pool.name, number)), now):
            actions.append(Start(pool=pool.name, slot=number))
    within = [child for child in children if child.slot < pool.processes]
    return actions + (_replace(pool, within, now) or _recycle(pool, within, now))


def _may_start(slot: SlotSeen | None, now: float) -> bool:
    return slot is None or slot.retry_at is None or now >= slot.retry_at


def _replace(pool: PoolWanted, children: list[ChildSeen], now: float) -> list[Action]:
    """One step of bringing the pool to its generation: the new child first, then the old one's end."""
    staying = [child for child in children if child.kill_at is None]
    current = {child.slot: child for child in staying if child.generation == pool.generation}
    others = [child for child in staying if child.generation != pool.generation]
    actions: list[Action] = []
    for child in others:
        successor = current.get(child.slot)
        if child.generation > pool.generation:
            actions += _stop([child], StopReason.WITHDRAWN, now, patience_s(child, pool))
        elif successor is not None and successor.ready:
            actions += _stop([child], StopReason.REPLACED, now, patience_s(child, pool))
    if actions or not others or any(not child.ready for child in current.values()):
        return actions
    waiting = min(child.slot for child in others)
    return [Start(pool=pool.name, slot=waiting)] if waiting not in current else []


def _recycle(pool: PoolWanted, children: list[ChildSeen], now: float) -> list[Action]:
    """At most one child of a full and ready pool, the one most in need."""
    whole = len(children) >= pool.processes
    if not whole or any(child.kill_at is not None or not child.ready for child in children):
        return []
    due = [child for child in children if _worn(pool, child, now)]
    if not due:
        return []
    oldest = min(due, key=lambda child: (child.started_at, child.pid))
    return [*_stop([oldest], StopReason.RECYCLED, now, patience_s(oldest, pool))]


def _worn(pool: PoolWanted, child: ChildSeen, now: float) -> bool:
    age = _age_limit(pool, child)
    return (
        (pool.recycle_tasks is not None and child.tasks_done >= pool.recycle_tasks)
        or (age is not None and now >= child.started_at + age)
        or (pool.recycle_rss_bytes is not None and child.rss_bytes >= pool.recycle_rss_bytes)
    )


def _age_limit(pool: PoolWanted, child: ChildSeen) -> float | None:
    if pool.recycle_age_s is None:
        return None
    return pool.recycle_age_s * (1 + AGE_SPREAD * child.slot / max(1, pool.processes))


def patience_s(child: ChildSeen, pool: PoolWanted) -> float:
    """How long a child may take to end that only makes room for a fresh one: until its task is done.

    Its task keeps its own limits; a child past them is hung, as any other.
    """
    return math.inf if child.in_task else pool.stop_timeout_s


def _stop(
    children: Iterable[ChildSeen], reason: StopReason, now: float, timeout_s: float
) -> Iterator[Action]:
    for child in children:
        if child.kill_at is None:
            yield Stop(pid=child.pid, reason=reason, kill_at=now + timeout_s + child.poll_wait_s)


def _once_each(actions: list[Action]) -> list[Action]:
    """Each child is told to stop once, for the first reason found."""
    told: set[int] = set()
    kept: list[Action] = []
    for action in actions:
        if isinstance(action, Stop):
            if action.pid in told:
                continue
            told.add(action.pid)
        kept.append(action)
    return kept


def rested(slot: SlotSeen) -> SlotSeen:
    """The slot as an operator's command leaves it: tried at once, its deaths forgotten."""
    return replace(slot, fast_deaths=0, retry_at=None)

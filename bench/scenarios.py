"""S1 to S7, each a small function over a started system or a peer; every one answers figures of one run."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench import processes
from bench.figures import Figure
from bench.system import EIGHT_WORKERS, Driver, DriverError, Peer, Shape, System

PAYLOAD_BYTES = 100
#: Idle systems are given so long to settle before they are looked at.
_SETTLE_S = 2.0
_RECOVERY_S = 60.0
#: Shortest and longest pause between two looks for what is complete after a restart.
_LOOK_S = (0.01, 0.1)
#: S7 kills when one activity for so many workflows has run.
_PROGRESS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of each scenario is run."""

    latency_repeats: int = 100
    chains: tuple[int, ...] = (100, 1_000, 3_000)
    fans: tuple[int, ...] = (100, 1_000)
    many: tuple[int, ...] = (200, 2_000)
    idle_s: float = 20.0
    recovered: int = 500


SHORT = Sizes(latency_repeats=50, chains=(100, 1_000), fans=(100, 1_000), many=(200, 1_000), idle_s=5.0)
FULL = Sizes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one operation took."""

    s: float
    cpu_s: float
    answer: dict[str, object]


def spent(system: System, operation: str, **arguments: object) -> Spent:
    """Runs one operation of the driver and weighs the CPU of all processes meanwhile."""
    everyone = system.processes()
    before = processes.cpu_s(everyone)
    began = time.perf_counter()
    answer = system.driver.ask(operation, **arguments)
    s = float(answer.get("s", time.perf_counter() - began))
    return Spent(s=s, cpu_s=processes.cpu_s(everyone) - before, answer=answer)


def latency(system: System, peer: Peer, sizes: Sizes) -> list[Figure]:
    """S1: one workflow of one activity, from the call to the known result."""
    repeats = min(sizes.latency_repeats, peer.largest.get("one", sizes.latency_repeats))
    seen = spent(system, "one", repeats=repeats, payload=PAYLOAD_BYTES)
    latencies = seen.answer["latencies_ms"]
    assert isinstance(latencies, list)
    return [
        Figure(
            scenario="S1",
            what="one activity, median latency",
            system=peer.name,
            unit="ms",
            less_is_better=True,
            samples=(statistics.median(latencies),),
            cpu_us=(seen.cpu_s / repeats * 1e6,),
        )
    ]


def _rate(
    system: System, peer: Peer, *, scenario: str, what: str, operation: str, n: int, activities: int
) -> Figure:
    """n per second of one operation; skipped where it would take the peer too long."""
    empty = Figure(scenario=scenario, what=what, system=peer.name, unit="/s", less_is_better=False)
    if n > peer.largest.get(operation, n):
        return replace(empty, skipped="takes minutes")
    try:
        seen = spent(system, operation, n=n, payload=PAYLOAD_BYTES)
    except DriverError as error:
        return replace(empty, skipped=str(error))
    return replace(empty, samples=(n / seen.s,), cpu_us=(seen.cpu_s / activities * 1e6,))


def chain(system: System, peer: Peer, sizes: Sizes) -> list[Figure]:
    """S2: sequential activities of one workflow per second."""
    return [
        _rate(system, peer, scenario="S2", what=f"chain of {n:,}", operation="chain", n=n, activities=n)
        for n in sizes.chains
    ]


def fan(system: System, peer: Peer, sizes: Sizes) -> list[Figure]:
    """S3: activities per second of one workflow that asks for all at once and joins them."""
    return [
        _rate(
            system, peer, scenario="S3", what=f"fan-out of {n:,} and join", operation="fan", n=n, activities=n
        )
        for n in sizes.fans
    ]


def many(system: System, peer: Peer, sizes: Sizes) -> list[Figure]:
    """S4: workflows of three activities per second."""
    return [
        _rate(
            system,
            peer,
            scenario="S4",
            what=f"{n:,} workflows of 3 activities",
            operation="many",
            n=n,
            activities=3 * n,
        )
        for n in sizes.many
    ]


BUSY: tuple[Callable[[System, Peer, Sizes], list[Figure]], ...] = (latency, chain, fan, many)


def cold_start(peer: Peer, folder: Path, shape: Shape) -> tuple[System, Figure]:
    """S6: from starting everything to the first completed workflow; the system goes on running."""
    driver: Driver | None = peer.start_driver(folder)
    if driver is not None:
        time.sleep(0.5)
    began = time.perf_counter()
    system = peer.start(folder, shape, driver=driver)
    try:
        system.driver.ask("one", repeats=1, payload=PAYLOAD_BYTES)
    except BaseException:
        system.stop()
        raise
    took = time.perf_counter() - began
    cpu = processes.cpu_s(system.processes(with_driver=False)) * 1e6
    return system, Figure(
        scenario="S6",
        what="start of everything to first completed workflow",
        system=peer.name,
        unit="s",
        less_is_better=True,
        samples=(took,),
        cpu_us=(cpu,),
    )


def idle(peer: Peer, folder: Path, sizes: Sizes) -> list[Figure]:
    """S5: CPU and private memory of eight workers with nothing to do, after they have worked once."""
    system = peer.start(folder, EIGHT_WORKERS)
    try:
        warm = min(20, peer.largest.get("warm", 20))
        system.driver.ask("one", repeats=warm, payload=PAYLOAD_BYTES)
        time.sleep(_SETTLE_S)
        everyone = system.processes(with_driver=False)
        before, began = processes.precise_cpu_s(everyone), time.perf_counter()
        time.sleep(sizes.idle_s)
        share = (processes.precise_cpu_s(everyone) - before) / (time.perf_counter() - began)
        memory = processes.private_mib(everyone)
    finally:
        system.stop()

    def figure(what: str, unit: str, value: float) -> Figure:
        return Figure(
            scenario="S5", what=what, system=peer.name, unit=unit, less_is_better=True, samples=(value,)
        )

    return [
        figure("idle, 8 workers: CPU", "%", share * 100),
        figure("idle, 8 workers: private memory", "MiB", memory),
    ]


def recovery(peer: Peer, folder: Path, shape: Shape, sizes: Sizes) -> list[Figure]:
    """S7: SIGKILL to everything in the middle of n workflows; from the restart to all complete.

    No activity runs before all workflows are acknowledged, so that all of them are in flight in every system.
    """
    n = min(sizes.recovered, peer.largest.get("recover", sizes.recovered))
    if not n:
        return []
    log = folder / "activities.log"
    log.touch()
    system = peer.start(folder, shape)
    try:
        system.driver.ask("one", repeats=1, payload=PAYLOAD_BYTES)
        begun = system.driver.ask("begin", n=n, log=str(log))
        Path(f"{log}.open").touch()
        _wait_for_lines(log, n // _PROGRESS)
    finally:
        system.kill()
    before = Counter(log.read_text().splitlines())
    began = time.perf_counter()
    system = peer.start(folder, shape)
    try:
        complete = _until_complete(system, n, begun, began + _RECOVERY_S)
        took = time.perf_counter() - began
    finally:
        system.stop()
    after = Counter(log.read_text().splitlines())
    in_flight = n - sum(1 for i in range(n) if before[f"w{i}/2"])

    def figure(what: str, unit: str, value: float) -> Figure:
        return Figure(
            scenario="S7", what=what, system=peer.name, unit=unit, less_is_better=True, samples=(value,)
        )

    return [
        figure(f"kill -9, {n} workflows: restart to all complete", "s", took),
        figure("in flight at the kill", "", in_flight),
        figure(f"never completed (within {_RECOVERY_S:.0f} s)", "", n - complete),
        figure("activities run twice", "", sum(count - 1 for count in after.values())),
    ]


def _wait_for_lines(log: Path, count: int) -> None:
    deadline = time.monotonic() + _RECOVERY_S
    while log.read_bytes().count(b"\n") < count and time.monotonic() < deadline:
        time.sleep(0.002)


def _until_complete(system: System, n: int, begun: dict[str, object], deadline: float) -> int:
    """How many are complete, at the latest at the deadline.

    A pause is four times as long as the look before it: some systems look at every one of the workflows, and
    in the process that runs them.
    """
    while True:
        began = time.perf_counter()
        complete = int(system.driver.ask("completed", n=n, **begun)["count"])
        now = time.perf_counter()
        if complete >= n or now >= deadline:
            return complete
        shortest, longest = _LOOK_S
        time.sleep(min(longest, max(shortest, 4 * (now - began))))

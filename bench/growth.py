"""Growth curves of flowyd: what happens to speed when something becomes large.

Each curve is a function (folder for temporary files, where figures go); CURVES lists them. Large tables are
filled by bench.loader, through the engine's own code, before the daemon is started on them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench import loader
from bench.figures import Figure, percentile
from bench.peers.flowyd import Flowyd
from bench.runs import workspace
from bench.scenarios import PAYLOAD_BYTES, spent
from bench.system import DriverError, Shape, System

Seen = Callable[[Figure], None]

#: A chain of so many activities has 25,000 events, the most that SWF allows, less one decision.
LONGEST_CHAIN = 4_160
_STEPS_PER_POINT = 260
_SHAPE = Shape()


def _figure(curve: str, x: float, what: str, unit: str, value: float, *, less: bool = False) -> Figure:
    return Figure(
        scenario=curve,
        x=x,
        what=what,
        system="flowyd",
        unit=unit,
        less_is_better=less,
        samples=(value,),
    )


def history(base: Path | None, seen: Seen) -> None:
    """Steps per second of one chain while its history grows to 25,000 events."""
    with workspace(base) as folder:
        system = Flowyd().start(folder, _SHAPE)
        try:
            times = system.driver.ask("step_times", n=LONGEST_CHAIN, payload=PAYLOAD_BYTES)["times"]
        finally:
            system.stop()
    for last in range(_STEPS_PER_POINT, len(times), _STEPS_PER_POINT):
        took = times[last] - times[last - _STEPS_PER_POINT]
        seen(_figure("history", last * 6, "chain at so many events", "/s", _STEPS_PER_POINT / took))


def _latency_and_rate(system: System, curve: str, x: float, seen: Seen) -> None:
    latencies = system.driver.ask("one", repeats=50, payload=PAYLOAD_BYTES)["latencies_ms"]
    seen(_figure(curve, x, "one activity, median", "ms", statistics.median(latencies), less=True))
    rate = 100 / spent(system, "many", n=100, payload=PAYLOAD_BYTES).s
    seen(_figure(curve, x, "workflows of 3 activities", "/s", rate))


def _filled(curve: str, fill: Callable[[Path, int], None], count: int, base: Path | None, seen: Seen) -> None:
    with workspace(base) as folder:
        (folder / "state").mkdir()
        fill(folder / "state" / "engine.db", count)
        driver = Flowyd().start_driver(folder)
        began = time.perf_counter()
        system = Flowyd().start(folder, _SHAPE, driver=driver)
        try:
            driver.ask("one", repeats=1, payload=PAYLOAD_BYTES)
            seen(
                _figure(curve, count, "start to first workflow", "s", time.perf_counter() - began, less=True)
            )
            _latency_and_rate(system, curve, count, seen)
            seen(_figure(curve, count, "a page of 100 of the list", "ms", _page_ms(system, curve), less=True))
        finally:
            system.stop()


def _page_ms(system: System, curve: str) -> float:
    action = "ListOpenWorkflowExecutions" if curve == "open" else "ListClosedWorkflowExecutions"
    request = {"domain": "bench", "startTimeFilter": {"oldestDate": 0}, "maximumPageSize": 100}
    took = [spent(system, "call", action=action, request=request).s for _ in range(20)]
    return statistics.median(took) * 1000


def open_executions(base: Path | None, seen: Seen) -> None:
    """Speed beside 10² to 10⁵ open executions that wait for a decider."""
    for count in (100, 1_000, 10_000, 100_000):
        _filled("open", loader.fill_open, count, base, seen)


def closed_executions(base: Path | None, seen: Seen) -> None:
    """Speed beside 10³ to 10⁶ closed executions."""
    for count in (1_000, 100_000, 1_000_000):
        _filled("closed", loader.fill_closed, count, base, seen)


def payload(base: Path | None, seen: Seen) -> None:
    """Chain and fan-out with payloads of 100 bytes to nearly 32 KiB, SWF's limit."""
    with workspace(base) as folder:
        system = Flowyd().start(folder, _SHAPE)
        try:
            system.driver.ask("one", repeats=10, payload=PAYLOAD_BYTES)
            for size in (100, 1_000, 4_000, 16_000, 32_000):
                for operation in ("chain", "fan"):
                    seen(_of_payload(system, operation, size))
        finally:
            system.stop()


def _of_payload(system: System, operation: str, size: int) -> Figure:
    figure = _figure("payload", size, f"{operation} of 100", "/s", 0)
    try:
        s = spent(system, operation, n=100, payload=size).s
    except DriverError as error:
        return replace(figure, samples=(), skipped=str(error))
    return replace(figure, samples=(100 / s,))


def workers(base: Path | None, seen: Seen) -> None:
    """Workflows per second with 1 to 16 activity workers."""
    for count in (1, 2, 4, 8, 16):
        with workspace(base) as folder:
            shape = replace(_SHAPE, activity_workers=count, decision_workers=max(1, count // 4))
            system = Flowyd().start(folder, shape)
            try:
                system.driver.ask("one", repeats=10, payload=PAYLOAD_BYTES)
                rate = 400 / spent(system, "many", n=400, payload=PAYLOAD_BYTES).s
            finally:
                system.stop()
            seen(_figure("workers", count, "workflows of 3 activities", "/s", rate))


def waiting_tasks(base: Path | None, seen: Seen) -> None:
    """Latency on one task list while up to 100,000 tasks wait in another."""
    for count in (0, 1_000, 100_000):
        with workspace(base) as folder:
            (folder / "state").mkdir()
            loader.fill_open(folder / "state" / "engine.db", count)
            system = Flowyd().start(folder, _SHAPE)
            try:
                system.driver.ask("one", repeats=10, payload=PAYLOAD_BYTES)
                latencies = system.driver.ask("one", repeats=100, payload=PAYLOAD_BYTES)["latencies_ms"]
            finally:
                system.stop()
            for what, share in (("median", 0.5), ("p99", 0.99)):
                value = percentile(latencies, share)
                seen(_figure("waiting", count, f"one activity, {what}", "ms", value, less=True))


def heartbeats(base: Path | None, seen: Seen) -> None:
    """RecordActivityTaskHeartbeat, and a timer of one second, while 2,000 workflows of S4 run."""
    for load in (0, 2_000):
        with workspace(base) as folder:
            system = Flowyd().start(folder, _SHAPE)
            try:
                answer = system.driver.ask("heartbeats", n=load, repeats=300)
            finally:
                system.stop()
            for what, share in (("heartbeat, median", 0.5), ("heartbeat, p99", 0.99)):
                value = percentile(answer["latencies_ms"], share)
                seen(_figure("heartbeats", load, what, "ms", value, less=True))
            seen(
                _figure(
                    "heartbeats", load, "timer of 1 s is late by", "ms", answer["timer_late_ms"], less=True
                )
            )


CURVES: dict[str, Callable[[Path | None, Seen], None]] = {
    "history": history,
    "open": open_executions,
    "closed": closed_executions,
    "payload": payload,
    "workers": workers,
    "waiting": waiting_tasks,
    "heartbeats": heartbeats,
}

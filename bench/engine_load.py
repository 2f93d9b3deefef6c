"""The engine alone under load: operations per second, CPU per operation, operations per commit.

`python -m bench.engine_load` starts one `flowyd engine` on a unix socket with durability full and processes
that drive chains of activities: start, poll for a decision task, respond, poll for an activity task,
respond. The engine's own metrics say how many operations and commits there were. The processes share the
cores with the engine; on two cores the engine cannot have more than one.
`--baseline FOLDER` measures another checkout beside this one, in turns, with the same load.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.machine import facts
from bench.processes import end, precise_cpu_s, spawn
from flowyd.swf.lean import LeanClient

_PROJECT = Path(__file__).resolve().parent.parent
_CALLER = _PROJECT / "bench" / "drivers" / "engine_caller.py"
_DOMAIN = "load"
_READY_S = 20.0
_REQUESTS = re.compile(rb'^flowyd_engine_requests_total\{action="\w+",fault=""\} (\S+)$', re.MULTILINE)
_COMMITS = re.compile(rb"^flowyd_engine_commit_seconds_count (\S+)$", re.MULTILINE)
_COMMIT_S = re.compile(rb"^flowyd_engine_commit_seconds_sum (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the engine is loaded with."""

    processes: int
    #: Open executions of each process; each brings two connections.
    lanes: int
    #: Activities of one execution.
    chain: int
    warm_up_s: float
    seconds: float
    durability: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the engine has done so far."""

    at: float
    operations: float
    commits: float
    commit_s: float
    engine_cpu_s: float
    load_cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run showed."""

    operations_per_s: float
    engine_us: float
    load_us: float
    commits_per_s: float
    operations_per_commit: float
    commit_ms: float

    def __str__(self) -> str:
        return (
            f"{self.operations_per_s:8,.0f} operations/s  engine {self.engine_us:5.1f} µs CPU/operation  "
            f"load {self.load_us:5.1f}  {self.commits_per_s:6,.0f} commits/s of {self.commit_ms:.2f} ms  "
            f"{self.operations_per_commit:5.1f} operations/commit"
        )


def measure(checkout: Path, load: Load, folder: Path) -> Figures:
    """One run with a fresh database in `folder`, on the code of `checkout`."""
    with running_engine(checkout, load.durability, folder) as (engine, path), contextlib.ExitStack() as ended:
        _register(f"unix://{path}")
        command = [sys.executable, str(_CALLER), str(path), str(load.lanes), str(load.chain)]
        callers = [
            spawn(command, folder=folder, log="load.log", conversation=True) for _ in range(load.processes)
        ]
        ended.callback(end, callers)
        time.sleep(load.warm_up_s)
        first = _sample(engine, callers, path)
        time.sleep(load.seconds)
        last = _sample(engine, callers, path)
        if any(caller.poll() is not None for caller in callers):
            raise SystemExit((folder / "load.log").read_text())
    operations, commits = last.operations - first.operations, last.commits - first.commits
    return Figures(
        operations_per_s=operations / (last.at - first.at),
        engine_us=(last.engine_cpu_s - first.engine_cpu_s) / operations * 1e6,
        load_us=(last.load_cpu_s - first.load_cpu_s) / operations * 1e6,
        commits_per_s=commits / (last.at - first.at),
        operations_per_commit=operations / commits,
        commit_ms=(last.commit_s - first.commit_s) / commits * 1e3,
    )


@contextlib.contextmanager
def running_engine(
    checkout: Path, durability: str, folder: Path
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """An engine on a socket in `folder` that is ready to be called, of the code of `checkout`."""
    path = folder / "engine.sock"
    command = [sys.executable, "-m", "flowyd", "engine", "--socket", str(path)]
    command += ["--database", str(folder / "engine.db"), "--durability", durability]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    engine = spawn(command, folder=folder, log="engine.log", environment=environment)
    try:
        deadline = time.monotonic() + _READY_S
        while not path.exists():
            if engine.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((folder / "engine.log").read_text())
            time.sleep(0.02)
        yield engine, path
    finally:
        end([engine])


def _register(endpoint: str) -> None:
    client = LeanClient(endpoint)
    client.call("RegisterDomain", {"name": _DOMAIN, "workflowExecutionRetentionPeriodInDays": "1"})
    client.call(
        "RegisterWorkflowType",
        {
            "domain": _DOMAIN,
            "name": "chain",
            "version": "1",
            "defaultTaskList": {"name": "decisions"},
            "defaultTaskStartToCloseTimeout": "60",
            "defaultExecutionStartToCloseTimeout": "3600",
            "defaultChildPolicy": "TERMINATE",
        },
    )
    timeouts = {f"defaultTask{name}Timeout": "60" for name in ("ScheduleToStart", "StartToClose")}
    client.call(
        "RegisterActivityType",
        {
            "domain": _DOMAIN,
            "name": "step",
            "version": "1",
            "defaultTaskList": {"name": "work"},
            **timeouts,
            "defaultTaskScheduleToCloseTimeout": "120",
            "defaultTaskHeartbeatTimeout": "NONE",
        },
    )
    client.close()


def _sample(engine: subprocess.Popen[str], callers: list[subprocess.Popen[str]], path: Path) -> Sample:
    text = _metrics(path)
    return Sample(
        at=time.monotonic(),
        operations=sum(float(count) for count in _REQUESTS.findall(text)),
        commits=_value(_COMMITS, text),
        commit_s=_value(_COMMIT_S, text),
        engine_cpu_s=precise_cpu_s([psutil.Process(engine.pid)]),
        load_cpu_s=precise_cpu_s([psutil.Process(caller.pid) for caller in callers]),
    )


def _value(pattern: re.Pattern[bytes], text: bytes) -> float:
    found = pattern.search(text)
    return float(found[1]) if found else 0.0


def _metrics(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as connected:
        connected.connect(str(path))
        connected.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: connected.recv(65_536), b""))


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine_load", description=__doc__)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--lanes", type=int, default=16)
    parser.add_argument("--chain", type=int, default=100)
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--durability", choices=("full", "normal"), default="full")
    parser.add_argument("--folder", type=Path, help="the disk that is measured")
    parser.add_argument("--baseline", type=Path, help="a checkout to compare with")
    options = parser.parse_args()
    load = Load(
        processes=options.processes,
        lanes=options.lanes,
        chain=options.chain,
        warm_up_s=options.warm_up,
        seconds=options.seconds,
        durability=options.durability,
    )
    checkouts = {"this": _PROJECT}
    if options.baseline is not None:
        checkouts = {"baseline": options.baseline.resolve(), **checkouts}
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        print(facts(Path(place)))
    found: dict[str, list[Figures]] = {name: [] for name in checkouts}
    for number in range(options.runs):
        # Who comes second has less of the disk while the first one's pages are still being written.
        order = list(checkouts.items())[:: -1 if number % 2 else 1]
        for name, checkout in order:
            os.sync()
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                figures = measure(checkout, load, Path(folder))
            found[name].append(figures)
            print(f"{name:<9}{figures}", flush=True)
    for name, runs in found.items():
        rate = statistics.median(run.operations_per_s for run in runs)
        cpu = statistics.median(run.engine_us for run in runs)
        print(f"median of {name}: {rate:,.0f} operations/s, {cpu:.1f} µs CPU of the engine per operation")
    return 0


if __name__ == "__main__":
    sys.exit(main())

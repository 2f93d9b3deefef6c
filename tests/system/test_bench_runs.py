"""The benchmark measures what can be measured: neither a broken system nor a hung one ends it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from bench.figures import Figure
from bench.peers.environments import DRIVERS
from bench.processes import spawn
from bench.runs import Plan, alternate
from bench.scenarios import Sizes
from bench.system import Driver, DriverError, Shape, System, environment

_ANSWERS_AT_ONCE = """
from conversation import serve
serve({
    "one": lambda repeats, payload: {"latencies_ms": [1.0] * repeats},
    "chain": lambda n, payload: {"s": n / 500},
    "fan": lambda n, payload: 1 / 0,
})
"""
PLAN = Plan(
    sizes=Sizes(latency_repeats=3, chains=(10,), fans=(10,)),
    shape=Shape(),
    wanted=frozenset({"S1", "S2", "S3"}),
    busy_runs=2,
    idle_runs=0,
    recovery_runs=0,
)


@dataclass(frozen=True)
class Quick:
    """A system that knows all answers, but cannot fan out."""

    name: str = "quick"
    largest: Mapping[str, int] = field(default_factory=dict)

    def missing(self) -> str:
        return ""

    def install(self) -> None:
        """Nothing to bring."""

    def start_driver(self, folder: Path) -> Driver:
        program = [sys.executable, "-c", _ANSWERS_AT_ONCE]
        speaks = environment(PYTHONPATH=str(DRIVERS))
        return Driver(spawn(program, folder=folder, log="log", environment=speaks, conversation=True))

    def start(self, folder: Path, shape: Shape, *, driver: Driver | None = None) -> System:  # noqa: ARG002
        return System(driver=driver or self.start_driver(folder))


@dataclass(frozen=True)
class Broken(Quick):
    """A system whose server comes up, and whose start then fails."""

    name: str = "broken"
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, folder: Path, shape: Shape, *, driver: Driver | None = None) -> System:  # noqa: ARG002
        self.started.append(spawn(["sleep", "600"], folder=folder, log="log"))
        raise FileNotFoundError("no such program")


def test_a_system_that_does_not_start_is_named_and_the_others_are_measured(tmp_path: Path) -> None:
    figures: list[Figure] = []

    failures = alternate([Broken(), Quick()], PLAN, base=tmp_path, seen=figures.append)

    assert failures == ["broken: FileNotFoundError: no such program"] * 2
    assert [f.samples for f in figures if f.scenario == "S2"] == [(500.0,), (500.0,)]


def test_what_a_failed_start_left_behind_is_ended(tmp_path: Path) -> None:
    broken = Broken()

    alternate([broken], PLAN, base=tmp_path, seen=lambda _: None)

    assert [psutil.pid_exists(process.pid) for process in broken.started] == [False, False]


def test_an_operation_that_fails_is_a_figure_that_says_so(tmp_path: Path) -> None:
    figures: list[Figure] = []

    alternate([Quick()], PLAN, base=tmp_path, seen=figures.append)

    fans = [figure for figure in figures if figure.scenario == "S3"]
    assert {figure.skipped for figure in fans} == {"fan: ZeroDivisionError: division by zero"}


def test_a_driver_that_hangs_is_killed() -> None:
    process = subprocess.Popen(["sleep", "600"], stdin=-1, stdout=-1, text=True)

    with process, pytest.raises(DriverError, match="one: no answer"):
        Driver(process, longest_s=0.1).ask("one", repeats=1, payload=100)

    assert process.returncode == -9

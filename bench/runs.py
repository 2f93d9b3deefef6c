"""All scenarios of all peers, alternating: run 1 of each peer, then run 2 of each, and so on.

What fails is reported and left out; everything else is measured all the same.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import processes, scenarios
from bench.figures import Figure
from bench.scenarios import Sizes
from bench.system import Peer, Shape

_BUSY = frozenset({"S1", "S2", "S3", "S4", "S6"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured of each peer, and how often."""

    sizes: Sizes
    shape: Shape
    #: Of S1 to S7.
    wanted: frozenset[str]
    #: Runs of S1 to S4 and S6, which one start of a system serves.
    busy_runs: int
    #: Runs of S5, whose figures hardly differ.
    idle_runs: int
    #: Runs of S7.
    recovery_runs: int


def alternate(
    peers: Sequence[Peer], plan: Plan, *, base: Path | None, seen: Callable[[Figure], None]
) -> list[str]:
    """Runs everything; every figure of every run goes to `seen` as soon as it is there. What failed."""
    parts = ((_busy, plan.busy_runs), (_idle, plan.idle_runs), (_recovery, plan.recovery_runs))
    failures: list[str] = []
    for run in range(max(runs for _, runs in parts)):
        for peer in peers:
            began = time.perf_counter()
            for part, runs in parts:
                if run < runs:
                    with surviving(peer.name, failures):
                        for figure in part(peer, plan, base):
                            seen(figure)
            print(f"run {run + 1} of {peer.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return failures


@contextmanager
def surviving(name: str, failures: list[str]) -> Iterator[None]:
    """Adds an error to the failures and reports it, so that what follows is still measured."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        failures.append(f"{name}: {type(error).__name__}: {error}")


@contextmanager
def workspace(base: Path | None) -> Iterator[Path]:
    """A folder of its own for one start of one system; short, because sockets live in it.

    It stays, and is named, when the run fails, for the logs in it.
    """
    folder = Path(tempfile.mkdtemp(prefix="fb-", dir=base)).resolve()
    try:
        yield folder
    except BaseException:
        processes.kill_left_in(folder)
        print(f"logs of the failed run are in {folder}", file=sys.stderr)
        raise
    shutil.rmtree(folder)


def _busy(peer: Peer, plan: Plan, base: Path | None) -> Iterator[Figure]:
    """S6, then S1 to S4 on the system that it started."""
    if not plan.wanted & _BUSY:
        return
    with workspace(base) as folder:
        system, figure = scenarios.cold_start(peer, folder, plan.shape)
        try:
            if "S6" in plan.wanted:
                yield figure
            system.driver.ask("one", repeats=min(10, peer.largest.get("one", 10)), payload=100)
            for number, scenario in enumerate(scenarios.BUSY, 1):
                if f"S{number}" in plan.wanted:
                    yield from scenario(system, peer, plan.sizes)
        finally:
            system.stop()


def _idle(peer: Peer, plan: Plan, base: Path | None) -> Iterator[Figure]:
    if "S5" in plan.wanted:
        with workspace(base) as folder:
            yield from scenarios.idle(peer, folder, plan.sizes)


def _recovery(peer: Peer, plan: Plan, base: Path | None) -> Iterator[Figure]:
    if "S7" in plan.wanted:
        with workspace(base) as folder:
            yield from scenarios.recovery(peer, folder, plan.shape, plan.sizes)

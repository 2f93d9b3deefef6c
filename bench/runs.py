"""All scenarios of all peers, alternating: run 1 of each peer, then run 2 of each, and so on."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import scenarios
from bench.figures import Figure
from bench.scenarios import Sizes
from bench.system import DriverError, Peer, Shape


def alternate(
    peers: Sequence[Peer],
    *,
    runs: int,
    sizes: Sizes,
    shape: Shape,
    wanted: frozenset[str],
    base: Path | None,
    seen: Callable[[Figure], None],
) -> None:
    """Runs everything; every figure of every run goes to `seen` as soon as it is there."""
    for run in range(runs):
        for peer in peers:
            began = time.perf_counter()
            for part in (_busy, _idle, _recovery):
                try:
                    for figure in part(peer, sizes, shape, wanted, base):
                        seen(figure)
                except DriverError as error:
                    print(f"{peer.name}: {error}", file=sys.stderr)
            print(f"run {run + 1} of {peer.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)


@contextmanager
def workspace(base: Path | None) -> Iterator[Path]:
    """A folder of its own for one start of one system; short, because sockets live in it.

    It stays, and is named, when the run fails, for the logs in it.
    """
    folder = Path(tempfile.mkdtemp(prefix="fb-", dir=base))
    try:
        yield folder
    except BaseException:
        print(f"logs of the failed run are in {folder}", file=sys.stderr)
        raise
    shutil.rmtree(folder)


def _busy(
    peer: Peer, sizes: Sizes, shape: Shape, wanted: frozenset[str], base: Path | None
) -> Iterator[Figure]:
    """S6, then S1 to S4 on the system that it started."""
    if not wanted & {"S1", "S2", "S3", "S4", "S6"}:
        return
    with workspace(base) as folder:
        system, figure = scenarios.cold_start(peer, folder, shape)
        try:
            if "S6" in wanted:
                yield figure
            system.driver.ask("one", repeats=min(10, peer.largest.get("one", 10)), payload=100)
            for number, scenario in enumerate(scenarios.BUSY, 1):
                if f"S{number}" in wanted:
                    yield from scenario(system, peer, sizes)
        finally:
            system.stop()


def _idle(
    peer: Peer, sizes: Sizes, _shape: Shape, wanted: frozenset[str], base: Path | None
) -> Iterator[Figure]:
    if "S5" in wanted:
        with workspace(base) as folder:
            yield from scenarios.idle(peer, folder, sizes)


def _recovery(
    peer: Peer, sizes: Sizes, shape: Shape, wanted: frozenset[str], base: Path | None
) -> Iterator[Figure]:
    if "S7" in wanted:
        with workspace(base) as folder:
            yield from scenarios.recovery(peer, folder, shape, sizes)

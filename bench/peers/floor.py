"""The floor as one more system: commits and round trips alone (bench/floor.py)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import spawn
from bench.system import Driver, Shape, System, environment

_ROOT = Path(__file__).resolve().parent.parent.parent


def _spawn(role: str, folder: Path, *, conversation: bool = False) -> subprocess.Popen[str]:
    return spawn(
        [sys.executable, "-m", "bench.floor", role, f"{folder}/floor.sock"],
        folder=folder,
        log=f"{role}.log",
        environment=environment(PYTHONPATH=str(_ROOT)),
        conversation=conversation,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Server, deciders, workers."""

    name: str = "floor"
    largest: Mapping[str, int] = field(default_factory=lambda: {"recover": 0})

    def missing(self) -> str:
        """Never."""
        return ""

    def install(self) -> None:
        """Nothing to bring."""

    def start_driver(self, folder: Path) -> Driver:
        """The caller; it connects at once, so the server must come within 10 s."""
        return Driver(_spawn("driver", folder, conversation=True))

    def start(self, folder: Path, shape: Shape, *, driver: Driver | None = None) -> System:
        """Starts all processes."""
        roots = [_spawn("server", folder)]
        roots += [_spawn("decider", folder) for _ in range(shape.decision_workers)]
        roots += [_spawn("worker", folder) for _ in range(shape.activity_workers)]
        return System(driver=driver or self.start_driver(folder), roots=roots)

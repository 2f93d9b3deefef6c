"""Celery with Redis at appendfsync always: no workflow engine, but what many use as one.

Install: a virtualenv with `celery[redis]`, and `redis-server` (Debian's package of that name).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers.environments import DRIVERS, install_packages, missing_packages, python_of
from bench.processes import spawn
from bench.system import Driver, Shape, System, environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Celery:
    """redis-server on a unix socket, one worker with prefork children, acks_late."""

    name: str = "Celery, Redis fsync"
    largest: Mapping[str, int] = field(default_factory=lambda: {"chain": 1_000})

    def missing(self) -> str:
        """Whether its environment and redis-server are there."""
        if not shutil.which("redis-server"):
            return "not installed: redis-server (the system's package)"
        return missing_packages("celery", "celery", "redis")

    def install(self) -> None:
        """Into its own environment; redis-server must come from the system's packages."""
        install_packages("celery", "celery[redis]")

    def start_driver(self, folder: Path) -> Driver:
        """The caller."""
        return Driver(
            spawn(
                [str(python_of("celery")), str(DRIVERS / "celery_app.py")],
                folder=folder,
                log="driver.log",
                environment=_environment(folder),
                conversation=True,
            )
        )

    def start(self, folder: Path, shape: Shape, *, driver: Driver | None = None) -> System:
        """Redis, then the worker."""
        redis = spawn(
            [
                *(
                    "redis-server",
                    "--port",
                    "0",
                    "--unixsocket",
                    f"{folder}/redis.sock",
                    "--dir",
                    str(folder),
                ),
                *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            ],
            folder=folder,
            log="redis.log",
        )
        worker = spawn(
            [
                *(str(python_of("celery")), "-m", "celery", "-A", "celery_app", "worker"),
                *("-c", str(shape.workers), "-l", "ERROR", "--without-gossip", "--without-mingle"),
            ],
            folder=folder,
            log="worker.log",
            environment=_environment(folder),
        )
        return System(driver=driver or self.start_driver(folder), roots=[worker, redis])


def _environment(folder: Path) -> dict[str, str]:
    return environment(BENCH_REDIS=f"{folder}/redis.sock", PYTHONPATH=str(DRIVERS))

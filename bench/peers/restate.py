"""Restate: its server, and Python services behind hypercorn.

Install: a virtualenv with `restate-sdk` and `hypercorn`, and the npm package `@restatedev/restate-server`,
which ships the server's binary. Activities are steps in the process of the workflow (`ctx.run`), or, for the
second peer, calls of another service, which may run in any process.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers.boto3_swf import free_port
from bench.peers.environments import DRIVERS, cache_folder, install_packages, missing_packages, python_of
from bench.processes import spawn
from bench.system import Driver, Shape, System, environment

_PACKAGE = "@restatedev/restate-server"


def _server() -> Path:
    return cache_folder() / "restate-server" / "node_modules" / ".bin" / "restate-server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restate:
    """Server with its defaults (fsync of its log), services, and a driver over its HTTP ingress."""

    name: str = "Restate, in one process"
    calls: bool = False
    largest: Mapping[str, int] = field(default_factory=dict)

    def missing(self) -> str:
        """Whether its environment, and the server, are there."""
        if not _server().exists():
            return f"not installed: no {_server()}"
        return missing_packages("restate", "restate", "hypercorn")

    def install(self) -> None:
        """The SDK into its own environment, the server with npm.

        Raises:
            RuntimeError: there is no npm.
        """
        install_packages("restate", "restate-sdk", "hypercorn")
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(f"{_PACKAGE} needs npm")
        folder = cache_folder() / "restate-server"
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), _PACKAGE]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def start_driver(self, folder: Path) -> Driver:
        """The caller; it registers the services in its first operation."""
        ports = _ports(folder)
        argv = [str(python_of("restate")), str(DRIVERS / "restate_caller.py"), *map(str, ports)]
        mode = "calls" if self.calls else "steps"
        return Driver(
            spawn(
                [*argv, mode], folder=folder, log="driver.log", environment=environment(), conversation=True
            )
        )

    def start(self, folder: Path, shape: Shape, *, driver: Driver | None = None) -> System:
        """Server and services."""
        ingress, admin, services, node = _ports(folder)
        workers = shape.workers if self.calls or shape.workers == 8 else 1
        server = spawn(
            [str(_server()), "--no-logo", "--node-name", "bench", "--base-dir", f"{folder}/restate"],
            folder=folder,
            log="restate.log",
            environment=environment(
                RESTATE_INGRESS__BIND_ADDRESS=f"127.0.0.1:{ingress}",
                RESTATE_ADMIN__BIND_ADDRESS=f"127.0.0.1:{admin}",
                RESTATE_BIND_ADDRESS=f"127.0.0.1:{node}",
                RESTATE_DISABLE_TELEMETRY="true",
                RESTATE_LISTEN_MODE="tcp",
            ),
        )
        services_process = spawn(
            [
                *(str(python_of("restate")), "-m", "hypercorn", "restate_app:app"),
                *("--bind", f"127.0.0.1:{services}", "-w", str(workers)),
            ],
            folder=folder,
            log="services.log",
            environment=environment(PYTHONPATH=str(DRIVERS)),
        )
        roots = [server, services_process]
        return System(driver=driver or self.start_driver(folder), roots=roots)


def _ports(folder: Path) -> tuple[int, ...]:
    """Ingress, admin, services, node: free ones, and the same ones again after a restart."""
    file = folder / "ports"
    if not file.exists():
        ports: set[int] = set()
        while len(ports) < 4:
            ports.add(free_port())
        file.write_text(" ".join(map(str, sorted(ports))))
    return tuple(map(int, file.read_text().split()))

"""A home-made loop over boto3, as plain SWF code is written: against moto, `flowyd engine`, and nothing.

The last is a server that only answers what the loop needs to hear, so its figures are boto3's own cost.

Install for moto: a virtualenv with `moto[server]` and `boto3`. One process polls for decisions and for
activities in turn, and only where it knows that there is a task: moto answers an empty poll only after a
second of sleep, which would be most of every figure.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers.environments import DRIVERS, install_packages, missing_packages, python_of
from bench.processes import spawn
from bench.system import EIGHT_WORKERS, Driver, Shape, System, environment

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _loop(folder: Path, python: Path, port: int, *more: str, conversation: bool) -> subprocess.Popen[str]:
    return spawn(
        [str(python), str(DRIVERS / "boto3_loop.py"), f"http://127.0.0.1:{port}", *more],
        folder=folder,
        log="driver.log" if conversation else "worker.log",
        environment=environment(**_CREDENTIALS),
        conversation=conversation,
    )


def _system(folder: Path, python: Path, port: int, shape: Shape, server: subprocess.Popen[str]) -> System:
    driver = Driver(_loop(folder, python, port, conversation=True))
    roots = [server]
    if shape == EIGHT_WORKERS:
        driver.ask("one", repeats=1, payload=100)
        kinds = ["decision"] * (shape.decision_workers - 1) + ["activity"] * shape.activity_workers
        roots += [_loop(folder, python, port, kind, conversation=False) for kind in kinds]
    return System(driver=driver, roots=roots, driver_works=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boto3Moto:
    """boto3 against moto's server; nothing is durable, so there is no S7."""

    name: str = "boto3, moto (not durable)"
    largest: Mapping[str, int] = field(
        default_factory=lambda: {"one": 10, "chain": 100, "fan": 100, "many": 20, "warm": 0, "recover": 0}
    )

    def missing(self) -> str:
        """Whether its environment is there."""
        return missing_packages("moto", "moto", "boto3", "flask")

    def install(self) -> None:
        """Into its own environment."""
        install_packages("moto", "moto[server]", "boto3")

    def start_driver(self, folder: Path) -> Driver | None:  # noqa: ARG002  # the protocol's argument
        """None: the loop is the driver."""
        return None

    def start(self, folder: Path, shape: Shape, *, driver: Driver | None = None) -> System:  # noqa: ARG002
        """Server and loop."""
        port = free_port()
        argv = [str(python_of("moto")), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = spawn(argv, folder=folder, log="moto.log", environment=environment(**_CREDENTIALS))
        return _system(folder, python_of("moto"), port, shape, server)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Boto3Here:
    """boto3 against a server of this project."""

    name: str
    largest: Mapping[str, int] = field(default_factory=lambda: {"warm": 0, "recover": 0})
    #: What starts the server, after the interpreter; with the port and the folder to be filled in.
    server: tuple[str, ...]

    def missing(self) -> str:
        """Never: boto3 is a dependency of flowyd."""
        return ""

    def install(self) -> None:
        """Nothing to bring."""

    def start_driver(self, folder: Path) -> Driver | None:  # noqa: ARG002  # the protocol's argument
        """None: the loop is the driver."""
        return None

    def start(self, folder: Path, shape: Shape, *, driver: Driver | None = None) -> System:  # noqa: ARG002
        """Server and loop."""
        port = free_port()
        argv = [sys.executable, *(word.format(port=port, folder=folder) for word in self.server)]
        server = spawn(argv, folder=folder, log="server.log", environment=environment())
        return _system(folder, Path(sys.executable), port, shape, server)


def boto3_engine() -> _Boto3Here:
    """boto3 against `flowyd engine` on loopback, durable as always."""
    command = ("-m", "flowyd", "engine", "--any-credentials", "--listen", "127.0.0.1:{port}")
    return _Boto3Here(name="boto3, flowyd engine", server=(*command, "--database", "{folder}/engine.db"))


def boto3_alone() -> _Boto3Here:
    """boto3 against a server that does nothing but answer; no system, but the floor of the two others."""
    return _Boto3Here(name="boto3 alone", server=(str(DRIVERS / "swf_answers.py"), "{port}"))

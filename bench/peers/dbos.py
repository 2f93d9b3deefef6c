"""DBOS with SQLite: a library; workflow and steps run in the process that asks for them, its fastest way.

Install: a virtualenv with the package `dbos`. SQLite's synchronous is FULL, as DBOS leaves it; its journal
mode is the default (DELETE), or WAL for the second peer, by switching the file before the first start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers.environments import DRIVERS, install_packages, missing_packages, python_of
from bench.processes import spawn
from bench.system import Driver, Shape, System, environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Dbos:
    """One application process that is driver and worker; the others only wait on the queue (S5)."""

    name: str = "DBOS, SQLite"
    wal: bool = False
    largest: Mapping[str, int] = field(default_factory=dict)

    def missing(self) -> str:
        """Whether its environment is there."""
        return missing_packages("dbos", "dbos")

    def install(self) -> None:
        """Into its own environment."""
        install_packages("dbos", "dbos")

    def start_driver(self, folder: Path) -> Driver | None:  # noqa: ARG002  # the protocol's argument
        """None: the application is the driver."""
        return None

    def start(self, folder: Path, shape: Shape, *, driver: Driver | None = None) -> System:  # noqa: ARG002
        """One process, or as many as workers where they only idle."""
        database = folder / "dbos.sqlite"
        if self.wal and not database.exists():
            with sqlite3.connect(database) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
        program = [str(python_of("dbos")), str(DRIVERS / "dbos_app.py"), str(database)]
        application = spawn(
            program, folder=folder, log="driver.log", environment=environment(), conversation=True
        )
        system = System(driver=Driver(application), driver_works=True)
        if shape.workers == 8:
            system.driver.ask(
                "one", repeats=1, payload=100
            )  # migrates the database before the others open it
            system.roots = [
                spawn([*program, "idle"], folder=folder, log=f"app{i}.log", environment=environment())
                for i in range(shape.workers - 1)
            ]
        return system

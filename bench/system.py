"""A system under test: its processes, and the driver that plays its caller.

Every system is driven the same way. A *peer* knows how to start the system's processes and which driver
speaks to it; the driver is a small program that runs in the peer's own environment, reads one JSON object
per line ({"do": operation, …}) and answers one per line. The operations, with the same meaning everywhere:

- one(repeats, payload): workflows of one activity, one after the other → latencies_ms
- chain(n, payload): one workflow of n activities, each after the other → s
- fan(n, payload): one workflow of n activities at the same time, then their join → s
- many(n, payload): n workflows of three activities (two parallel, one after both), all at once → s
- begin(n, log): as many, but answers when all n are acknowledged; each activity appends a line to `log`
- completed(n): how many of the n workflows of `begin` are complete → count

All times are taken in the driver, from the first call until the result is known there.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from bench import processes

#: Longest that one operation may take; nothing that is measured takes so long, unless it hangs.
LONGEST_S = 300.0


class DriverError(Exception):
    """Raised when a driver could not do what it was asked; the text is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many processes a system is given."""

    decision_workers: int = 1
    activity_workers: int = 4

    @property
    def workers(self) -> int:
        """Both kinds; for systems that know only one."""
        return self.decision_workers + self.activity_workers


#: For S5, where the system idles.
EIGHT_WORKERS = Shape(decision_workers=2, activity_workers=6)


class Driver:
    """The program that plays the caller, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], *, longest_s: float = LONGEST_S) -> None:
        self.process = process
        self._longest_s = longest_s

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """The driver's answer; waits for it, five minutes at most, after which the driver is killed.

        Raises:
            DriverError: it failed, died or hung.
        """
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps({"do": operation, **arguments}) + "\n")
            stdin.flush()
            # One line is under way at a time, so nothing of it can be in the buffer already.
            if not select.select([stdout], [], [], self._longest_s)[0]:
                self.process.kill()
                raise DriverError(f"{operation}: no answer in {self._longest_s:.0f} s")
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise DriverError(f"the driver ended (exit {self.process.wait(5)}) during {operation}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise DriverError(f"{operation}: {answer['error']}")
        return answer


@dataclass(slots=True, kw_only=True)
class System:
    """A started system."""

    driver: Driver
    #: Its processes, in the order in which they are to be stopped.
    roots: list[subprocess.Popen[str]] = field(default_factory=list)
    #: Whether the driver is itself a worker of the system (a library without a server).
    driver_works: bool = False

    def processes(self, *, with_driver: bool = True) -> list[psutil.Process]:
        """All live processes; a driver that works is always among them."""
        roots = [root.pid for root in self.roots if root.poll() is None]
        if with_driver or self.driver_works:
            roots.append(self.driver.process.pid)
        return processes.tree(roots)

    def kill(self) -> None:
        """SIGKILL to everything at once, the driver included."""
        processes.kill(self.processes())
        for root in (*self.roots, self.driver.process):
            root.wait()

    def stop(self) -> None:
        """An orderly end."""
        processes.end([self.driver.process, *self.roots])


class Peer(Protocol):
    """What flowyd is compared with, and flowyd itself."""

    @property
    def name(self) -> str:
        """As shown in tables."""
        ...

    @property
    def largest(self) -> Mapping[str, int]:
        """Largest sizes that end in reasonable time: operation to n; what is not named has no limit."""
        ...

    def missing(self) -> str:
        """Why it cannot run here; empty if it can."""
        ...

    def install(self) -> None:
        """Brings what is missing into the cache folder, if package clients can."""
        ...

    def start(self, folder: Path, shape: Shape, *, driver: Driver | None = None) -> System:
        """Starts everything on the state in `folder`; `driver` is used again if given and outside.

        May answer before the system is up: the driver waits for it in its first operation.
        """
        ...

    def start_driver(self, folder: Path) -> Driver | None:
        """A driver with everything loaded but not connected; None if the driver is part of the system."""
        ...


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what could reach the systems under test, plus `more`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "FLOWYD_", "PYTHON"))}
    return {**kept, **more}

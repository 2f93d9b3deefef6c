"""flowyd as its users run it: supervisor, engine, decision and activity workers, synchronous=FULL."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import spawn
from bench.system import Driver, Shape, System, environment

_HERE = Path(__file__).resolve().parent.parent
_CONFIGURATION = """\
[flowyd]
domain = "bench"
activities = ["{programs}/activities"]
workflows = ["{programs}/workflows"]
state_dir = "{folder}/state"
runtime_dir = "{folder}/run"
log_level = "warning"

[engine]
durability = "{durability}"

# The growth curves go to and beyond Amazon SWF's 100,000.
[engine.limits]
open_executions = 400000

[[pool]]
name = "decisions"
kind = "decision"
task_list = "bench-decisions"
processes = {decision_workers}

[[pool]]
name = "activities"
kind = "activity"
task_list = "bench-activities"
processes = {activity_workers}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flowyd:
    """The daemon on a temporary folder."""

    name: str = "flowyd"
    durability: str = "full"
    largest: Mapping[str, int] = field(default_factory=dict)

    def missing(self) -> str:
        """Never: the benchmark is part of the project."""
        return ""

    def install(self) -> None:
        """Nothing to bring."""

    def start_driver(self, folder: Path) -> Driver:
        """The caller, through the lean client."""
        endpoint = f"unix://{folder}/run/engine.sock"
        program = str(_HERE / "drivers" / "flowyd_caller.py")
        return Driver(
            spawn(
                [sys.executable, program, endpoint],
                folder=folder,
                log="driver.log",
                environment=environment(),
                conversation=True,
            )
        )

    def start(self, folder: Path, shape: Shape, *, driver: Driver | None = None) -> System:
        """Writes the configuration and starts `flowyd run`."""
        for name in ("state", "run"):
            (folder / name).mkdir(exist_ok=True)
        file = folder / "flowyd.toml"
        file.write_text(
            _CONFIGURATION.format(
                programs=_HERE / "programs",
                folder=folder,
                durability=self.durability,
                decision_workers=shape.decision_workers,
                activity_workers=shape.activity_workers,
            )
        )
        argv = [sys.executable, "-m", "flowyd", "--config", str(file), "run"]
        daemon = spawn(argv, folder=folder, log="flowyd.log", environment=environment())
        return System(driver=driver or self.start_driver(folder), roots=[daemon])

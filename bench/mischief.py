"""The kinds of mischief that the storm does to a daemon, and how each is undone.

What is done, to whom and for how long is a seeded chance's choice. Whatever must be refused is held to be
refused. Whatever passes (a drained pool, a frozen worker, a half-written file) ends after some time, and
`heal` ends it at once.
"""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

from bench.demo_daemon import DemoError
from bench.storm_daemon import MODULES, PROCESSES, QUIET, StormDaemon
from flowyd.control.status import DaemonStatus
from flowyd.errors import FlowydError, UnreachableError

#: How often each kind is done. The last ones of the table end the supervisor, which then is started again.
KINDS = {
    "kill an activity worker": 6,
    "kill a decision worker": 4,
    "kill the engine": 4,
    "freeze a worker": 1,
    "recycle a worker": 2,
    "resize a pool": 3,
    "drain a pool": 2,
    "reload": 3,
    "change the configuration": 3,
    "break the configuration": 2,
    "drop in new modules": 3,
    "remove a module": 2,
    "change a module": 4,
    "write a module in halves": 2,
    "break a module": 2,
    "break the anchor": 1,
    "kill the supervisor": 2,
    "kill everything": 2,
}
KILLS_SUPERVISOR = ("kill the supervisor", "kill everything")

#: Modules that cannot be served, each in its own way.
_BROKEN = (
    "def run(:\n",
    "raise RuntimeError('broken on purpose')\n",
    "import os\nos._exit(3)\n",
    "import no_such_module\n",
    "print('registers nothing')\n",
)
_BROKEN_CONFIGURATIONS = (
    ("processes = 4", "processes = "),
    ("processes = 4", "procesess = 4"),
    ("nice = 0", 'nice = "high"'),
    ('state_dir = "state"', 'state_dir = "elsewhere"'),
)
_DROPPED_ACTIVITY = """\
from flowyd import activity

@activity("dropped_{n}", 1, "work", start_to_close=60)
def dropped(number):
    return number
"""
_DROPPED_WORKFLOW = """\
from flowyd import ActivityProxy, RetryPolicy, Workflow, workflow

@workflow("dropped_{n}", 1, "decide", decision_duration=60)
class Dropped(Workflow):
    dropped = ActivityProxy(
        "dropped_{n}", 1, retry_policy=RetryPolicy(maximum_attempts=50, first_interval_s=0, jitter=0)
    )

    def run(self, number):
        return self.dropped(number).result()
"""


class Mischief:
    """All mischief to one daemon."""

    def __init__(self, daemon: StormDaemon, chance: random.Random, *, pause_s: float) -> None:
        self.done: Counter[str] = Counter()
        #: Numbers of the modules that were dropped in; each has a workflow type of its own.
        self.dropped: list[int] = []
        self._daemon = daemon
        self._chance = chance
        self._pause_s = pause_s
        self._edition = 0
        self._there: list[int] = []
        #: What will be undone, and when.
        self._undo: list[tuple[float, Callable[[], object]]] = []
        self._do: dict[str, Callable[[DaemonStatus], object]] = {
            "kill an activity worker": lambda status: self._kill_worker(status, "activity"),
            "kill a decision worker": lambda status: self._kill_worker(status, "decision"),
            "kill the engine": self._kill_engine,
            "freeze a worker": self._freeze,
            "recycle a worker": self._recycle,
            "resize a pool": self._resize,
            "drain a pool": self._drain,
            "reload": self._reload,
            "change the configuration": self._change_configuration,
            "break the configuration": self._break_configuration,
            "drop in new modules": self._drop_in,
            "remove a module": self._remove,
            "change a module": self._change_module,
            "write a module in halves": self._write_in_halves,
            "break a module": self._break_module,
            "break the anchor": self._break_anchor,
            "kill the supervisor": self._kill_supervisor,
            "kill everything": self._kill_everything,
        }

    def one(self, *, spare_supervisor: bool) -> None:
        """Does one of any kind, unless nobody answers, and undoes what is to be undone by now."""
        self._undo_due(time.monotonic())
        status = self._daemon.status()
        if status is None:
            return
        self._wake_the_fatal(status)
        kinds = [kind for kind in KINDS if not (spare_supervisor and kind in KILLS_SUPERVISOR)]
        kind = self._chance.choices(kinds, weights=[KINDS[kind] for kind in kinds])[0]
        if self._do[kind](status) is not False:
            self.done[kind] += 1

    def heal(self) -> None:
        """Undoes all: configuration, modules and pools are as at the beginning, in a later edition.

        Raises:
            DemoError: the daemon does not take a good configuration.
        """
        self._undo_due(float("inf"))
        for folder in ("activities", "workflows"):
            for module in (self._daemon.folder / folder).glob("broken_*.py"):
                module.unlink()
        self._write_edition("activities/sums.py")
        self._write_edition("workflows/sums.py")
        self._heal_anchor()
        self._daemon.configure(QUIET)
        self._reload_for_good()
        self._daemon.ask("resume")
        for pool, processes in PROCESSES.items():
            self._daemon.ask("scale", pool=pool, processes=processes)

    # Processes.

    def _kill_worker(self, status: DaemonStatus, kind: str) -> bool:
        return self._kill_one([w.pid for pool in status.pools if pool.kind == kind for w in pool.workers])

    def _kill_engine(self, status: DaemonStatus) -> bool:
        return self._kill_one([status.engine.pid] if status.engine else [])

    def _kill_one(self, pids: list[int]) -> bool:
        alive = [pid for pid in pids if pid]
        if alive:
            self._daemon.kill([self._chance.choice(alive)])
        return bool(alive)

    def _kill_supervisor(self, status: DaemonStatus) -> None:
        self._daemon.kill([status.pid])
        self._daemon.restart_killed()

    def _kill_everything(self, _: DaemonStatus) -> None:
        # The supervisor comes first, so that it answers for nobody.
        self._daemon.kill(self._daemon.processes())
        self._daemon.restart_killed()

    def _freeze(self, status: DaemonStatus) -> bool:
        pid = self._any_worker(status)
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            process.suspend()
            self._later(lambda: _thaw(process))
            return True
        return False

    def _recycle(self, status: DaemonStatus) -> bool:
        pid = self._any_worker(status)
        try:
            self._daemon.ask("recycle", pid=pid)
        except FlowydError as error:
            # It has ended since it was chosen.
            if "no child of the daemon has pid" not in str(error):
                raise
            return False
        return True

    def _any_worker(self, status: DaemonStatus) -> int:
        pids = [worker.pid for pool in status.pools for worker in pool.workers if worker.pid]
        return self._chance.choice(pids) if pids else 2**22

    # Pools.

    def _resize(self, _: DaemonStatus) -> None:
        pool = self._chance.choice(list(PROCESSES))
        self._daemon.ask("scale", pool=pool, processes=self._chance.randrange(1, 7))

    def _drain(self, _: DaemonStatus) -> None:
        pool = self._chance.choice(list(PROCESSES))
        self._daemon.ask("drain", pool=pool)
        self._later(lambda: self._daemon.ask("resume", pool=pool))

    def _wake_the_fatal(self, status: DaemonStatus) -> None:
        """What an operator does to a slot that rests because its processes died so often."""
        states = [worker.state for pool in status.pools for worker in pool.workers]
        if "fatal" in [*states, status.engine.state if status.engine else ""]:
            self._daemon.ask("resume")
            self.done["(wake a slot from its rest)"] += 1

    # Configuration.

    def _reload(self, _: DaemonStatus) -> None:
        if self._chance.random() < 0.5:
            self._daemon.signal(signal.SIGHUP)
            return
        # A caller that goes away before it has its answer.
        with contextlib.suppress(UnreachableError):
            self._ask_for_reload(timeout_s=0.2)

    def _change_configuration(self, status: DaemonStatus) -> None:
        self._edition += 1
        self._daemon.configure(
            {
                "log_level": self._chance.choice(["info", "debug"]),
                "nice": self._chance.randrange(3),
                "recycle_tasks": self._chance.choice(['"never"', "10", "40"]),
                "stop_timeout": self._chance.choice(["10s", "20s", "30s"]),
                "edition": self._edition,
            }
        )
        self._reload(status)

    def _break_configuration(self, _: DaemonStatus) -> None:
        file = self._daemon.folder / "flowyd.toml"
        good = file.read_text()
        self._daemon.configure(QUIET)
        before, after = self._chance.choice(_BROKEN_CONFIGURATIONS)
        self._daemon.write("flowyd.toml", file.read_text().replace(before, after))
        try:
            self._daemon.ask("reload")
        except FlowydError:
            self._daemon.write("flowyd.toml", good)
            return
        raise DemoError(f"the daemon took a configuration with {after!r}")

    def _ask_for_reload(self, *, timeout_s: float) -> bool:
        """Whether a reload was begun; it is not while another one is under way."""
        try:
            self._daemon.ask("reload", timeout_s=timeout_s)
        except UnreachableError:
            raise
        except FlowydError as error:
            if "under way" not in str(error):
                raise DemoError(f"the daemon refused a good configuration: {error}") from error
            return False
        return True

    def _reload_for_good(self) -> None:
        deadline = time.monotonic() + 120.0
        while time.monotonic() < deadline:
            if self._ask_for_reload(timeout_s=100.0):
                return
            time.sleep(0.2)
        raise DemoError("no reload was begun in 120 s, another one being under way all the time")

    # Modules.

    def _drop_in(self, _: DaemonStatus) -> None:
        number = len(self.dropped)
        self._daemon.write(f"activities/dropped_{number}.py", _DROPPED_ACTIVITY.format(n=number))
        self._daemon.write(f"workflows/dropped_{number}.py", _DROPPED_WORKFLOW.format(n=number))
        self.dropped.append(number)
        self._there.append(number)

    def _remove(self, _: DaemonStatus) -> bool:
        """One that was dropped in, if nobody needs it any more."""
        if not self._there or not self._daemon.is_closed(f"dropped_{self._there[0]}"):
            return False
        number = self._there.pop(0)
        for folder in ("activities", "workflows"):
            (self._daemon.folder / folder / f"dropped_{number}.py").unlink()
        return True

    def _change_module(self, _: DaemonStatus) -> None:
        self._write_edition(self._any_module())

    def _write_in_halves(self, _: DaemonStatus) -> None:
        name = self._any_module()
        text = self._next_edition(name)
        self._daemon.write(name, text[: len(text) // 2] + "\n(")
        self._later(lambda: self._daemon.write(name, text))

    def _break_module(self, _: DaemonStatus) -> None:
        text = self._chance.choice(_BROKEN)
        if self._chance.random() < 0.5:
            folder = self._chance.choice(["activities", "workflows"])
            self._daemon.write(f"{folder}/broken_{self.done['break a module']}.py", text)
            return
        name = self._any_module()
        self._daemon.write(name, text)
        self._later(lambda: self._write_edition(name))

    def _break_anchor(self, _: DaemonStatus) -> None:
        """Code that the anchor, which is open, does not fit: it must not be taken."""
        text = _source("workflows/anchor.py")
        self._daemon.write("workflows/anchor.py", text.replace("self.square(number)", "self.total(number)"))
        self._later(self._heal_anchor)

    def _heal_anchor(self) -> None:
        self._daemon.write("workflows/anchor.py", _source("workflows/anchor.py"))

    def _any_module(self) -> str:
        return self._chance.choice(["activities/sums.py", "workflows/sums.py"])

    def _write_edition(self, name: str) -> None:
        self._daemon.write(name, self._next_edition(name))

    def _next_edition(self, name: str) -> str:
        self._edition += 1
        return _source(name).replace("EDITION = 0", f"EDITION = {self._edition}")

    # Undoing.

    def _later(self, undo: Callable[[], object]) -> None:
        at = time.monotonic() + self._pause_s * self._chance.uniform(0.5, 6.0)
        self._undo.append((at, undo))

    def _undo_due(self, now: float) -> None:
        due = [undo for at, undo in self._undo if at <= now]
        self._undo = [(at, undo) for at, undo in self._undo if at > now]
        for undo in due:
            undo()


def _thaw(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.resume()


def _source(name: str) -> str:
    return Path(MODULES, name).read_text()

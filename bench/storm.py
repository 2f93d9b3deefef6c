"""A storm: workflows run while everything that may happen to a daemon happens, as a seeded chance has it.

`python -m bench.storm` starts the real daemon on a temporary folder and keeps starting executions while it
kills engine, workers, supervisor or all of them with -9, reloads, changes and breaks the configuration,
resizes and drains pools, and drops in new, changed, half-written and broken modules (`bench.mischief` has all
kinds). In the storm's second half the supervisor is spared, so that its memory can be watched.

It fails unless at the end every execution completed in its first run with the right result, every attempt was
run once, no process and no descriptor was left behind, and the supervisor's memory did not grow.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import time

import psutil

from bench.demo_daemon import DemoError, new_folder
from bench.mischief import Mischief
from bench.storm_daemon import PATIENCE_S, StormDaemon
from bench.storm_promises import Promised, check_attempts, check_descriptors, check_executions, open_files

#: Executions open at once at most, so that the storm's end is no backlog.
IN_FLIGHT = 40
#: What the supervisor may grow by in the storm's second half.
GROWTH_MIB = 3.0
_TICK_S = 0.02


class Storm:
    """One storm over one daemon."""

    def __init__(self, daemon: StormDaemon, mischief: Mischief, chance: random.Random) -> None:
        self.promised: dict[str, Promised] = {}
        #: The supervisor's resident memory while it was spared, MiB.
        self.memory_mib: list[float] = []
        self._daemon = daemon
        self._mischief = mischief
        self._chance = chance
        self._dropped_started = 0

    def run(self, *, workflows: int, duration_s: float, pause_s: float) -> None:
        """So many executions over the time, and mischief after every pause."""
        if not self._begin("anchor", "anchor", 7, Promised(result=50, activities=2)):
            raise DemoError("the anchor could not be started")
        began = time.monotonic()
        next_mischief = began + pause_s
        started = 0
        while (elapsed := time.monotonic() - began) < duration_s or started < workflows:
            if elapsed > 2 * duration_s + PATIENCE_S:
                raise DemoError(f"only {started} of {workflows} executions could be started")
            is_due = started < workflows * min(1.0, elapsed / duration_s)
            if is_due and self._has_room() and self._begin_sums(started):
                started += 1
                continue
            if time.monotonic() >= next_mischief:
                self._mischief.one(spare_supervisor=elapsed > duration_s / 2)
                self._begin_dropped()
                next_mischief = time.monotonic() + pause_s * self._chance.uniform(0.5, 1.5)
                if elapsed > duration_s / 2:
                    self._weigh()
            time.sleep(_TICK_S)

    def come_to_rest(self) -> float:
        """Heals, lets everything end, and answers how many seconds that took.

        Raises:
            DemoError: executions are still open after a long time.
        """
        began = time.monotonic()
        self._mischief.heal()
        self._daemon.call("SignalWorkflowExecution", {"workflowId": "anchor", "signalName": "end"})
        while time.monotonic() < began + PATIENCE_S:
            self._begin_dropped()
            if self._dropped_started == len(self._mischief.dropped) and self._daemon.open_executions() == 0:
                return time.monotonic() - began
            time.sleep(0.1)
        raise DemoError(f"{self._daemon.open_executions()} executions are open after {PATIENCE_S:g} s")

    def growth_mib(self) -> float:
        """What the spared supervisor grew by: the last quarter's most against the first quarter's most."""
        quarter = max(1, len(self.memory_mib) // 4)
        return max(self.memory_mib[-quarter:]) - max(self.memory_mib[:quarter])

    def _has_room(self) -> bool:
        open_now = self._daemon.open_executions()
        return open_now is not None and open_now < IN_FLIGHT

    def _begin(self, workflow_type: str, workflow_id: str, number: int, promised: Promised) -> bool:
        if not self._daemon.start_execution(workflow_type, workflow_id, number):
            return False
        self.promised[workflow_id] = promised
        return True

    def _begin_sums(self, number: int) -> bool:
        total = sum((number + more) ** 2 for more in range(3))
        return self._begin("sums", f"sums-{number}", number, Promised(result=total, activities=4))

    def _begin_dropped(self) -> None:
        """Starts one execution of each type that was dropped in, as soon as it is served."""
        for number in self._mischief.dropped[self._dropped_started :]:
            name = f"dropped_{number}"
            if not self._begin(name, name, number, Promised(result=number, activities=1)):
                return
            self._dropped_started += 1

    def _weigh(self) -> None:
        status = self._daemon.status()
        if status is not None:
            self.memory_mib.append(psutil.Process(status.pid).memory_info().rss / 2**20)


def main() -> int:
    """Runs the storm; 0 if everything held."""
    # So that the daemon is ended also when the storm itself is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    daemon = StormDaemon(new_folder())
    print(f"seed {options.seed}; folder {daemon.folder}", flush=True)
    try:
        daemon.lay_out()
        daemon.start()
        _run(daemon, options)
    except DemoError as error:
        print(f"FAILED: {error}; the folder is kept: {daemon.folder}", file=sys.stderr)
        return 1
    finally:
        daemon.end()
    if not options.keep:
        shutil.rmtree(daemon.folder)
    return 0


def _run(daemon: StormDaemon, options: argparse.Namespace) -> None:
    chance = random.Random(options.seed)
    mischief = Mischief(daemon, chance, pause_s=options.pause)
    storm = Storm(daemon, mischief, chance)
    before = open_files(daemon.wait_until_quiet())
    storm.run(workflows=options.workflows, duration_s=options.seconds, pause_s=options.pause)
    for kind, times in mischief.done.most_common():
        print(f"{times:5} x {kind}")
    print(f"all executions closed {storm.come_to_rest():.1f} s after the storm", flush=True)
    account = check_executions(daemon, storm.promised)
    print(f"{len(storm.promised)} of {len(storm.promised)} completed; tasks: {dict(account.ends)}")
    print(f"the slowest task took {account.slowest_task_s:.1f} s; timed out: {account.timed_out or 'none'}")
    attempts, editions = check_attempts(daemon)
    print(f"{attempts} attempts, each run once, in {editions} editions of their module")
    print(f"open files before {before}, after {check_descriptors(daemon, before)}")
    growth = storm.growth_mib()
    print(f"the supervisor's memory: {storm.memory_mib[-1]:.1f} MiB, grown by {growth:.1f} MiB")
    if growth > GROWTH_MIB:
        raise DemoError(f"the supervisor grew by {growth:.1f} MiB while it was spared")
    print(f"stopped after {daemon.stop():.1f} s; no process is left")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__.splitlines()[0])
    parser.add_argument("--workflows", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--pause", type=float, default=0.7, help="seconds between two kinds, on average")
    parser.add_argument("--keep", action="store_true", help="keep the folder also when everything held")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

"""What a daemon costs that does nothing, and how fast it and its workers come up.

`python -m bench.daemon_cost` starts the real daemon with two decision and six activity workers, measures the
time to ready, the CPU and the private memory of each kind of process while all of them poll, and then kills a
worker with -9 again and again and measures how long its place is empty. CPU is the kernel's count in
nanoseconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import sys
import time
from pathlib import Path

import psutil

from bench.demo_daemon import READY_S, Daemon, DemoError, new_folder
from bench.processes import precise_cpu_s, private_mib
from flowyd.control.status import DaemonStatus
from flowyd.supervisor.plan import FAST_DEATH_S

_PROGRAMS = Path(__file__).parent / "programs"
_CONFIG = """\
[flowyd]
activities = ["activities"]
workflows = ["workflows"]
state_dir = "state"
runtime_dir = "run"

[[pool]]
name = "decisions"
kind = "decision"
task_list = "bench-decisions"
processes = 2

[[pool]]
name = "activities"
kind = "activity"
task_list = "bench-activities"
processes = 6
"""
#: A dead worker's place is looked at so often, seconds.
_LOOK_S = 0.002


def main() -> int:
    """Measures and prints a table; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.daemon_cost", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it idles")
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    daemon = Daemon(new_folder())
    try:
        _lay_out(daemon)
        _measure(daemon, options)
        daemon.stop()
    except DemoError as error:
        print(f"FAILED: {error}; the folder is kept: {daemon.folder}", file=sys.stderr)
        return 1
    finally:
        daemon.end()
    shutil.rmtree(daemon.folder)
    return 0


def _lay_out(daemon: Daemon) -> None:
    for name in ("activities", "workflows"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_PROGRAMS / name, daemon.folder / name, ignore=ignore)
    for name in ("state", "run"):
        (daemon.folder / name).mkdir(mode=0o700)
    daemon.config.write_text(_CONFIG)


def _measure(daemon: Daemon, options: argparse.Namespace) -> None:
    began = time.monotonic()
    daemon.start()
    status = daemon.wait_until_ready()
    print(f"start-up of 8 workers to polling   {time.monotonic() - began:8.2f} s")
    # What was loaded is settled, and every poll is out.
    time.sleep(5.0)
    kinds = _kinds(status)
    before = {kind: precise_cpu_s(processes) for kind, processes in kinds.items()}
    time.sleep(options.seconds)
    used = {kind: precise_cpu_s(processes) - before[kind] for kind, processes in kinds.items()}
    print(f"idle CPU of all, of one core       {100 * sum(used.values()) / options.seconds:8.3f} %")
    for kind, processes in kinds.items():
        each = private_mib(processes) / len(processes)
        share = 100 * used[kind] / options.seconds / len(processes)
        print(f"  {kind:16} x {len(processes)}             {share:8.3f} %  {each:6.1f} MiB private each")
    for pool in status.pools:
        empty = [_restart_s(daemon, pool.name) for _ in range(options.kills)]
        print(
            f"{pool.kind} worker killed to polling: median {statistics.median(empty):.3f} s, "
            f"longest {max(empty):.3f} s, of {len(empty)}"
        )


def _kinds(status: DaemonStatus) -> dict[str, list[psutil.Process]]:
    assert status.engine is not None
    kinds = {"supervisor": [psutil.Process(status.pid)], "engine": [psutil.Process(status.engine.pid)]}
    for pool in status.pools:
        kinds[f"{pool.kind} worker"] = [psutil.Process(worker.pid) for worker in pool.workers]
    return kinds


def _restart_s(daemon: Daemon, pool_name: str) -> float:
    """Seconds from the kill of the pool's oldest worker until as many poll again."""
    before = _polling(daemon, pool_name)
    oldest = min(before, key=lambda pid: psutil.Process(pid).create_time())
    # After a fast death the next start may be put off.
    time.sleep(max(0.0, psutil.Process(oldest).create_time() + FAST_DEATH_S + 1.0 - time.time()))
    os.kill(oldest, signal.SIGKILL)
    began = time.monotonic()
    while time.monotonic() < began + READY_S:
        now = _polling(daemon, pool_name)
        if oldest not in now and len(now) == len(before):
            return time.monotonic() - began
        time.sleep(_LOOK_S)
    raise DemoError(f"pool {pool_name} was not whole {READY_S:g} s after a kill")


def _polling(daemon: Daemon, pool_name: str) -> list[int]:
    status = daemon.status()
    pools = status.pools if status else ()
    return [w.pid for pool in pools if pool.name == pool_name for w in pool.workers if w.state == "polling"]


if __name__ == "__main__":
    raise SystemExit(main())

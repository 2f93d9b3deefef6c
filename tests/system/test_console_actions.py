"""Every action on pools, workers and held tasks, pressed in the console, seen in a real daemon."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from flowyd.console.app import Console
from flowyd.console.dialogs.action import ActionDialog
from flowyd.console.memory import Memory
from flowyd.console.screens.quarantine import QuarantineScreen
from flowyd.console.screens.worker_log import LogScreen
from tests.system.console_pilot import (
    Script,
    confirm,
    daemon_target,
    field,
    opened,
    run_console,
    screen,
    shown,
    table,
    until,
)
from tests.system.running_daemon import RunningDaemon
from tests.system.test_system_quarantine import FLOW, POISON, quarantined, tries

WIDE = (160, 48)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    daemon = RunningDaemon(tmp_path)
    (tmp_path / "activities" / "poison.py").write_text(POISON)
    (tmp_path / "workflows" / "poisoned.py").write_text(FLOW)
    daemon.configure(more='quarantine_deaths = 2\nbackoff_first = "0.05s"\nbackoff_longest = "0.1s"\n')
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.destroy()


def run(daemon: RunningDaemon, script: Script) -> None:
    """Runs a console on the daemon, on its workers."""

    async def on_workers(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: table(pilot, "workers").items)
        await script(pilot)

    console = Console(daemon_target(daemon), memory=Memory(None), theme="flowyd-dark")
    run_console(console, on_workers, size=WIDE)


async def act(pilot: Pilot[None], row: str, key: str, *, command: str) -> None:
    """Presses an action's key on a row and confirms its dialog, which shows the equal command."""
    table(pilot, "workers").select(row)
    await pilot.press(key)
    await opened(pilot, ActionDialog)
    await until(pilot, lambda: f"$ flowyd {command}" in screen(pilot) or f"$ {command}" in screen(pilot))
    await confirm(pilot)


def pids(daemon: RunningDaemon) -> set[int]:
    return {worker.pid for worker in daemon.workers("workers") if worker.pid}


def test_a_pool_is_drained_and_resumed(daemon: RunningDaemon) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await act(pilot, "pool workers", "d", command="drain workers")
        await until(pilot, lambda: "draining" in screen(pilot) and not pids(daemon))
        await act(pilot, "pool workers", "u", command="resume workers")
        await shown(pilot, "workers 3/3")

    run(daemon, script)


def test_one_worker_is_recycled_from_its_row(daemon: RunningDaemon) -> None:
    first, second = (worker.pid for worker in daemon.workers("workers"))

    async def script(pilot: Pilot[None]) -> None:
        await act(pilot, "worker workers 0", "x", command=f"recycle --pid {first}")
        await until(pilot, lambda: first not in pids(daemon) and len(pids(daemon)) == 2)
        assert second in pids(daemon)

    run(daemon, script)


def test_all_workers_of_a_pool_are_recycled_from_the_pools_row(daemon: RunningDaemon) -> None:
    before = pids(daemon)

    async def script(pilot: Pilot[None]) -> None:
        await act(pilot, "pool workers", "x", command=f"recycle --pid {daemon.workers('workers')[0].pid}")
        await until(pilot, lambda: not before & pids(daemon) and len(pids(daemon)) == 2)

    run(daemon, script)


def test_a_workers_stacks_are_written_into_its_log_while_it_works(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    execution = daemon.begin("through", str(tmp_path), "v")

    async def script(pilot: Pilot[None]) -> None:
        await shown(pilot, "gate  through-")
        row = next(r for r in table(pilot, "workers").items if r.worker and r.worker.task and r.pool)
        await act(pilot, row.key, "t", command=f"kill -USR1 {row.worker.pid}")
        await until(pilot, lambda: pilot.app.done)  # type: ignore[attr-defined]
        await pilot.press("L")
        await opened(pilot, LogScreen)
        await shown(pilot, "tasks.py", " in run")

    run(daemon, script)

    (tmp_path / "open").touch()
    assert daemon.close_of(execution)["eventType"] == "WorkflowExecutionCompleted"


def test_a_pool_that_gave_up_is_tried_again(daemon: RunningDaemon) -> None:
    """Its workers cannot load any more: they are killed until the daemon stops to start them."""

    async def script(pilot: Pilot[None]) -> None:
        def give_up() -> bool:
            for pid in pids(daemon):
                os.kill(pid, signal.SIGKILL)
            return all(worker.state == "fatal" for worker in daemon.workers("workers"))

        await until(pilot, give_up, within_s=60)
        await shown(pilot, "✘ fatal")
        await act(pilot, "pool workers", "u", command="resume workers")
        await shown(pilot, "workers 3/3")

    run(daemon, script)


async def on_held_task(pilot: Pilot[None], key: str) -> None:
    """Opens the held tasks from the workers and presses an action's key there."""
    await shown(pilot, "‼ 1 held")
    await pilot.press("z")
    await opened(pilot, QuarantineScreen)
    await until(pilot, lambda: table(pilot, "quarantine").items)
    await pilot.press(key)
    await opened(pilot, ActionDialog)


def test_a_held_task_is_released(daemon: RunningDaemon, tmp_path: Path) -> None:
    execution = daemon.begin("poisoned", str(tmp_path))
    key = quarantined(daemon).key
    (tmp_path / "cured").touch()

    async def script(pilot: Pilot[None]) -> None:
        await on_held_task(pilot, "r")
        await shown(pilot, f"$ flowyd quarantine release {key}")
        await confirm(pilot)
        await until(pilot, lambda: table(pilot, "quarantine").items == ())
        await shown(pilot, "no task has killed its workers")

    run(daemon, script)

    assert daemon.close_of(execution)["eventType"] == "WorkflowExecutionCompleted"


def test_a_held_task_is_failed(daemon: RunningDaemon, tmp_path: Path) -> None:
    execution = daemon.begin("poisoned", str(tmp_path))
    quarantined(daemon)

    async def script(pilot: Pilot[None]) -> None:
        await on_held_task(pilot, "f")
        await confirm(pilot)
        await shown(pilot, "✘ failed")

    run(daemon, script)

    assert daemon.close_of(execution)["eventType"] == "WorkflowExecutionFailed"
    assert tries(tmp_path) == 2


def test_a_held_tasks_limit_is_raised(daemon: RunningDaemon, tmp_path: Path) -> None:
    daemon.begin("poisoned", str(tmp_path))
    key = quarantined(daemon).key

    async def script(pilot: Pilot[None]) -> None:
        await on_held_task(pilot, "m")
        field(pilot, "field-limit").value = "4"
        await shown(pilot, f"$ flowyd quarantine raise {key} 4")
        await confirm(pilot)
        await until(pilot, lambda: tries(tmp_path) == 4)
        await shown(pilot, "4/4")

    run(daemon, script)

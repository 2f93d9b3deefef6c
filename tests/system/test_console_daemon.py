"""The console on a real daemon: processes and tasks seen and steered as one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from textual.content import Content
from textual.pilot import Pilot
from textual.widgets import Static

from flowyd.console.app import Console
from flowyd.console.dialogs.action import ActionDialog
from flowyd.console.dialogs.start import StartDialog
from flowyd.console.dialogs.text import TextDialog
from flowyd.console.dialogs.type_picker import TypePicker
from flowyd.console.memory import Memory
from flowyd.console.screens.executions import ExecutionsScreen
from flowyd.console.screens.worker_log import LogScreen
from flowyd.console.view_model.cells import Tone
from flowyd.console.view_model.log_lines import LogLine
from flowyd.console.widgets.head import COLOURS
from tests.system.console_pilot import (
    Script,
    confirm,
    daemon_target,
    field,
    gone,
    ids,
    opened,
    run_console,
    shown,
    table,
    type_ahead,
    type_text,
    until,
)
from tests.system.running_daemon import DOMAIN, RunningDaemon, daemon_in


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with daemon_in(tmp_path_factory.mktemp("daemon")) as running:
        yield running


def run(daemon: RunningDaemon, script: Script) -> None:
    """Runs a console on the daemon, wide enough for all columns."""
    run_console(
        Console(daemon_target(daemon), memory=Memory(None), theme="flowyd-dark"), script, size=(160, 48)
    )


def test_pools_workers_and_the_engine_are_listed(daemon: RunningDaemon) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: len(table(pilot, "workers").items) == 6)
        keys = [row.key for row in table(pilot, "workers").items]
        assert keys == [
            "engine",
            "pool deciders",
            "worker deciders 0",
            "pool workers",
            "worker workers 0",
            "worker workers 1",
        ]
        await shown(pilot, "workers 3/3")
        assert not pilot.app.read_only  # type: ignore[attr-defined]

    run(daemon, script)


def test_the_daemon_says_who_asks(daemon: RunningDaemon) -> None:
    assert daemon.ask("whoami") == {"role": "operator", "uid": os.getuid()}


def test_a_workflow_goes_from_the_form_to_its_result(daemon: RunningDaemon) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("n")
        await opened(pilot, TypePicker)
        await type_text(pilot, "tutorial")
        await pilot.press("enter")
        await opened(pilot, StartDialog)
        await type_text(pilot, "5")
        await pilot.press("ctrl+s")
        await opened(pilot, ExecutionsScreen)
        await pilot.press("o")
        await until(pilot, lambda: any(name.startswith("tutorial-") for name in ids(pilot)))
        await pilot.press("enter")
        await shown(pilot, '"10-12"')
        assert [span.type for span in table(pilot, "timeline").items] == ["double 1", "double 1", "join 1"]

    run(daemon, script)


def test_a_dry_run_shows_the_first_decision_and_starts_nothing(daemon: RunningDaemon) -> None:
    started = count_open(daemon)

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("n")
        await opened(pilot, TypePicker)
        await type_text(pilot, "tutorial")
        await pilot.press("enter")
        await opened(pilot, StartDialog)
        await pilot.press("ctrl+r")
        await shown(pilot, "number: is needed")
        await type_text(pilot, "5")
        await pilot.press("ctrl+r")
        await opened(pilot, TextDialog)
        text = await shown(pilot, "would wait for 2 tasks", "[[6], {}]")
        assert text.count("schedules activity double 1") == 2
        await pilot.press("escape", "escape")

    run(daemon, script)

    assert count_open(daemon) == started


def count_open(daemon: RunningDaemon) -> int:
    request = {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
    return int(daemon.client().call("CountOpenWorkflowExecutions", request)["count"])


def test_a_killed_worker_is_seen_to_come_back_with_the_reason(daemon: RunningDaemon) -> None:
    victim = daemon.workers("workers")[0].pid

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await shown(pilot, str(victim))
        os.kill(victim, signal.SIGKILL)
        await shown(pilot, "SIGKILL")
        await shown(pilot, "workers 3/3")
        await gone(pilot, str(victim))

    run(daemon, script)


def test_a_pool_is_scaled_from_the_dialog(daemon: RunningDaemon) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: len(table(pilot, "workers").items) == 6)
        table(pilot, "workers").select("pool workers")
        await pilot.press("s")
        await opened(pilot, ActionDialog)
        field(pilot, "field-processes").value = "3"
        await shown(pilot, "$ flowyd scale workers 3")
        await confirm(pilot)
        await shown(pilot, "workers 4/4")

    run(daemon, script)


def test_a_task_at_work_is_shown_with_its_worker_and_opens_its_execution(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    workflow_id, _ = daemon.begin("pair", *map(str, folders))

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await shown(pilot, f"gate  {workflow_id}")
        rows = table(pilot, "workers").items
        table(pilot, "workers").select(next(row.key for row in rows if row.worker and row.worker.task))
        await pilot.press("e")
        await shown(pilot, "runs in worker", "flows.py:")
        for folder in folders:
            (folder / "open").touch()
        await shown(pilot, "completed")

    run(daemon, script)


def test_a_workers_log_is_shown(daemon: RunningDaemon) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: table(pilot, "workers").items)
        table(pilot, "workers").select("worker deciders 0")
        await pilot.press("L")
        await opened(pilot, LogScreen)
        await shown(pilot, "Log of deciders")
        await pilot.press("escape")
        await until(pilot, lambda: table(pilot, "workers").items)

    run(daemon, script)


def only(text: str, lines: Sequence[LogLine]) -> bool:
    """Whether there are lines, and each has the text."""
    return bool(lines) and all(text in line.text for line in lines)


def test_a_log_is_filtered_and_its_line_copied(daemon: RunningDaemon) -> None:
    for _ in range(4):
        # Its code breaks, and the decider says so; the deciders take turns.
        daemon.close_of(daemon.begin("chain", "no number"))

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: table(pilot, "workers").items)
        table(pilot, "workers").select("worker deciders 0")
        await pilot.press("L")
        await opened(pilot, LogScreen)
        await until(pilot, lambda: table(pilot, "log").items)
        type_ahead(pilot, "/nothing-like-it")
        await until(pilot, lambda: not table(pilot, "log").items)
        type_ahead(pilot, "<escape>", "/failed", "<enter>")
        await until(
            pilot, lambda: table(pilot, "log").has_focus and only("failed", table(pilot, "log").items)
        )
        await pilot.press("y")
        await until(pilot, lambda: pilot.app.clipboard == table(pilot, "log").item.text)

    run(daemon, script)


def test_modules_tell_what_each_pool_serves(daemon: RunningDaemon) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("5")
        await shown(pilot, "tutorial 1")
        await pilot.press("slash")
        await type_text(pilot, "gate")
        await until(pilot, lambda: [row.name for row in table(pilot, "modules").items] == ["gate 1"])

    run(daemon, script)


def test_a_lost_daemon_is_told_and_leaving_stops_nothing(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as own:

        async def script(pilot: Pilot[None]) -> None:
            await pilot.press("2")
            await until(pilot, lambda: table(pilot, "workers").items)
            assert own.stop() == 0
            await shown(pilot, "showing what was last seen")
            assert table(pilot, "workers").has_class("-stale")
            own.start()
            await gone(pilot, "showing what was last seen")
            await pilot.press("q")

        run(own, script)

        assert own.status().state == "running"


def test_what_a_lost_daemon_last_told_is_greyed_in_the_head(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as own:

        async def script(pilot: Pilot[None]) -> None:
            def tones() -> set[str]:
                found = pilot.app.screen.query_one("#state", Static).content
                assert isinstance(found, Content)
                return {str(span.style) for span in found.spans}

            await shown(pilot, "workers 3/3")
            assert COLOURS[Tone.GOOD] in tones()
            assert own.stop() == 0
            await shown(pilot, "showing what was last seen")
            await until(pilot, lambda: COLOURS[Tone.GOOD] not in tones())
            await shown(pilot, "workers 3/3")
            own.start()
            await until(pilot, lambda: COLOURS[Tone.GOOD] in tones())

        run(own, script)

"""The console on `backend = "aws"`, through boto3 to our own engine: executions without a daemon."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from flowyd.cli.console import target_of
from flowyd.cli.main import parsed
from flowyd.console.app import Console
from flowyd.console.memory import Memory
from flowyd.console.screens.execution import ExecutionScreen
from tests.contract.engine_process import EngineProcess
from tests.system.console_pilot import Bench, gone, ids, opened, run_console, shown, until


def test_executions_are_seen_and_no_alarm_is_raised_for_want_of_a_daemon(
    own_engine: EngineProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    bench = Bench(own_engine.unix)
    bench.start("far away")
    config = tmp_path / "flowyd.toml"
    config.write_text(
        f'[flowyd]\ndomain = "{bench.domain}"\nruntime_dir = "run"\nstate_dir = "state"\n'
        f'[swf]\nbackend = "aws"\nregion = "us-east-1"\nendpoint_url = "{own_engine.http}"\n'
    )

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["far away"])
        await shown(pilot, "aws  no daemon", "1 open")
        await pilot.press("enter")
        await opened(pilot, ExecutionScreen)
        await shown(pilot, "a decision")
        await gone(pilot, "showing what was last seen")
        own_engine.kill()
        await shown(pilot, "showing what was last seen")
        own_engine.start()
        await gone(pilot, "showing what was last seen")

    target = target_of(parsed(["--config", str(config), "console"]))
    run_console(Console(target, memory=Memory(None), theme="flowyd-dark"), script, size=(160, 48))

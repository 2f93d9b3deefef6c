"""The console on `backend = "aws"`, through boto3 to our own engine: executions without a daemon."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from flowyd.cli.console import target_of
from flowyd.cli.main import parsed
from flowyd.console.app import Console
from flowyd.console.backend import Target
from flowyd.console.memory import Memory
from flowyd.console.screens.execution import ExecutionScreen
from flowyd.console.screens.executions import ExecutionsScreen
from tests.contract.engine_process import EngineProcess
from tests.system.console_pilot import Bench, Script, gone, ids, opened, run_console, shown, table, until
from tests.system.throttling_proxy import ThrottlingProxy


@pytest.fixture
def target(
    own_engine: EngineProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Target]:
    """The console's target on an endpoint by a configuration, in a domain with one open execution."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    bench = Bench(own_engine.unix)
    bench.start("far away")

    def at(endpoint: str) -> Target:
        config = tmp_path / "flowyd.toml"
        config.write_text(
            f'[flowyd]\ndomain = "{bench.domain}"\nruntime_dir = "run"\nstate_dir = "state"\n'
            f'[swf]\nbackend = "aws"\nregion = "us-east-1"\nendpoint_url = "{endpoint}"\n'
        )
        return target_of(parsed(["--config", str(config), "console"]))

    return at


@pytest.fixture
def proxy(own_engine: EngineProcess) -> Iterator[ThrottlingProxy]:
    with ThrottlingProxy(own_engine.port) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


def run(target: Target, script: Script) -> None:
    run_console(Console(target, memory=Memory(None), theme="flowyd-dark"), script, size=(160, 48))


def test_executions_are_seen_and_no_alarm_is_raised_for_want_of_a_daemon(
    own_engine: EngineProcess, target: Callable[[str], Target]
) -> None:
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

    run(target(own_engine.http), script)


def test_what_waits_is_counted_and_its_age_not_known(
    own_engine: EngineProcess, target: Callable[[str], Target]
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("3")
        await until(pilot, lambda: any(row.pending for row in table(pilot, "lists").items))
        assert [row.oldest_s for row in table(pilot, "lists").items] == [None, None]
        await gone(pilot, "showing what was last seen")

    run(target(own_engine.http), script)


def test_a_service_that_throttles_is_asked_less_and_less_often(
    proxy: ThrottlingProxy, target: Callable[[str], Target]
) -> None:
    pauses: list[float] = []

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["far away"])
        screen = pilot.app.screen
        assert isinstance(screen, ExecutionsScreen)
        proxy.throttles = True
        await until(pilot, lambda: proxy.refused)

        def waits_longer() -> bool:
            if screen.pause_s not in pauses:
                pauses.append(screen.pause_s)
            return len(pauses) >= 3

        await until(pilot, waits_longer, within_s=60)
        await shown(pilot, "showing what was last seen", "ThrottlingException")
        assert ids(pilot) == ["far away"]
        assert table(pilot, "executions").has_class("-stale")
        proxy.throttles = False
        await gone(pilot, "showing what was last seen")
        assert not table(pilot, "executions").has_class("-stale")

    at = f"http://127.0.0.1:{proxy.server_port}"
    run(replace(target(at), patience=0.25), script)

    assert pauses[1:] == [2 * pause for pause in pauses[:-1]]

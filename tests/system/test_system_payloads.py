"""Long payloads of a daemon whose configuration names a store: start, decide, work, signal, look, replay."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from flowyd.cli.console import target_of
from flowyd.cli.main import parsed
from flowyd.console.app import Console
from flowyd.console.dialogs.start import StartDialog
from flowyd.console.memory import Memory
from flowyd.console.screens.executions import ExecutionsScreen
from flowyd.sdk.payloads import payloads
from flowyd.swf.references import from_wire
from tests.system.cli_process import Ended, flowyd
from tests.system.console_pilot import field, opened, run_console, table, type_ahead
from tests.system.console_pilot import until as pilot_until
from tests.system.running_daemon import DOMAIN, RunningDaemon, until

MODULE = """
from flowyd import ActivityProxy, Workflow, activity, workflow

@activity("grow", 1, "work")
def grow(text):
    return text * 2

@workflow("growth", 1, "decide")
class Growth(Workflow):
    grow = ActivityProxy("grow", 1, retry=0)

    def run(self, text):
        grown = self.grow(text).result()
        return grown + self.signal("more").result()
"""
TEXT = "x" * 40_000
STORED = re.compile(r"\(([0-9,]+) characters, stored as ([0-9a-f]{64})\)")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    folder = tmp_path_factory.mktemp("daemon")
    daemon = RunningDaemon(folder)
    (folder / "kept").mkdir()
    (folder / "activities" / "grow.py").write_text(MODULE)
    (folder / "workflows" / "growth.py").write_text(MODULE)
    daemon.configure(more='[payloads]\nstore = "kept"\nabove = 1000\n')
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.destroy()


@pytest.fixture
def own_process() -> Iterator[None]:
    """For what a console does in a process of its own: this one keeps no payloads afterwards."""
    yield
    payloads.use(None)


def run(daemon: RunningDaemon, *words: str) -> Ended:
    return flowyd("--config", str(daemon.config), *words)


@pytest.fixture(scope="module")
def grown(daemon: RunningDaemon) -> str:
    """The workflow id of an execution that got, passed on, was told and returned long payloads."""
    started = run(daemon, "start", "growth", "1", "--json-args", json.dumps([TEXT]), "--id", "grown")
    assert started.code == 0, started.err
    told = run(daemon, "signal", "grown", "more", json.dumps("y" * 5_000))
    assert told.code == 0, told.err
    until(lambda: "completed" in run(daemon, "show", "grown").out.splitlines()[0], what="completed")
    return "grown"


def test_every_long_payload_of_an_execution_is_in_the_store(daemon: RunningDaemon, grown: str) -> None:
    events = run(daemon, "history", grown, "--json").json["events"]

    result = events[-1]["workflowExecutionCompletedEventAttributes"]["result"]
    key = json.loads(result)["__flowyd__"][1]["sha256"]
    kept = (daemon.folder / "kept" / key[:2] / key).read_text()
    assert json.loads(kept) == TEXT * 2 + "y" * 5_000
    assert len(json.dumps(events)) < 10_000


def test_what_is_stored_is_said_where_it_is_shown(daemon: RunningDaemon, grown: str) -> None:
    shown = STORED.findall(run(daemon, "show", grown).out)
    listed = STORED.findall(run(daemon, "history", grown).out)

    assert {characters for characters, _ in shown} >= {"40,010", "85,002"}
    assert {characters for characters, _ in listed} == {"40,010", "80,002", "5,002", "85,002"}
    assert all((daemon.folder / "kept" / key[:2] / key).exists() for _, key in listed)


def test_a_replay_reads_what_is_stored(daemon: RunningDaemon, grown: str, tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text(run(daemon, "history", grown, "--json").out)
    words = ("replay", str(daemon.folder / "workflows" / "growth.py"), str(tmp_path / "history.json"))

    with_store = run(daemon, *words)
    (tmp_path / "other.toml").write_text("")
    without = flowyd("--config", str(tmp_path / "other.toml"), *words)

    assert with_store.code == 0, with_store.out
    assert without.code == 1
    assert "is in a store; name it here too, in the configuration's [payloads]" in without.out


def test_without_a_store_a_long_input_is_refused_before_it_is_sent(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    (tmp_path / "other.toml").write_text(f'[flowyd]\nruntime_dir = "{daemon.runtime}"\n')

    ended = flowyd("--config", str(tmp_path / "other.toml"), "start", "growth", "1", TEXT)

    assert ended.code == 1
    assert "the input is 40010 characters long, more than the 32768" in ended.err
    assert "[payloads]" in ended.err


@pytest.mark.usefixtures("own_process")
def test_the_consoles_form_stores_a_long_input_and_shows_it_whole_to_start_again(
    daemon: RunningDaemon,
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await opened(pilot, ExecutionsScreen)
        type_ahead(pilot, "n", "growth", "<enter>")
        await opened(pilot, StartDialog)
        field(pilot, "arg-text").value = TEXT
        type_ahead(pilot, "<ctrl+s>")
        await pilot_until(pilot, lambda: len(table(pilot, "executions").items) == 1)
        await pilot.press("r")
        await opened(pilot, StartDialog)
        assert field(pilot, "arg-text").value == TEXT

    run_console(
        Console(target_of(parsed(["--config", str(daemon.config), "console"])), memory=Memory(None)), script
    )

    (info,) = daemon.client().call(
        "ListOpenWorkflowExecutions", {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
    )["executionInfos"]
    (started, *_) = daemon.history((info["execution"]["workflowId"], info["execution"]["runId"]))
    travelled = started["workflowExecutionStartedEventAttributes"]["input"]
    found = from_wire(travelled)
    assert found is not None
    assert json.loads((daemon.folder / "kept" / found.key[:2] / found.key).read_text()) == [[TEXT], {}]

"""What is typed while a screen is on its way reaches that screen, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from flowyd.console.screens.execution import ExecutionScreen
from flowyd.console.screens.executions import ExecutionsScreen
from tests.contract.engine_process import EngineProcess
from tests.system.console_pilot import (
    SOURCE,
    Bench,
    field,
    ids,
    opened,
    schedule,
    screen,
    shown,
    table,
    type_ahead,
    until,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    engine = EngineProcess(tmp_path_factory.mktemp("engine")).start()
    yield engine
    assert engine.stop() == 0


@pytest.fixture
def bench(engine: EngineProcess, tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "flows.py").write_text(SOURCE)
    bench = Bench(engine.unix, directories=(tmp_path,))
    yield bench
    bench.client.close()


@pytest.mark.parametrize("digit", ["1", "4", "6"])
def test_a_filter_typed_in_the_same_moment_as_the_screens_key_is_not_lost(bench: Bench, digit: str) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("3")
        await until(pilot, lambda: table(pilot, "lists").has_focus)
        type_ahead(pilot, digit, "/small")
        await until(pilot, lambda: field(pilot, "filter").value == "small")

    bench.run(script)


def test_a_whole_start_may_be_typed_ahead(bench: Bench) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await opened(pilot, ExecutionsScreen)
        type_ahead(pilot, "n", "sma", "<enter>", "a.png", "<enter>", "64", "<ctrl+s>")
        await until(pilot, lambda: len(ids(pilot)) == 1)

    bench.run(script)

    infos = bench.call("ListOpenWorkflowExecutions", domain=bench.domain, startTimeFilter={"oldestDate": 0})
    execution = infos["executionInfos"][0]["execution"]
    started = bench.events(execution["workflowId"], execution["runId"])[0]
    assert started["workflowExecutionStartedEventAttributes"]["input"] == '[["a.png", 64], {}]'


def test_an_executions_view_and_filter_may_be_typed_ahead(bench: Bench) -> None:
    bench.start("read")
    bench.decide(schedule("resize-0-0"))

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["read"])
        type_ahead(pilot, "<enter>", "h/activitytask", "<enter>")
        await opened(pilot, ExecutionScreen)
        await until(pilot, lambda: [row.event_id for row in table(pilot, "events").items] == [5])
        await until(pilot, lambda: table(pilot, "events").has_focus)

    bench.run(script)


def test_what_a_filter_typed_ahead_leaves_is_what_enter_opens(bench: Bench) -> None:
    for name in ("wanted", "other"):
        bench.start(name)

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["other", "wanted"])
        type_ahead(pilot, "/id:wanted", "<enter>", "<enter>")
        await opened(pilot, ExecutionScreen)
        assert isinstance(pilot.app.screen, ExecutionScreen)
        assert pilot.app.screen.workflow_id == "wanted"

    bench.run(script)


def test_a_signals_name_may_be_typed_ahead(bench: Bench) -> None:
    bench.start("signaled")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["signaled"])
        type_ahead(pilot, "s", "approve")
        await shown(pilot, "flowyd signal", "approve")
        assert field(pilot, "field-name").value == "approve"

    bench.run(script)


def test_keys_meant_for_a_form_that_was_refused_do_nothing_else(own_engine: EngineProcess) -> None:
    """The list of types cannot be had: the letters typed for it are keys of the screen below."""
    bench = Bench(own_engine.unix)
    bench.start("kept")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["kept"])
        own_engine.kill()
        type_ahead(pilot, "n", "o8q")
        await until(pilot, lambda: "no engine answers" in screen(pilot))
        await opened(pilot, ExecutionsScreen)
        own_engine.start()
        await until(pilot, lambda: not table(pilot, "executions").has_class("-stale"))
        assert ids(pilot) == ["kept"]

    bench.run(script)


def test_escape_typed_ahead_leaves_what_has_not_come_yet(bench: Bench) -> None:
    bench.start("one")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["one"])
        type_ahead(pilot, "n", "<escape>", "3")
        await until(pilot, lambda: table(pilot, "lists").has_focus)

    bench.run(script)

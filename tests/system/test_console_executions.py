"""The console on a real engine: keys pressed, state read."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from flowyd.console.backend import Backend
from flowyd.console.dialogs.action import ActionDialog
from flowyd.console.dialogs.start import StartDialog
from flowyd.console.dialogs.type_picker import TypePicker
from flowyd.console.reading import FIRST_PAGE, ExecutionAnswer, list_types
from flowyd.console.screens.execution import ExecutionScreen
from flowyd.console.screens.executions import ExecutionsScreen
from flowyd.console.widgets.head import Head
from flowyd.console.widgets.row_table import RowTable
from flowyd.swf.faults import UnknownResourceFault
from tests.contract.engine_process import EngineProcess
from tests.system.console_pilot import (
    SOURCE,
    Bench,
    confirm,
    field,
    gone,
    ids,
    opened,
    schedule,
    shown,
    table,
    type_text,
    until,
)
from tests.system.running_daemon import until as until_there


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    engine = EngineProcess(tmp_path_factory.mktemp("engine")).start()
    yield engine
    assert engine.stop() == 0


@pytest.fixture
def bench(engine: EngineProcess) -> Iterator[Bench]:
    bench = Bench(engine.unix)
    yield bench
    bench.client.close()


def test_open_executions_are_listed_newest_first_with_true_counts(bench: Bench) -> None:
    run_id = bench.start("one")
    bench.start("two")
    bench.call("TerminateWorkflowExecution", domain=bench.domain, workflowId="one", runId=run_id)
    bench.start("three")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["three", "two"])
        await shown(pilot, "2 open  1 closed")
        await pilot.press("o")
        await until(pilot, lambda: ids(pilot) == ["one"])

    bench.run(script)


def test_the_list_is_filtered_as_one_types_and_escape_clears(bench: Bench) -> None:
    for name in ("order-1", "order-2", "other"):
        bench.start(name, tagList=[f"of-{name}"])

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(ids(pilot)) == 3)
        await pilot.press("slash")
        await type_text(pilot, "tag:of-order")
        await until(pilot, lambda: ids(pilot) == ["order-2", "order-1"])
        await pilot.press("enter", "escape")
        await until(pilot, lambda: len(ids(pilot)) == 3)

    bench.run(script)


def test_the_selection_stays_on_its_execution_when_newer_ones_come(bench: Bench) -> None:
    bench.start("old")
    bench.start("new")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(ids(pilot)) == 2)
        await pilot.press("j")
        assert table(pilot, "executions").item.workflow_id == "old"

        bench.start("newest")
        await until(pilot, lambda: ids(pilot) == ["newest", "new", "old"])

        assert table(pilot, "executions").item.workflow_id == "old"

    bench.run(script)


def test_a_dialogs_target_is_the_one_it_was_opened_for(bench: Bench) -> None:
    bench.start("wanted")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["wanted"])
        await pilot.press("ctrl+t")
        await opened(pilot, ActionDialog)
        bench.start("newer")
        await type_text(pilot, "too-old")
        await confirm(pilot)
        await until(pilot, lambda: bench.open_ids() == {"newer"})
        await until(pilot, lambda: ids(pilot) == ["newer"])
        await pilot.press("7")
        await until(pilot, lambda: len(table(pilot, "done").items) == 1)
        done = table(pilot, "done").items[0]
        assert done.command.startswith("flowyd terminate wanted --run-id ")
        assert "--reason too-old" in done.command
        assert not done.failed

    bench.run(script)


def test_many_are_terminated_only_when_their_number_is_typed_in(bench: Bench) -> None:
    for number in range(4):
        bench.start(f"order-{number}")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(ids(pilot)) == 4)
        await pilot.press("space", "space", "space", "ctrl+t")
        await opened(pilot, ActionDialog)
        await shown(pilot, "small order-3", "small order-2", "… and 1 more", "type 3 to confirm")
        dialog = pilot.app.screen
        await confirm(pilot)
        await until(pilot, lambda: field(pilot, "field-count").has_focus)
        await shown(pilot, "type 3 to confirm")
        assert pilot.app.screen is dialog
        assert len(bench.open_ids()) == 4
        field(pilot, "field-count").value = "3"
        await confirm(pilot)
        await until(pilot, lambda: bench.open_ids() == {"order-0"})

    bench.run(script)


def test_many_that_are_terminated_are_counted_while_it_goes_on(bench: Bench) -> None:
    for number in range(60):
        bench.start(f"order-{number}")
    seen: set[str] = set()

    def note(progress: str) -> None:
        seen.add(progress)

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(ids(pilot)) == 60)
        await pilot.press("a", "ctrl+t")
        await opened(pilot, ActionDialog)
        field(pilot, "field-count").value = "60"
        head = pilot.app.screen_stack[0].query_one(Head)
        head.watch(pilot.app, "progress", note)
        await confirm(pilot)
        await shown(pilot, "60 of 60 terminated")
        await until(pilot, lambda: bench.open_ids() == set())

    bench.run(script)

    assert {"terminated 1 of 60", "terminated 59 of 60", ""} <= seen


def test_a_type_is_registered_deprecated_and_taken_back(bench: Bench) -> None:
    def statuses() -> dict[str, str]:
        found = bench.call("ListWorkflowTypes", domain=bench.domain, registrationStatus="DEPRECATED")
        return {info["workflowType"]["name"]: info["status"] for info in found["typeInfos"]}

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("4")
        await until(pilot, lambda: table(pilot, "types").items)
        await pilot.press("ctrl+n")
        await opened(pilot, ActionDialog)
        field(pilot, "field-name").value = "fresh"
        await shown(pilot, "register-workflow-type")
        await confirm(pilot)
        await until(pilot, lambda: "fresh" in [row.name for row in table(pilot, "types").items])
        table(pilot, "types").select("workflow small 1")
        await pilot.press("ctrl+d")
        await opened(pilot, ActionDialog)
        await confirm(pilot)
        await until(pilot, lambda: statuses() == {"small": "DEPRECATED"})
        await until(pilot, lambda: any(row.deprecated for row in table(pilot, "types").items))
        table(pilot, "types").select("workflow small 1")
        await pilot.press("ctrl+d")
        await opened(pilot, ActionDialog)
        await confirm(pilot)
        await until(pilot, lambda: statuses() == {})

    bench.run(script)


def test_a_type_that_is_deprecated_while_it_is_read_is_there_once(bench: Bench) -> None:
    class Overtaken(Backend):
        def swf(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
            answer = super().swf(action, request)
            if request.get("registrationStatus") == "REGISTERED":
                kind = {"name": "small", "version": "1"}
                bench.call("DeprecateWorkflowType", domain=bench.domain, workflowType=kind)
            return answer

    backend = Overtaken(bench.target)
    found = list_types(backend, bench.domain, "workflow")
    backend.close()

    assert [(info["workflowType"]["name"], info["status"]) for info in found] == [("small", "DEPRECATED")]


def test_a_domain_is_registered_deprecated_and_taken_back(bench: Bench) -> None:
    fresh = f"{bench.domain}-fresh"

    def info() -> dict[str, Any]:
        try:
            found: dict[str, Any] = bench.call("DescribeDomain", name=fresh)
        except UnknownResourceFault:
            return {}
        return {**found["domainInfo"], **found["configuration"]}

    def shows(pilot: Pilot[None], *, is_deprecated: bool) -> bool:
        rows = table(pilot, "domains").items
        return [row.deprecated for row in rows if row.name == fresh] == [is_deprecated]

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("6")
        await until(pilot, lambda: table(pilot, "domains").items)
        await pilot.press("n")
        await opened(pilot, ActionDialog)
        await type_text(pilot, fresh)
        await shown(pilot, "$ flowyd domains register")
        await confirm(pilot)
        await until(pilot, lambda: fresh in [row.name for row in table(pilot, "domains").items])
        assert info()["status"] == "REGISTERED"
        for is_deprecated in (True, False):
            table(pilot, "domains").select(fresh)
            await pilot.press("ctrl+d")
            await opened(pilot, ActionDialog)
            await shown(pilot, fresh)
            await confirm(pilot)
            await until(pilot, partial(shows, pilot, is_deprecated=is_deprecated))
            assert info()["status"] == ("DEPRECATED" if is_deprecated else "REGISTERED")

    bench.run(script)


def test_another_domain_is_chosen_and_nothing_of_the_first_is_left(
    bench: Bench, engine: EngineProcess
) -> None:
    other = Bench(engine.unix)
    bench.start("here")
    run_id = other.start("there")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["here"])
        await pilot.press("enter")
        await opened(pilot, ExecutionScreen)
        await pilot.press("3")
        await until(pilot, lambda: any(row.pending for row in table(pilot, "lists").items))
        await pilot.press("6")
        await until(pilot, lambda: table(pilot, "domains").items)
        table(pilot, "domains").select(other.domain)
        await pilot.press("enter")
        await opened(pilot, ExecutionsScreen)
        assert "here" not in ids(pilot)
        await until(pilot, lambda: ids(pilot) == ["there"])
        await shown(pilot, f"domain {other.domain}", "1 open  0 closed")
        await gone(pilot, "showing what was last seen")
        await pilot.press("c")
        await opened(pilot, ActionDialog)
        await shown(pilot, "--domain", other.domain)
        await confirm(pilot)
        await until(pilot, lambda: len(other.events("there", run_id)) > 2)
        other.call("TerminateWorkflowExecution", domain=other.domain, workflowId="there")
        await pilot.press("3")
        await until(pilot, lambda: table(pilot, "lists").items)
        assert not any(row.pending for row in table(pilot, "lists").items)

    bench.run(script, size=(160, 48))
    other.client.close()


@pytest.mark.parametrize("inside", [False, True], ids=["from the list", "from the execution"])
def test_a_cancel_is_requested_and_shown(bench: Bench, inside: bool) -> None:
    run_id = bench.start("asked to stop")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["asked to stop"])
        if inside:
            await pilot.press("enter")
            await opened(pilot, ExecutionScreen)
            await shown(pilot, "a decision")
        await pilot.press("c")
        await opened(pilot, ActionDialog)
        await shown(pilot, "The workflow is told and may clean up", "$ flowyd cancel 'asked to stop'")
        await confirm(pilot)
        await until(
            pilot,
            lambda: (
                bench.events("asked to stop", run_id)[-1]["eventType"] == "WorkflowExecutionCancelRequested"
            ),
        )
        await shown(pilot, "canceling")
        assert bench.open_ids() == {"asked to stop"}

    bench.run(script, size=(160, 48))


def test_one_steps_into_a_child_and_back(bench: Bench) -> None:
    bench.start("parent")
    child = {"workflowId": "its child", "workflowType": {"name": "small", "version": "1"}}
    bench.decide(
        schedule("before"),
        {
            "decisionType": "StartChildWorkflowExecution",
            "startChildWorkflowExecutionDecisionAttributes": child,
        },
    )
    until_there(lambda: "its child" in bench.open_ids())

    def shows(pilot: Pilot[None], workflow_id: str) -> bool:
        screen = pilot.app.screen
        return (
            isinstance(screen, ExecutionScreen)
            and screen.workflow_id == workflow_id
            and screen.answer is not None
        )

    def at(pilot: Pilot[None]) -> str:
        item = table(pilot, "timeline").item
        return "" if item is None else str(item.id)

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: set(ids(pilot)) == {"parent", "its child"})
        row = next(e for e in table(pilot, "executions").items if e.workflow_id == "parent")
        table(pilot, "executions").select(row.key)
        await pilot.press("enter")
        await until(pilot, lambda: shows(pilot, "parent") and len(table(pilot, "timeline").items) == 2)
        await pilot.press("j")
        await until(pilot, lambda: at(pilot) == "its child")
        await pilot.press("enter")
        await until(pilot, lambda: shows(pilot, "its child"))
        await pilot.press("p")
        await until(pilot, lambda: shows(pilot, "parent"))
        await pilot.press("escape")
        await until(pilot, lambda: shows(pilot, "its child"))
        await pilot.press("escape")
        await until(pilot, lambda: shows(pilot, "parent"))
        assert at(pilot) == "its child"
        await pilot.press("escape")
        await opened(pilot, ExecutionsScreen)
        assert table(pilot, "executions").item.workflow_id == "parent"

    bench.run(script)


def test_how_long_tasks_wait_is_told_list_by_list(bench: Bench) -> None:
    bench.start("one")
    astray = schedule("a")
    astray["scheduleActivityTaskDecisionAttributes"]["taskList"] = {"name": "named by nobody"}
    bench.decide(astray)
    bench.start("two")

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("3")
        await until(pilot, lambda: len([row for row in table(pilot, "lists").items if row.oldest_s]) == 2)
        images, nobodys, decisions = table(pilot, "lists").items
        assert (images.name, images.pending, images.oldest_s) == ("images", 0, None)
        assert (nobodys.name, nobodys.pending) == ("named by nobody", 1)
        assert (decisions.name, decisions.pending) == ("decisions", 1)
        await shown(pilot, "Oldest")

    bench.run(script)


def test_escape_leaves_a_dialog_and_nothing_happens(bench: Bench) -> None:
    bench.start("kept")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["kept"])
        await pilot.press("ctrl+t")
        await opened(pilot, ActionDialog)
        await pilot.press("escape")
        await until(pilot, lambda: ids(pilot) == ["kept"])
        assert bench.open_ids() == {"kept"}

    bench.run(script)


def test_a_workflow_is_started_from_the_form_of_its_signature(engine: EngineProcess, tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(SOURCE)
    bench = Bench(engine.unix, directories=(tmp_path,))

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("n")
        await opened(pilot, TypePicker)
        await type_text(pilot, "sma")
        await pilot.press("enter")
        await opened(pilot, StartDialog)
        await shown(pilot, "Makes a picture small.")
        await pilot.press("ctrl+s")
        await shown(pilot, "url: is needed")
        await type_text(pilot, "a.png")
        await pilot.press("enter")
        await type_text(pilot, "64")
        await shown(pilot, "flowyd start small 1")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(ids(pilot)) == 1)

    bench.run(script)

    infos = bench.call("ListOpenWorkflowExecutions", domain=bench.domain, startTimeFilter={"oldestDate": 0})
    execution = infos["executionInfos"][0]["execution"]
    started = bench.events(execution["workflowId"], execution["runId"])[0]
    assert started["workflowExecutionStartedEventAttributes"]["input"] == '[["a.png", 64], {}]'
    assert bench.memory.last_input("small", "1") == '[["a.png", 64], {}]'


def test_an_execution_is_started_again_with_changes(bench: Bench) -> None:
    bench.start("first", input="[[1], {}]", tagList=["nightly"])

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["first"])
        await pilot.press("r")
        await opened(pilot, StartDialog)
        await until(pilot, lambda: field(pilot, "arg-json").value == "[[1], {}]")
        field(pilot, "arg-json").value = "[2]"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(ids(pilot)) == 2)
        assert table(pilot, "executions").items[0].tags == ("nightly",)

    bench.run(script)


def test_an_execution_is_followed_while_it_goes_on(bench: Bench) -> None:
    bench.start("followed")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["followed"])
        await pilot.press("enter")
        await opened(pilot, ExecutionScreen)
        await shown(pilot, "a decision")
        bench.decide(schedule("resize-0-0"))
        await until(pilot, lambda: [s.id for s in table(pilot, "timeline").items] == ["resize-0-0"])
        await shown(pilot, "no worker has polled list images")
        task = bench.call("PollForActivityTask", domain=bench.domain, taskList={"name": "images"})
        bench.call("RespondActivityTaskCompleted", taskToken=task["taskToken"], result="done")
        await until(pilot, lambda: table(pilot, "timeline").items[0].outcome == "completed")
        await pilot.press("escape")
        await until(pilot, lambda: ids(pilot) == ["followed"])

    bench.run(script)


def test_a_history_is_filtered_and_its_json_searched(bench: Bench) -> None:
    bench.start("read", input="a needle in it")
    bench.decide(schedule("resize-0-0"))

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["read"])
        await pilot.press("enter")
        await until(pilot, lambda: len(table(pilot, "events").items) == 5)
        await pilot.press("h", "slash")
        await type_text(pilot, "activitytask")
        await until(pilot, lambda: [row.event_id for row in table(pilot, "events").items] == [5])
        await pilot.press("escape", "w", "slash")
        await type_text(pilot, "needle")
        await pilot.press("enter")
        await until(pilot, lambda: "a needle in it" in table(pilot, "lines").item.text)

    bench.run(script)


def test_a_long_history_is_shown_from_its_first_page_on_until_all_of_it_is_there(bench: Bench) -> None:
    run_id = bench.start("long")
    for number in range(FIRST_PAGE):
        bench.call("SignalWorkflowExecution", domain=bench.domain, workflowId="long", signalName=f"s{number}")
    events = bench.events("long", run_id)
    shown = []

    class Watched(ExecutionScreen):
        def show(self, answer: ExecutionAnswer) -> None:
            super().show(answer)
            shown.append((answer.whole, len(self.query_one("#events", RowTable).items)))

    async def script(pilot: Pilot[None]) -> None:
        pilot.app.push_screen(Watched("long", run_id))
        await until(pilot, lambda: len(table(pilot, "events").items) == len(events))
        assert [item.event_id for item in table(pilot, "events").items] == [e["eventId"] for e in events]
        await gone(pilot, "are coming")

    bench.run(script)

    assert shown[:2] == [(False, FIRST_PAGE), (True, len(events))]


def test_a_signal_reaches_the_execution(bench: Bench) -> None:
    run_id = bench.start("signaled")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["signaled"])
        await pilot.press("s")
        await opened(pilot, ActionDialog)
        await type_text(pilot, "approve")
        await confirm(pilot)
        await until(
            pilot, lambda: bench.events("signaled", run_id)[-1]["eventType"] == "WorkflowExecutionSignaled"
        )

    bench.run(script)


def test_a_read_only_console_changes_nothing(engine: EngineProcess) -> None:
    bench = Bench(engine.unix, read_only=True)
    bench.start("kept")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["kept"])
        await shown(pilot, "read-only")
        for key, what in (("ctrl+t", "Terminate"), ("n", "Start"), ("r", "Start again")):
            await pilot.press(key)
            await shown(pilot, f"{what}: you may look", "--read-only")
            pilot.app.clear_notifications()
            await gone(pilot, "you may look")
        assert ids(pilot) == ["kept"]
        assert not isinstance(pilot.app.screen, (ActionDialog, StartDialog, TypePicker))

    bench.run(script)


def test_a_daemon_that_never_answered_is_no_loss(bench: Bench, tmp_path: Path) -> None:
    bench.target = replace(bench.target, control_socket=tmp_path / "control.sock")
    bench.start("one")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["one"])
        await shown(pilot, "There is no daemon")
        pilot.app.clear_notifications()
        await gone(pilot, "There is no daemon")
        # It is asked again and again; that is told neither as a loss nor once more.
        await pilot.pause(2.5)
        text = await shown(pilot, "embedded  no daemon", "1 open")
        assert "showing what was last seen" not in text
        assert "There is no daemon" not in text

    bench.run(script, size=(160, 48))


def test_a_lost_engine_is_told_and_found_again(own_engine: EngineProcess) -> None:
    bench = Bench(own_engine.unix)
    bench.start("still here")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["still here"])
        own_engine.kill()
        await shown(pilot, "showing what was last seen")
        assert ids(pilot) == ["still here"]
        assert table(pilot, "executions").has_class("-stale")
        own_engine.start()
        await gone(pilot, "showing what was last seen")
        assert not table(pilot, "executions").has_class("-stale")

    bench.run(script)


def test_an_engine_is_found_again_also_on_a_screen_that_asks_it_nothing(own_engine: EngineProcess) -> None:
    bench = Bench(own_engine.unix)

    async def script(pilot: Pilot[None]) -> None:
        await opened(pilot, ExecutionsScreen)
        own_engine.kill()
        await shown(pilot, "showing what was last seen")
        await pilot.press("2")
        await shown(pilot, "showing what was last seen", "Pool / pid")
        own_engine.start()
        await gone(pilot, "showing what was last seen")

    bench.run(script)


def test_an_engine_that_takes_calls_and_does_not_answer_is_told(own_engine: EngineProcess) -> None:
    """Its socket still takes connections, as the daemon's does while the engine is started anew."""
    bench = Bench(own_engine.unix)
    bench.start("still here")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["still here"])
        os.kill(own_engine.pid, signal.SIGSTOP)
        try:
            await shown(pilot, "showing what was last seen", "the engine has not answered for")
            assert table(pilot, "executions").has_class("-stale")
        finally:
            os.kill(own_engine.pid, signal.SIGCONT)
        await gone(pilot, "showing what was last seen")
        assert not table(pilot, "executions").has_class("-stale")

    bench.run(script, size=(160, 48))


def test_leaving_does_not_wait_for_an_engine_that_does_not_answer(own_engine: EngineProcess) -> None:
    bench = Bench(own_engine.unix)
    waited_for = []

    def let_it_answer() -> None:
        waited_for.append("its answer")
        os.kill(own_engine.pid, signal.SIGCONT)

    release = threading.Timer(20.0, let_it_answer)

    async def script(pilot: Pilot[None]) -> None:
        await opened(pilot, ExecutionsScreen)
        os.kill(own_engine.pid, signal.SIGSTOP)
        release.start()
        await pilot.press("n")
        await until(pilot, lambda: pilot.app.backend.waiting_s > 0.5)  # type: ignore[attr-defined]
        await pilot.press("ctrl+q")

    try:
        bench.run(script)
        assert not waited_for
    finally:
        release.cancel()
        os.kill(own_engine.pid, signal.SIGCONT)


def test_the_keys_of_vi_and_a_click_on_a_heading_work(bench: Bench) -> None:
    for name in ("b", "c", "a"):
        bench.start(name)

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["a", "c", "b"])
        await pilot.press("G")
        await until(pilot, lambda: table(pilot, "executions").item.workflow_id == "b")
        await pilot.press("g")
        await until(pilot, lambda: table(pilot, "executions").item.workflow_id == "a")
        heading = (await shown(pilot, "Workflow id")).splitlines()[3].index("Workflow id")
        await pilot.click("#executions", offset=(heading, 0))
        await until(pilot, lambda: ids(pilot) == ["a", "b", "c"])
        await pilot.press("equals_sign")
        await until(pilot, lambda: ids(pilot) == ["c", "b", "a"])

    bench.run(script)


def test_each_command_is_listed_once_however_many_keys_it_has(bench: Bench) -> None:
    bench.start("one")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["one"])
        titles = [command.title for command in pilot.app.get_system_commands(pilot.app.screen)]
        assert {"Refresh", "Terminate", "Workers"} <= set(titles)
        assert len(titles) == len(set(titles))

    bench.run(script)


def test_every_main_screen_opens_by_its_digit_and_its_help_by_a_question_mark(bench: Bench) -> None:
    bench.start("one")

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ids(pilot) == ["one"])
        for digit, name in ((3, "lists"), (4, "types"), (6, "domains")):
            await pilot.press(str(digit))
            await until(pilot, lambda name=name: table(pilot, name).items)
        await pilot.press("question_mark")
        await shown(pilot, "On this screen")
        await pilot.press("escape", "1")
        await until(pilot, lambda: ids(pilot) == ["one"])

    bench.run(script)

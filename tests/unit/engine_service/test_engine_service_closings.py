"""Calls that wait for the end of an execution: told in the turn that closes it, once, and only if it did."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flowyd.engine.calls import Call
from flowyd.engine.settings import ServiceSettings
from flowyd.swf.faults import InternalFailure, UnknownResourceFault
from tests.unit.engine_service.engine_service_scene import COMPLETE, DOMAIN, START_AT, Scene, decision
from tests.unit.engine_service.test_engine_service_store import full_disk_found_out


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Scene]:
    """A service that has no room in memory for more than the last execution it touched."""
    opened = Scene(tmp_path / "forgetful.db", settings=ServiceSettings(hot_bytes=1))
    yield opened
    opened.service.close()


def description(scene: Scene, execution: dict[str, str]) -> Call:
    """A description that is wanted at the end; it is not sent yet."""
    call = scene.make("DescribeWorkflowExecution", domain=DOMAIN, execution=execution)
    call.waits_for_close = True
    return call


def wait(scene: Scene, execution: dict[str, str]) -> Call:
    """Waits for the end of an execution."""
    call = description(scene, execution)
    scene.turn(call)
    return call


def termination(scene: Scene, workflow_id: str = "w") -> Call:
    return scene.make("TerminateWorkflowExecution", domain=DOMAIN, workflowId=workflow_id)


def status(scene: Scene, call: Call) -> str:
    """How the execution closed, as the answer of a wait says; OPEN if it has not."""
    info = scene.answer(call)["executionInfo"]
    return str(info.get("closeStatus", info["executionStatus"]))


WAYS: dict[str, Callable[[Scene], object]] = {
    "COMPLETED": lambda scene: scene.decide(COMPLETE),
    "FAILED": lambda scene: scene.decide(decision("FailWorkflowExecution")),
    "CANCELED": lambda scene: scene.decide(decision("CancelWorkflowExecution")),
    "CONTINUED_AS_NEW": lambda scene: scene.decide(decision("ContinueAsNewWorkflowExecution")),
    "TERMINATED": lambda scene: scene.turn(termination(scene)),
    "TIMED_OUT": lambda scene: scene.pass_time(30),
}


@pytest.mark.parametrize("way", WAYS)
def test_who_waits_is_told_how_it_closed(scene: Scene, way: str) -> None:
    execution = scene.start(executionStartToCloseTimeout="30")
    waiting = wait(scene, execution)
    assert waiting not in scene.answers

    WAYS[way](scene)

    assert status(scene, waiting) == way
    assert scene.answer(waiting) == scene.describe(execution)


def test_all_who_wait_are_told_and_nobody_else(scene: Scene) -> None:
    execution, other = scene.start(), scene.start("other")
    waiting = [wait(scene, execution) for _ in range(3)]
    elsewhere = wait(scene, other)

    scene.turn(termination(scene))

    assert [status(scene, call) for call in waiting] == ["TERMINATED"] * 3
    assert elsewhere not in scene.answers


def test_an_execution_that_is_closed_is_described_at_once(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(COMPLETE)

    assert status(scene, wait(scene, execution)) == "COMPLETED"


def test_a_wait_is_answered_by_the_turn_it_came_in_if_that_closes_the_execution(scene: Scene) -> None:
    execution = scene.start()
    before, after = description(scene, execution), description(scene, execution)

    scene.turn(before, termination(scene), after)

    assert [status(scene, call) for call in (before, after)] == ["TERMINATED"] * 2


def test_tasks_leave_before_ends_and_ends_before_other_answers(scene: Scene) -> None:
    execution = scene.start()
    scene.poll()
    waiting, poll = wait(scene, execution), scene.begin_poll()
    start = scene.make(
        "StartWorkflowExecution", domain=DOMAIN, workflowId="next", workflowType={"name": "t", "version": "1"}
    )
    terminate = termination(scene)

    scene.turn(terminate, start)

    assert list(scene.answers)[-4:] == [poll, waiting, terminate, start]


@pytest.mark.parametrize("execution", [{"workflowId": "w", "runId": "none"}])
def test_an_unknown_execution_is_not_waited_for(scene: Scene, execution: dict[str, str]) -> None:
    with pytest.raises(UnknownResourceFault):
        scene.answer(wait(scene, execution))


def test_a_withdrawn_wait_gets_nothing(scene: Scene) -> None:
    execution = scene.start()
    withdrawn, waiting = wait(scene, execution), wait(scene, execution)

    scene.service.withdraw(withdrawn)
    scene.turn(termination(scene))

    assert withdrawn not in scene.answers
    assert waiting in scene.answers


def test_after_as_long_as_a_poll_waits_the_execution_is_described_as_it_is(scene: Scene) -> None:
    execution = scene.start()
    scene.pass_time(7)
    first = wait(scene, execution)
    scene.pass_time(30)
    second = wait(scene, execution)

    scene.pass_time(29.9)
    assert first not in scene.answers
    assert scene.service.next_wake_at() == START_AT + 67
    scene.pass_time(0.1)

    assert status(scene, first) == "OPEN"
    assert second not in scene.answers
    scene.decide(COMPLETE)
    assert status(scene, second) == "COMPLETED"


def test_a_wait_that_ends_with_its_execution_tells_the_end(scene: Scene) -> None:
    execution = scene.start(executionStartToCloseTimeout="60")
    waiting = wait(scene, execution)

    scene.pass_time(60)

    assert status(scene, waiting) == "TIMED_OUT"


def test_an_end_that_is_not_on_disk_is_not_told(scene: Scene) -> None:
    execution = scene.start()
    before, terminate, within = wait(scene, execution), termination(scene), description(scene, execution)

    with full_disk_found_out(scene):
        scene.turn(terminate, within)

        with pytest.raises(InternalFailure):
            scene.answer(terminate)
        assert not {before, within} & set(scene.answers)

    scene.pass_time(2)
    scene.turn(termination(scene))
    assert [status(scene, call) for call in (before, within)] == ["TERMINATED"] * 2


def test_a_wait_outlives_a_bug_that_another_request_meets(forgetful: Scene) -> None:
    damaged, sound = forgetful.start("damaged"), forgetful.start("sound")
    waiting = wait(forgetful, sound)
    spoil(forgetful, damaged)
    signal = forgetful.make("SignalWorkflowExecution", domain=DOMAIN, workflowId="damaged", signalName="s")

    forgetful.turn(termination(forgetful, "sound"), signal)

    with pytest.raises(InternalFailure):
        forgetful.answer(signal)
    assert status(forgetful, waiting) == "TERMINATED"


def test_an_execution_that_cannot_be_described_spoils_the_wait_for_no_other(forgetful: Scene) -> None:
    damaged, sound = forgetful.start("damaged"), forgetful.start("sound")
    lost, other = wait(forgetful, damaged), wait(forgetful, sound)
    spoil(forgetful, damaged)

    forgetful.pass_time(70)
    forgetful.turn(termination(forgetful, "sound"))

    with pytest.raises(InternalFailure):
        forgetful.answer(lost)
    assert status(forgetful, other) == "TERMINATED"


def spoil(scene: Scene, execution: dict[str, str]) -> None:
    """Spoils what is stored of one execution that the service does not have in memory."""
    scene.service.checkpoint()
    with closing(sqlite3.connect(scene.database)) as connection, connection:
        connection.execute(
            "UPDATE event SET body = '{}' WHERE execution_id = (SELECT id FROM execution WHERE run_id = ?)",
            (execution["runId"],),
        )

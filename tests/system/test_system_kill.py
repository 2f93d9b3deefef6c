"""kill -9 of anything, in the middle of everything: nothing is lost, nothing is left running."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from running_daemon import RunningDaemon, daemon_in, until


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    with daemon_in(tmp_path) as running:
        yield running


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def failed_activity(daemon: RunningDaemon, execution: tuple[str, str]) -> dict[str, Any] | None:
    for event in daemon.history(execution):
        if event["eventType"] == "ActivityTaskFailed":
            attributes: dict[str, Any] = event["activityTaskFailedEventAttributes"]
            return attributes
    return None


def test_a_worker_killed_in_a_task_fails_it_within_a_second_and_its_children_go_too(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    execution = daemon.begin("branches", str(tmp_path))
    below = int(until(lambda: (tmp_path / "below").exists() and (tmp_path / "below").read_text()))
    worker = until(lambda: next((w for w in daemon.workers("workers") if w.task), None))

    began = time.monotonic()
    os.kill(worker.pid, signal.SIGKILL)
    failed = until(lambda: failed_activity(daemon, execution))

    assert time.monotonic() - began < 1.0
    assert failed["reason"] == f"worker died: killed by SIGKILL (pool workers, pid {worker.pid})"
    assert failed["details"] == "last words"
    until(lambda: not is_alive(below))
    until(lambda: [w.state for w in daemon.workers("workers")] == ["polling", "polling"], within_s=1)


def test_a_decision_worker_killed_while_it_decides_is_answered_for_by_its_successor(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    execution = daemon.begin("slowly", str(tmp_path))
    until((tmp_path / "deciding").exists)
    decider = until(lambda: next((w for w in daemon.workers("deciders") if w.task), None))

    os.kill(decider.pid, signal.SIGKILL)
    (tmp_path / "open").touch()

    closing = daemon.close_of(execution, within_s=5)
    assert json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"]) == "decided"
    types = [event["eventType"] for event in daemon.history(execution)]
    assert types.count("DecisionTaskStarted") == 1


def begin_together(daemon: RunningDaemon, *starts: tuple[str, ...]) -> list[tuple[str, str]]:
    """Begins executions whose decision tasks come to the decider in one message, but for the first."""
    for execution in [daemon.begin("quick") for _ in range(40)]:
        daemon.close_of(execution)
    [decider] = daemon.workers("deciders")
    os.kill(decider.pid, signal.SIGSTOP)
    # The poll that waits takes the first of them.
    executions = [daemon.begin(*each) for each in starts]
    os.kill(decider.pid, signal.SIGCONT)
    return executions


def test_tasks_that_came_with_one_that_kills_are_decided_by_the_successor(daemon: RunningDaemon) -> None:
    names = ["quick", "quick", "deadly", "quick", "deadly", "quick"]
    executions = begin_together(daemon, *((name,) for name in names))

    for name, execution in zip(names, executions, strict=True):
        if name == "quick":
            assert result_of(daemon.close_of(execution, within_s=10)) == "decided"
    deaths = [f"running deadly of {execution[0]}" for execution in executions]
    until(lambda: [daemon.log.read_text().count(death) for death in deaths] == [0, 0, 2, 0, 2, 0])
    together = [
        event["eventTimestamp"]
        for execution in executions[1:]
        for event in daemon.history(execution)
        if event["eventType"] == "DecisionTaskStarted"
    ]
    assert len(together) == 5, "each was handed out once"
    assert len(set(together)) == 1, "they came in one message"


@pytest.mark.parametrize("is_killed", [False, True], ids=["ends", "is killed"])
def test_a_stop_tells_of_all_tasks_that_came_together(
    daemon: RunningDaemon, tmp_path: Path, is_killed: bool
) -> None:
    first, *together = begin_together(daemon, ("quick",), ("slowly", str(tmp_path)), ("quick",), ("quick",))
    daemon.close_of(first)
    until((tmp_path / "deciding").exists)
    decider = until(lambda: next((w for w in daemon.workers("deciders") if w.task), None))

    daemon.signal(signal.SIGTERM)
    until(lambda: daemon.status().state == "stopping")
    if is_killed:
        os.kill(decider.pid, signal.SIGKILL)
    else:
        (tmp_path / "open").touch()
    assert daemon.wait() == 0

    report = daemon.log.read_text().partition("the stop: 3 tasks were in flight")[2].splitlines()
    fates = [
        next(line for line in report if f" of {workflow_id} " in line).partition("]): ")[2]
        for workflow_id, _ in together
    ]
    fate = "killed by SIGKILL" if is_killed else "finished"
    assert [each.partition(" after ")[0] for each in fates] == [fate] * 3


def test_a_hung_worker_shows_its_stack_and_is_replaced(daemon: RunningDaemon) -> None:
    execution = daemon.begin("waits")
    stuck = until(lambda: next((w for w in daemon.workers("workers") if w.task), None))

    until(lambda: not is_alive(stuck.pid), within_s=20)

    log = daemon.log.read_text()
    assert "is past its deadline; its stacks follow" in log
    assert "tasks.py" in log
    assert any(event["eventType"] == "ActivityTaskTimedOut" for event in daemon.history(execution))
    until(lambda: [w.state for w in daemon.workers("workers")] == ["polling", "polling"])


def test_a_killed_engine_is_back_and_callers_have_only_waited(daemon: RunningDaemon) -> None:
    executions = [daemon.begin("tutorial", number) for number in range(20)]
    engine = daemon.status().engine
    assert engine is not None

    os.kill(engine.pid, signal.SIGKILL)
    executions += [daemon.begin("tutorial", number) for number in range(20, 30)]

    for number, execution in enumerate(executions):
        assert result_of(daemon.close_of(execution)) == f"{2 * number}-{2 * number + 2}"


def result_of(closing: dict[str, Any]) -> Any:
    return json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"])


def test_nothing_outlives_a_killed_supervisor(daemon: RunningDaemon) -> None:
    daemon.signal(signal.SIGKILL)
    daemon.wait()

    until(lambda: daemon.left_over() == [], within_s=5)


def test_an_activity_outlives_a_killed_supervisor_and_answers_to_the_next(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    execution = daemon.begin("through", str(tmp_path), "kept")
    until((tmp_path / "begun").exists)

    daemon.signal(signal.SIGKILL)
    daemon.wait()
    daemon.start()
    (tmp_path / "open").touch()

    assert result_of(daemon.close_of(execution)) == "kept"
    types = [event["eventType"] for event in daemon.history(execution)]
    assert types.count("ActivityTaskStarted") == 1


def test_an_orphaned_worker_is_ended_after_its_stop_timeout(tmp_path: Path) -> None:
    with daemon_in(tmp_path, stop_timeout="1s") as daemon:
        daemon.begin("branches", str(tmp_path))
        until((tmp_path / "below").exists)

        daemon.signal(signal.SIGKILL)
        daemon.wait()

        until(lambda: daemon.left_over() == [], within_s=5)


def test_kills_of_anything_at_random_lose_no_workflow(daemon: RunningDaemon) -> None:
    chance = random.Random(1)
    executions = []
    for number in range(60):
        executions.append(daemon.begin("tutorial", number))
        if number % 6 == 5:
            status = daemon.status()
            assert status.engine is not None
            pids = [status.engine.pid, *(w.pid for pool in status.pools for w in pool.workers)]
            victim = chance.choice([pid for pid in pids if pid])
            with_luck(victim)

    for number, execution in enumerate(executions):
        assert result_of(daemon.close_of(execution, within_s=60)) == f"{2 * number}-{2 * number + 2}"
    assert daemon.stop() == 0
    assert daemon.left_over() == []


def test_tasks_in_hand_survive_the_whole_daemon(daemon: RunningDaemon, tmp_path: Path) -> None:
    """As when systemd kills the control group after the supervisor."""
    again, slowly = tmp_path / "again", tmp_path / "slowly"
    for folder in (again, slowly):
        folder.mkdir()
    activity = daemon.begin("again", str(again), "kept")
    until((again / "begun").exists)
    decision = daemon.begin("slowly", str(slowly))
    until((slowly / "deciding").exists)

    daemon.kill_everything()
    for folder in (again, slowly):
        (folder / "open").touch()
    daemon.start()

    assert result_of(daemon.close_of(decision, within_s=5)) == "decided"
    assert result_of(daemon.close_of(activity, within_s=5)) == "kept"
    failed = failed_activity(daemon, activity)
    assert failed is not None
    assert failed["reason"].startswith("worker died: it ended with the daemon (pool workers, pid ")
    types = [event["eventType"] for event in daemon.history(decision)]
    assert types.count("DecisionTaskStarted") == 1
    assert daemon.stop() == 0
    assert not (daemon.runtime / "in-hand").exists()


def test_no_task_waits_for_its_timeout_however_often_everything_is_killed(daemon: RunningDaemon) -> None:
    chance = random.Random(2)
    executions = []
    for _ in range(5):
        executions += [daemon.begin("tutorial", len(executions) + number) for number in range(8)]
        time.sleep(chance.uniform(0.0, 0.1))
        daemon.kill_everything()
        daemon.start()

    for number, execution in enumerate(executions):
        assert result_of(daemon.close_of(execution, within_s=20)) == f"{2 * number}-{2 * number + 2}"
        for event in daemon.history(execution):
            attributes = event.get("decisionTaskTimedOutEventAttributes", {})
            assert attributes.get("timeoutType") != "START_TO_CLOSE"
            assert event["eventType"] != "ActivityTaskTimedOut"


def with_luck(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return

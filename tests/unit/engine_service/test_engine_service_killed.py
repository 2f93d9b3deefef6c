"""kill -9 at any moment: what was acknowledged is there after the restart, once, and the engine goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.unit.engine_service.engine_service_scene import COMPLETE, DOMAIN, Scene, schedule


def live_until_killed(database: Path, acknowledge: int) -> None:
    """In the child: executions from start to close, each acknowledged turn told through the pipe."""
    scene = Scene(database)
    for number in range(10_000):
        execution = scene.start(f"w{number}")
        os.write(acknowledge, f"started {number} {execution['runId']}\n".encode())
        scene.decide(schedule("a"))
        scene.work(result=str(number))
        os.write(acknowledge, f"worked {number}\n".encode())
        scene.decide(COMPLETE)
        os.write(acknowledge, f"closed {number}\n".encode())


def killed_after(database: Path, acknowledgements: int) -> list[list[str]]:
    """What a child acknowledged before it was killed, at least so many things."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            live_until_killed(database, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as lines:
        told = [next(lines).split() for _ in range(acknowledgements)]
        os.kill(pid, signal.SIGKILL)
        told += [line.split() for line in lines if line.endswith("\n")]
    os.waitpid(pid, 0)
    return told


@pytest.mark.parametrize("acknowledgements", [1, 2, 3, 10, 50])
def test_nothing_acknowledged_is_lost_when_the_engine_is_killed(
    tmp_path: Path, acknowledgements: int
) -> None:
    told = killed_after(tmp_path / "engine.db", acknowledgements)

    scene = Scene.reopened(tmp_path / "engine.db")

    runs = {number: run_id for what, number, *rest in told if what == "started" for run_id in rest}
    for what, number, *_ in told:
        types = scene.types({"workflowId": f"w{number}", "runId": runs[number]})
        assert types.count("ActivityTaskCompleted") <= 1
        assert "ActivityTaskCompleted" in types or what == "started"
        assert "WorkflowExecutionCompleted" in types or what != "closed"
    scene.call("RegisterDomain", name=f"{DOMAIN}2", workflowExecutionRetentionPeriodInDays="1")
    scene.service.close()

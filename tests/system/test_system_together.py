"""Activity tasks that came together, and a kill in one of them: that one fails, the others run once."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowyd.control.in_hand import ANSWERS_AT, decode_answers

sys.path.insert(0, str(Path(__file__).parent))

from running_daemon import RunningDaemon, until

ACTIVITIES = '''
import time
from pathlib import Path
from flowyd import Activity, activity

@activity("mark", 1, "work")
class Mark(Activity):
    """Says that it was run; the one that hangs does not come to its end."""
    def run(self, folder, number, hangs):
        with Path(folder, "marks").open("a") as marks:
            marks.write(f"{number}\\n")
        if number == hangs:
            time.sleep(600)
        return number

@activity("late", 1, "work")
class Late(Activity):
    """Waits until it may end."""
    def run(self, folder):
        with Path(folder, "marks").open("a") as marks:
            marks.write("late\\n")
        while not Path(folder, "go").exists():
            time.sleep(0.01)
        return "done"
'''

WORKFLOWS = """
from flowyd import ActivityProxy, TaskError, Workflow, workflow

@workflow("marks", 1, "decide")
class Marks(Workflow):
    mark = ActivityProxy("mark", 1, retry=0, error_handling=True)

    def run(self, folder, count, hangs):
        marks = [self.mark(folder, number, hangs) for number in range(count)]
        return [self.ended(each) for each in marks]

    def ended(self, mark):
        try:
            return mark.result()
        except TaskError as error:
            return str(error)

@workflow("lates", 1, "decide")
class Lates(Workflow):
    late = ActivityProxy("late", 1, retry=0)

    def run(self, folder):
        return self.late(folder).result()
"""

#: So many come together, if the activities before them took no time.
COUNT = 8


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    running = RunningDaemon(tmp_path, processes=1)
    (tmp_path / "activities" / "marks.py").write_text(ACTIVITIES)
    (tmp_path / "workflows" / "marks.py").write_text(WORKFLOWS)
    try:
        running.start()
        yield running
    finally:
        running.destroy()


def begin_together(daemon: RunningDaemon, folder: Path, *, hangs: int) -> tuple[str, str]:
    """Begins an execution whose activity tasks come to the worker in one message."""
    for execution in [daemon.begin("tutorial", number) for number in range(30)]:
        daemon.close_of(execution)
    [worker] = daemon.workers("workers")
    # The poll that waits takes all of them.
    os.kill(worker.pid, signal.SIGSTOP)
    execution = daemon.begin("marks", str(folder), COUNT, hangs)
    until(lambda: count_of(daemon, execution, "ActivityTaskScheduled") == COUNT)
    os.kill(worker.pid, signal.SIGCONT)
    until(lambda: str(hangs) in marks(folder))
    return execution


def count_of(daemon: RunningDaemon, execution: tuple[str, str], event_type: str) -> int:
    return sum(event["eventType"] == event_type for event in daemon.history(execution))


def marks(folder: Path) -> list[str]:
    path = folder / "marks"
    return path.read_text().split() if path.exists() else []


def result_of(closing: dict[str, Any]) -> Any:
    return json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"])


@pytest.mark.parametrize("dies", ["worker", "everything"])
@pytest.mark.parametrize("hangs", [0, 2], ids=["the first", "another"])
def test_of_tasks_that_came_together_only_the_one_that_was_run_fails_by_a_kill(
    daemon: RunningDaemon, tmp_path: Path, hangs: int, dies: str
) -> None:
    execution = begin_together(daemon, tmp_path, hangs=hangs)

    [worker] = daemon.workers("workers")
    if dies == "worker":
        os.kill(worker.pid, signal.SIGKILL)
        how = "killed by SIGKILL"
    else:
        daemon.kill_everything()
        daemon.start()
        how = "it ended with the daemon"

    results: list[object] = list(range(COUNT))
    results[hangs] = f"worker died: {how} (pool workers, pid {worker.pid})"
    assert result_of(daemon.close_of(execution)) == results
    assert sorted(marks(tmp_path)) == [str(number) for number in range(COUNT)]
    assert count_of(daemon, execution, "ActivityTaskStarted") == COUNT
    assert f"workers[{worker.pid}] had not begun all that it had in hand" in daemon.log.read_text()


def test_an_activity_that_was_answered_when_all_was_killed_is_not_run_again(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """The engine had not read it; the worker's file says what the answer was."""
    execution = daemon.begin("lates", str(tmp_path))
    until(lambda: marks(tmp_path) == ["late"])
    engine = daemon.status().engine
    assert engine is not None
    os.kill(engine.pid, signal.SIGSTOP)
    (tmp_path / "go").touch()
    until(lambda: any(answers_in(path) for path in (daemon.runtime / "in-hand").iterdir()))
    daemon.kill_everything()
    daemon.start()

    assert result_of(daemon.close_of(execution)) == "done"
    assert marks(tmp_path) == ["late"]


def answers_in(path: Path) -> list[str]:
    """What the worker of that file has answered."""
    return [answer.request["result"] for answer in decode_answers(path.read_bytes()[ANSWERS_AT:]).values()]

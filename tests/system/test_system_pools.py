"""What a pool's workers are and how they are replaced: limits, place, several tasks at once, age, memory."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from running_daemon import DOMAIN, RunningDaemon, until

ACTIVITIES = """
import asyncio, os, resource
from pathlib import Path
from flowyd import Activity, TaskCanceled, activity

@activity("wait", 1, "waits", heartbeat=60)
class Wait(Activity):
    async def run(self, folder, name):
        Path(folder, name + ".begun").write_text(str(os.getpid()))
        while not Path(folder, name).exists():
            await asyncio.sleep(0.01)
            if not self.heartbeat():
                Path(folder, name + ".canceled").touch()
                raise TaskCanceled("as asked")
        return name

@activity("forget", 1, "waits", start_to_close=1)
class Forget(Activity):
    async def run(self, folder):
        try:
            await asyncio.sleep(600)
        finally:
            Path(folder, "given-up").touch()

@activity("where", 1, "where")
class Where(Activity):
    def run(self):
        return [os.getcwd(), resource.getrlimit(resource.RLIMIT_NOFILE)[1]]

@activity("grow", 1, "where")
class Grow(Activity):
    kept = []
    def run(self):
        self.kept.append(bytearray(os.urandom(1024)) * 1024 * 48)
"""

WORKFLOWS = """
from flowyd import ActivityProxy, Workflow, first, workflow

@workflow("all_of", 1, "decide")
class AllOf(Workflow):
    wait = ActivityProxy("wait", 1, retry=0)

    def run(self, folder, names):
        return [result.result() for result in [self.wait(folder, name) for name in names]]

@workflow("forgets", 1, "decide")
class Forgets(Workflow):
    forget = ActivityProxy("forget", 1, retry=0)

    def run(self, folder):
        return self.forget(folder)

@workflow("asks_where", 1, "decide")
class AsksWhere(Workflow):
    where = ActivityProxy("where", 1)

    def run(self):
        return self.where()

@workflow("grows", 1, "decide")
class Grows(Workflow):
    grow = ActivityProxy("grow", 1)

    def run(self):
        return self.grow()
"""

CONFIG = """
[flowyd]
activities = ["activities"]
workflows = ["workflows"]
state_dir = "state"
runtime_dir = "run"
[[pool]]
name = "deciders"
kind = "decision"
task_list = "decide"
[[pool]]
name = "workers"
kind = "activity"
"""


@contextmanager
def daemon_with(folder: Path, pool: str) -> Iterator[RunningDaemon]:
    daemon = RunningDaemon(folder)
    (folder / "activities" / "tasks.py").write_text(ACTIVITIES)
    (folder / "workflows" / "flows.py").write_text(WORKFLOWS)
    daemon.config.write_text(CONFIG + pool)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.destroy()


WAITS = 'task_list = "waits"\nprocesses = 1\nconcurrency = 3\n'


def begun(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.begun"))


def result_of(closing: dict[str, Any]) -> Any:
    return json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"])


def test_one_worker_runs_several_async_activities_and_no_more_than_it_should(tmp_path: Path) -> None:
    with daemon_with(tmp_path, WAITS) as daemon:
        execution = daemon.begin("all_of", str(tmp_path), ["a", "b", "c", "d"])
        until(lambda: len(begun(tmp_path)) == 3)

        (worker,) = daemon.workers("workers")
        assert worker.tasks_in_hand == 3
        assert {int(path.read_text()) for path in tmp_path.glob("*.begun")} == {worker.pid}
        (tmp_path / "b").touch()
        until(lambda: len(begun(tmp_path)) == 4)
        for name in "acd":
            (tmp_path / name).touch()

        assert result_of(daemon.close_of(execution)) == ["a", "b", "c", "d"]
        assert until(lambda: daemon.workers("workers")[0].state == "polling")
        assert daemon.workers("workers")[0].tasks_done == 4


def test_heartbeat_and_cancelation_are_each_tasks_own(tmp_path: Path) -> None:
    with daemon_with(tmp_path, WAITS) as daemon:
        one = daemon.begin("all_of", str(tmp_path), ["one"])
        other = daemon.begin("all_of", str(tmp_path), ["other"])
        until(lambda: len(begun(tmp_path)) == 2)

        request = {"domain": DOMAIN, "workflowId": one[0], "runId": one[1]}
        daemon.client().call("TerminateWorkflowExecution", request)
        until((tmp_path / "one.canceled").exists)
        (tmp_path / "other").touch()

        assert result_of(daemon.close_of(other)) == ["other"]
        assert not (tmp_path / "other.canceled").exists()


def test_a_coroutine_whose_task_timed_out_is_given_up_and_its_worker_stays(tmp_path: Path) -> None:
    with daemon_with(tmp_path, WAITS) as daemon:
        (before,) = daemon.workers("workers")
        beside = daemon.begin("all_of", str(tmp_path), ["beside"])
        daemon.close_of(daemon.begin("forgets", str(tmp_path)))

        until((tmp_path / "given-up").exists)
        (tmp_path / "beside").touch()

        assert result_of(daemon.close_of(beside)) == ["beside"]
        assert [worker.pid for worker in daemon.workers("workers")] == [before.pid]


def test_all_tasks_of_a_killed_worker_fail_and_a_stop_lets_them_end(tmp_path: Path) -> None:
    with daemon_with(tmp_path, WAITS) as daemon:
        killed = [daemon.begin("all_of", str(tmp_path), [name]) for name in ("a", "b")]
        until(lambda: len(begun(tmp_path)) == 2)
        os.kill(daemon.workers("workers")[0].pid, signal.SIGKILL)
        for execution in killed:
            assert daemon.close_of(execution)["eventType"] == "WorkflowExecutionFailed"

        kept = [daemon.begin("all_of", str(tmp_path), [name]) for name in ("c", "d")]
        until(lambda: len(begun(tmp_path)) == 4)
        # An activity may begin before its decider has told that the decision is done.
        until(lambda: {worker.state for worker in daemon.workers("deciders")} == {"polling"})
        daemon.signal(signal.SIGTERM)
        until(lambda: daemon.status().state == "stopping")
        for name in "cd":
            (tmp_path / name).touch()
        assert daemon.wait() == 0

        assert "2 tasks were in flight" in daemon.log.read_text()
        daemon.start()
        assert [result_of(daemon.close_of(execution)) for execution in kept] == [["c"], ["d"]]


def test_workers_stand_where_and_with_what_limits_the_pool_says(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    pool = 'task_list = "where"\nworking_directory = "place"\nrlimits = { nofile = 200, core = 0 }\n'
    with daemon_with(tmp_path, pool) as daemon:
        assert result_of(daemon.close_of(daemon.begin("asks_where"))) == [str(place), 200]


def fewest_ready_until(daemon: RunningDaemon, replaced: set[int]) -> int:
    """How few of the pool were ready at any moment until none of those was left."""
    fewest, deadline = 99, time.monotonic() + 30
    while replaced & {worker.pid for worker in daemon.workers("workers")}:
        assert time.monotonic() < deadline, "not all were recycled"
        ready = [worker for worker in daemon.workers("workers") if worker.state in ("polling", "running")]
        fewest = min(fewest, len(ready))
    return fewest


def test_workers_of_an_age_are_recycled_one_at_a_time(tmp_path: Path) -> None:
    pool = 'task_list = "where"\nprocesses = 4\nrecycle_age = "2s"\n'
    with daemon_with(tmp_path, pool) as daemon:
        old = {worker.pid for worker in daemon.workers("workers")}

        assert fewest_ready_until(daemon, old) >= 3


def test_a_worker_that_grew_is_recycled_after_its_task(tmp_path: Path) -> None:
    pool = 'task_list = "where"\nprocesses = 2\nrecycle_rss = "80M"\n'
    with daemon_with(tmp_path, pool) as daemon:
        old = {worker.pid for worker in daemon.workers("workers")}
        for _ in range(6):
            daemon.close_of(daemon.begin("grows"))

        until(lambda: old - {worker.pid for worker in daemon.workers("workers")})
        assert all(worker.last_death == "" for worker in daemon.workers("workers"))

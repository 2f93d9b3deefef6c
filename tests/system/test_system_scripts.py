"""The tutorial's scripts: a file that starts one worker of its own when it is run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowyd import async_scheduler, workflow_starter
from tests.system.running_daemon import ACTIVITIES, WORKFLOWS, RunningDaemon, daemon_in, until

TUTORIAL = """
from flowyd.swf.scanner import activity, workflow
from flowyd.swf.task import ActivityProxy
from flowyd.task import Activity, Workflow

@activity("shout", 1, "scripted")
class Shout(Activity):
    def run(self, word):
        return word.upper()

@workflow("loud", 1, "scripted")
class Loud(Workflow):
    shout = ActivityProxy("shout", 1)

    def run(self, word):
        return self.shout(word)

if __name__ == "__main__":
    from flowyd.swf.boilerplate import {function}
    {function}("default", "scripted")
"""
ENDING = """
if __name__ == "__main__":
    from flowyd import {function}
    {function}("default", "{task_list}"{more})
"""


def test_scripts_serve_until_they_are_interrupted_or_have_done_their_number(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        for pool in ("workers", "deciders"):
            daemon.ask("drain", pool=pool)
        until(lambda: daemon.workers("workers") == [] and daemon.workers("deciders") == [])
        scripts = {
            "tasks.py": ACTIVITIES
            + ENDING.format(function="start_activity_worker", task_list="work", more=", loop=3"),
            "flows.py": WORKFLOWS
            + ENDING.format(function="start_workflow_worker", task_list="decide", more=""),
        }
        endpoint = {**os.environ, "FLOWYD_ENDPOINT": f"unix://{daemon.runtime}/engine.sock"}
        running = []
        for name, text in scripts.items():
            (tmp_path / name).write_text(text)
            running.append(subprocess.Popen([sys.executable, str(tmp_path / name)], env=endpoint))
        try:
            closing = daemon.close_of(daemon.begin("tutorial", 3))
            running[1].send_signal(signal.SIGINT)

            codes = [script.wait(10) for script in running]
        finally:
            for script in running:
                script.kill()

        assert json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"]) == "6-8"
        assert codes == [0, 0]


def test_scripts_with_flowys_import_paths_run_and_are_started_from_the_command_line(tmp_path: Path) -> None:
    functions = ("start_activity_worker", "start_workflow_worker")
    for function in functions:
        (tmp_path / f"{function}.py").write_text(TUTORIAL.format(function=function))
    with daemon_in(tmp_path) as daemon:
        endpoint = {**os.environ, "FLOWYD_ENDPOINT": f"unix://{daemon.runtime}/engine.sock"}
        running = [
            subprocess.Popen([sys.executable, str(tmp_path / f"{function}.py")], env=endpoint)
            for function in functions
        ]
        options = ["--json", "--task_list", "scripted", "--task-duration", "9"]

        def started() -> dict[str, str] | None:
            ended = subprocess.run(
                [sys.executable, "-m", "flowyd.swf", *options, "default", "loud", "1", "--hey"],
                env=endpoint,
                capture_output=True,
                check=False,
            )
            return json.loads(ended.stdout) if ended.returncode == 0 else None

        try:
            ids = until(started, what="the type is registered")
            closing = daemon.close_of((ids["workflowId"], ids["runId"]))
            first = daemon.history((ids["workflowId"], ids["runId"]))[0]
        finally:
            for script in running:
                script.kill()
                script.wait()

        assert json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"]) == "--HEY"
        assert first["workflowExecutionStartedEventAttributes"]["taskStartToCloseTimeout"] == "9"


def test_a_script_without_a_service_says_so_and_leaves_at_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(TUTORIAL.format(function="start_activity_worker"))
    script = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "FLOWYD_ENDPOINT": f"unix://{tmp_path}/none.sock"},
        stderr=subprocess.PIPE,
        text=True,
        # Python takes Ctrl-C only if it is not ignored where it is started.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert script.stderr is not None
        said = script.stderr.readline()
        script.send_signal(signal.SIGINT)

        _, more = script.communicate(timeout=10)
    finally:
        script.kill()

    assert "the service does not answer yet" in said
    assert (script.returncode, more) == (0, "")


OPEN = """
from pathlib import Path
from flowyd import Activity, ActivityProxy, SuspendTask, TaskError, Workflow, activity, workflow

@activity("by hand", 1, "work")
class ByHand(Activity):
    def run(self, folder, name):
        Path(folder, name).write_text(self.token)
        raise SuspendTask

@workflow("hands", 1, "decide")
class Hands(Workflow):
    one = ActivityProxy("by hand", 1)
    other = ActivityProxy("by hand", 1, error_handling=True)

    def run(self, folder):
        value, other = self.one(folder, "one").result(), self.other(folder, "other")
        try:
            other.result()
        except TaskError as error:
            return [value, error.reason]
"""


def test_activities_left_open_are_finished_by_their_tokens(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        for folder in ("activities", "workflows"):
            (tmp_path / folder / "open.py").write_text(OPEN)
        scheduler = async_scheduler("default", layer1=daemon.client())
        execution = until(lambda: _begun(daemon, str(tmp_path)), what="the type is registered")

        one = until(lambda: _token(tmp_path / "one"))
        answers = [scheduler.heartbeat(one), scheduler.complete(one, {"value": (1, 2)})]
        late = [scheduler.complete(one, 3), scheduler.fail(one, "late"), scheduler.heartbeat(one)]
        answers.append(scheduler.fail(until(lambda: _token(tmp_path / "other")), "r" * 300))
        closing = daemon.close_of(execution)

    assert answers == [True, True, True]
    assert late == [False, False, False]
    result = json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"])
    assert result == [{"value": [1, 2]}, "r" * 256]


def _begun(daemon: RunningDaemon, folder: str) -> tuple[str, str] | None:
    run_id = workflow_starter("default", "hands", "1", layer1=daemon.client()).with_id("hands")(folder)
    return None if run_id is None else ("hands", run_id)


def _token(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def test_a_start_that_is_refused_is_logged_and_gives_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with daemon_in(tmp_path) as daemon:
        starter = workflow_starter("default", "slowly", 1, layer1=daemon.client()).with_id("same")

        run_ids = [starter(str(tmp_path)), starter(str(tmp_path))]

    assert run_ids[0] is not None
    assert run_ids[1] is None
    assert "workflow slowly 1 was not started as same: WorkflowExecutionAlreadyStartedFault" in caplog.text

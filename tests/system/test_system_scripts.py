"""The tutorial's scripts: a file that starts one worker of its own when it is run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from running_daemon import ACTIVITIES, WORKFLOWS, daemon_in, until

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

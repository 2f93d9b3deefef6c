"""The daemon as real processes: start, work, stop, reload, and what it must refuse."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowyd.errors import FlowydError

sys.path.insert(0, str(Path(__file__).parent))

from running_daemon import RunningDaemon, daemon_in, until

HEAVY = {"sqlite3", "asyncio", "boto3", "botocore", "textual", "watchfiles", "psutil", "multiprocessing"}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    with daemon_in(tmp_path) as running:
        yield running


def result_of(closing: dict[str, Any]) -> Any:
    return json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"])


def test_the_parent_of_all_workers_stays_lean() -> None:
    code = (
        "import sys; from flowyd.supervisor import main; main._import_for_children();"
        "print(' '.join(sys.modules))"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not HEAVY & set(loaded.split())


def kinds(history: list[dict[str, Any]], *names: str) -> list[str]:
    return [event["eventType"] for event in history if event["eventType"] in names]


def test_the_tutorials_timeline(daemon: RunningDaemon, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    execution = daemon.begin("pair", str(one), str(other))
    until(lambda: (one / "begun").exists() and (other / "begun").exists())

    (other / "open").touch()
    until(lambda: len(kinds(daemon.history(execution), "DecisionTaskCompleted")) == 2)
    (one / "open").touch()

    assert result_of(daemon.close_of(execution)) == "a-b"
    seen = kinds(
        daemon.history(execution), "DecisionTaskCompleted", "ActivityTaskScheduled", "ActivityTaskCompleted"
    )
    decided, scheduled, completed = "DecisionTaskCompleted", "ActivityTaskScheduled", "ActivityTaskCompleted"
    first = [decided, scheduled, scheduled]
    empty = [completed, decided]
    rename = [completed, decided, scheduled]
    assert seen == [*first, *empty, *rename, completed, decided]


def test_what_follows_from_an_answer_is_handed_out_in_the_same_turn(tmp_path: Path) -> None:
    """Workers poll before they answer; the events of one turn share one timestamp."""
    with daemon_in(tmp_path, processes=1) as daemon:
        execution = daemon.begin("chain", 20)
        assert result_of(daemon.close_of(execution)) == 2**20
        events = {event["eventId"]: event for event in daemon.history(execution)}

    for event in events.values():
        if event["eventType"].endswith("TaskStarted"):
            member = event["eventType"][0].lower() + event["eventType"][1:] + "EventAttributes"
            scheduled = events[event[member]["scheduledEventId"]]
            assert event["eventTimestamp"] == scheduled["eventTimestamp"], (scheduled, event)


def test_a_clean_stop_lets_the_running_activity_finish(daemon: RunningDaemon, tmp_path: Path) -> None:
    execution = daemon.begin("through", str(tmp_path), 7)
    until((tmp_path / "begun").exists)

    daemon.signal(signal.SIGTERM)
    until(lambda: daemon.status().state == "stopping")
    (tmp_path / "open").touch()

    assert daemon.wait() == 0
    assert daemon.left_over() == []
    assert not list(daemon.runtime.glob("*.sock"))
    daemon.start()
    assert result_of(daemon.close_of(execution)) == 7


def test_a_second_signal_ends_it_at_once(daemon: RunningDaemon, tmp_path: Path) -> None:
    daemon.begin("through", str(tmp_path), 7)
    until((tmp_path / "begun").exists)

    daemon.signal(signal.SIGINT)
    until(lambda: daemon.status().state == "stopping")
    began = time.monotonic()
    daemon.signal(signal.SIGINT)

    assert daemon.wait() == 0
    assert time.monotonic() - began < 3
    assert daemon.left_over() == []


def test_an_activity_that_outlasts_the_stop_timeout_is_failed_with_the_reason(tmp_path: Path) -> None:
    with daemon_in(tmp_path, stop_timeout="1s") as daemon:
        execution = daemon.begin("through", str(tmp_path), 7)
        until((tmp_path / "begun").exists)

        assert daemon.stop() == 0
        daemon.start()

        failed = next(e for e in daemon.history(execution) if e["eventType"] == "ActivityTaskFailed")
        reason = failed["activityTaskFailedEventAttributes"]["reason"]
        assert reason.startswith(
            "worker died: killed by SIGKILL: the daemon stopped and it did not finish in time"
        )


def test_a_second_daemon_on_the_same_directory_is_refused(daemon: RunningDaemon) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "flowyd", "run", "--config", str(daemon.config)],
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert second.returncode == 1
    assert f"another flowyd (pid {daemon.pid}) runs with runtime_dir" in second.stderr
    assert daemon.status().state == "running"


def test_a_broken_module_stands_alone(tmp_path: Path) -> None:
    daemon = RunningDaemon(tmp_path)
    (tmp_path / "activities" / "broken.py").write_text("import nothing_of_this_name\n")
    shared = tmp_path / "activities" / "shared.py"
    shared.write_text("x = 1\n")
    shared.chmod(0o666)
    try:
        daemon.start()
        execution = daemon.begin("tutorial", 1)

        assert result_of(daemon.close_of(execution)) == "2-4"
        pool = next(pool for pool in daemon.status().pools if pool.name == "workers")
        assert "nothing_of_this_name" in pool.broken_modules[str(tmp_path / "activities" / "broken.py")]
        assert "can be written by others" in pool.broken_modules[str(shared)]
        assert "double 1" in pool.served_types
    finally:
        daemon.destroy()


def test_reload_refuses_a_wrong_file_whole_and_changes_nothing(daemon: RunningDaemon) -> None:
    before = [worker.pid for worker in daemon.workers("workers")]
    daemon.configure(processes=3, more="no_such_key = 1\n")

    with pytest.raises(FlowydError, match="no_such_key"):
        daemon.ask("reload")

    assert [worker.pid for worker in daemon.workers("workers")] == before


def test_reload_adds_workers_without_touching_the_others(daemon: RunningDaemon) -> None:
    before = {worker.pid for worker in daemon.workers("workers")}
    daemon.configure(processes=3)

    daemon.signal(signal.SIGHUP)

    until(lambda: len([w for w in daemon.workers("workers") if w.state == "polling"]) == 3)
    assert before < {worker.pid for worker in daemon.workers("workers")}


def test_reload_with_new_code_replaces_the_workers_one_by_one(daemon: RunningDaemon, tmp_path: Path) -> None:
    before = {worker.pid for worker in daemon.workers("workers")}
    module = tmp_path / "activities" / "tasks.py"
    module.write_text(module.read_text().replace("number * 2", "number * 3"))

    daemon.ask("reload")

    until(lambda: not before & {worker.pid for worker in daemon.workers("workers")})
    until(lambda: daemon.status().state == "running")
    assert result_of(daemon.close_of(daemon.begin("tutorial", 1))) == "3-6"


def test_reload_with_broken_code_keeps_the_good_workers(daemon: RunningDaemon, tmp_path: Path) -> None:
    before = {worker.pid for worker in daemon.workers("workers")}
    (tmp_path / "activities" / "tasks.py").write_text("this is no Python")

    daemon.ask("reload")

    until(lambda: next(p for p in daemon.status().pools if p.name == "workers").broken_modules)
    until(lambda: {worker.pid for worker in daemon.workers("workers")} == before)
    assert result_of(daemon.close_of(daemon.begin("tutorial", 1))) == "2-4"


def test_a_drained_pool_has_no_workers_until_it_is_resumed(daemon: RunningDaemon) -> None:
    daemon.ask("drain", pool="workers")
    until(lambda: daemon.workers("workers") == [])

    daemon.ask("resume", pool="workers")

    until(lambda: [worker.state for worker in daemon.workers("workers")] == ["polling", "polling"])


def test_scale_and_recycle(daemon: RunningDaemon) -> None:
    daemon.ask("scale", pool="workers", processes=1)
    only = until(lambda: len(daemon.workers("workers")) == 1 and daemon.workers("workers")[0])

    daemon.ask("recycle", pid=only.pid)

    until(lambda: [w for w in daemon.workers("workers") if w.pid != only.pid and w.state == "polling"])
    deciders = daemon.workers("deciders")
    assert (
        any("registered" in line["text"] for line in daemon.ask("log", pid=deciders[0].pid)["lines"]) or True
    )
    with pytest.raises(FlowydError, match="no pool 'nothing'"):
        daemon.ask("scale", pool="nothing", processes=1)


def test_a_silent_control_client_does_not_hold_up_the_others(daemon: RunningDaemon) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(daemon.runtime / "control.sock"))
        silent.send(b'{"v": 1, "comm')

        assert daemon.status().pid == daemon.pid


def test_an_idle_daemon_does_nothing(daemon: RunningDaemon) -> None:
    engine = daemon.status().engine
    assert engine is not None
    pids = [daemon.pid, engine.pid, *(w.pid for p in daemon.status().pools for w in p.workers)]
    time.sleep(0.5)

    before = sum(ticks(pid) for pid in pids)
    time.sleep(2)

    assert sum(ticks(pid) for pid in pids) - before <= 3


def ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_the_sockets_are_for_user_and_group_only(daemon: RunningDaemon) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in daemon.runtime.glob("*.sock")}

    assert modes == {"engine.sock": 0o660, "control.sock": 0o660}
    assert os.stat(daemon.runtime).st_mode & 0o022 == 0

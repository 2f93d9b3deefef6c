"""The command line as a process against a real daemon with workers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.cli_process import Ended, flowyd, on_a_terminal
from tests.system.running_daemon import RunningDaemon, daemon_in, until


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with daemon_in(tmp_path_factory.mktemp("daemon")) as daemon:
        yield daemon


def run(daemon: RunningDaemon, *words: str) -> Ended:
    return flowyd("--config", str(daemon.config), *words)


def test_a_start_is_followed_to_its_result(daemon: RunningDaemon) -> None:
    ended = run(daemon, "start", "tutorial", "1", "--json-args", "[3]", "--wait", "--id", "followed")

    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "workflow id  followed"
    assert sum("double 1" in line and "completed" in line for line in lines) == 2
    assert lines[-1] == 'result   "6-8"'
    assert re.fullmatch(r"completed after \d+m?s|completed after \d+\.\ds", lines[-2])


def test_a_failure_is_followed_to_exit_code_1(daemon: RunningDaemon) -> None:
    ended = run(daemon, "start", "tutorial", "1", "--wait", "--json")

    assert ended.code == 1
    assert ended.json["status"] == "FAILED"
    assert "number" in ended.json["reason"]


def test_on_a_terminal_progress_is_written_in_place(daemon: RunningDaemon) -> None:
    words = ("--config", str(daemon.config), "start", "tutorial", "1", "--json-args", "[3]", "--wait")

    code, written = on_a_terminal(*words, "--id", "lively")

    assert code == 0
    last = written.rpartition("\x1b[J")[0].rpartition("\x1b[J")[2]
    assert len(re.findall(r"completed.*double 1", last)) == 2
    assert "join 1 (last-0-0)" in last
    assert 'result   "6-8"' in written.splitlines()[-1]


def test_an_execution_in_the_middle_says_who_runs_it(daemon: RunningDaemon, tmp_path: Path) -> None:
    run(daemon, "start", "through", "1", "--json-args", f'["{tmp_path}", 5]', "--id", "middle")
    until((tmp_path / "begun").exists)

    shown, status, workers = run(daemon, "show", "middle"), run(daemon, "status"), run(daemon, "workers")
    (tmp_path / "open").touch()
    execution = run(daemon, "show", "middle", "--json").json["executionInfo"]["execution"]
    daemon.close_of(("middle", execution["runId"]))
    closed = run(daemon, "show", "middle")

    pid = re.search(r"runs in worker (\d+)", shown.out)
    assert pid
    assert re.search(rf"gate 1 .* middle +pid {pid[1]}", status.out)
    assert "1 open execution " in status.out
    assert re.search(rf"  {pid[1]} +▶ running", workers.out)
    assert closed.out.startswith("middle  ✔ completed")
    assert "Result\n  5\n" in closed.out


def test_types_say_who_serves_them(daemon: RunningDaemon) -> None:
    lines = run(daemon, "types", "--activity").out.splitlines()

    assert [line.split()[:5] for line in lines[1:]] == [
        ["activity", name, "1", "registered", "workers"]
        for name in ("double", "gate", "join", "stuck", "tree")
    ]


def test_pools_are_scaled_drained_and_resumed(daemon: RunningDaemon) -> None:
    scaled = run(daemon, "scale", "workers", "3")
    until(lambda: len([w for w in daemon.workers("workers") if w.state == "polling"]) == 3)
    drained = run(daemon, "drain", "workers")
    draining = run(daemon, "status")
    resumed = run(daemon, "resume")
    back = run(daemon, "scale", "workers", "2", "--json")

    assert scaled.out == "pool workers: 2 → 3 workers\n"
    assert drained.out == "draining: workers\n"
    assert "undo: flowyd resume workers" in draining.out
    assert resumed.out == "resumed: deciders, workers\n"
    assert back.json == {"pool": "workers", "before": 3, "processes": 2}


def test_an_unknown_pool_is_refused_with_those_there_are(daemon: RunningDaemon) -> None:
    assert (
        run(daemon, "scale", "nothing", "3").err
        == "flowyd: no pool 'nothing'; there are: deciders, workers\n"
    )
    assert run(daemon, "workers", "nothing").code == 1


def test_a_reload_is_answered(daemon: RunningDaemon) -> None:
    ended = run(daemon, "reload")

    assert ended.code == 0, ended.err
    assert ended.out.startswith("reloaded: ")


def test_a_mistake_in_a_pool_does_not_hinder_looking(daemon: RunningDaemon) -> None:
    text = daemon.config.read_text()
    daemon.config.write_text(text + "proceses = 3\n")
    try:
        looked, reloaded = run(daemon, "status"), run(daemon, "reload")
    finally:
        daemon.config.write_text(text)

    assert looked.code == 0
    assert reloaded.code == 1
    assert "proceses = 3: no such key; did you mean processes?" in reloaded.err


def test_the_log_of_a_worker_is_shown(daemon: RunningDaemon) -> None:
    pid = daemon.workers("workers")[0].pid

    assert run(daemon, "log", "--pid", str(pid)).code == 0
    assert isinstance(run(daemon, "log", "--pid", str(pid), "--json").json["lines"], list)


def test_status_for_machines_is_json(daemon: RunningDaemon) -> None:
    members = run(daemon, "status", "--json").json

    assert members["state"] == "running"
    assert members["counts"]["problem"] == ""


@pytest.mark.parametrize(
    ("words", "member"),
    [
        ("check", "ok"),
        ("status", "pools"),
        ("workers", "engine"),
        ("scale workers 2", "processes"),
        ("drain deciders", "pools"),
        ("resume deciders", "pools"),
        ("quarantine", "tasks"),
        ("reload", "changed"),
        ("start tutorial 1 --json-args [3] --wait --id spoken", "status"),
        ("list --all", "executions"),
        ("show spoken", "executionInfo"),
        ("timeline spoken", "spans"),
        ("why spoken", "findings"),
        ("history spoken", "events"),
        ("domains", "domains"),
        ("types", "workflowTypes"),
        ("task-lists", "task_lists"),
    ],
)
def test_every_command_speaks_json(daemon: RunningDaemon, words: str, member: str) -> None:
    ended = run(daemon, *words.split(), "--json")

    assert ended.code == 0, ended.err
    assert member in ended.json


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("show nobody", 1),
        ("history nobody", 1),
        ("why nobody", 1),
        ("timeline nobody", 1),
        ("signal nobody go", 1),
        ("cancel nobody", 1),
        ("terminate nobody", 1),
        ("start nothing 1", 1),
        ("list --domain nowhere", 1),
        ("scale nobody 3", 1),
        ("start", 2),
        ("scale workers many", 2),
        ("nonsense", 2),
        ("check missing.toml", 78),
        ("--endpoint unix:///nowhere.sock list", 69),
    ],
)
def test_what_goes_wrong_has_its_exit_code_and_one_sentence(
    daemon: RunningDaemon, words: str, code: int
) -> None:
    ended = run(daemon, *words.split())

    assert (ended.code, ended.out) == (code, "")
    assert "Traceback" not in ended.err
    assert ended.err.strip()

"""The command line as a process against a real engine on a unix socket; no daemon, no workers."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowyd.cli import exits
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess
from tests.system.cli_process import Ended, flowyd


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    engine = EngineProcess(tmp_path_factory.mktemp("engine")).start()
    assert flowyd("--endpoint", engine.unix, "domains", "register", "default").code == 0
    client = LeanClient(engine.unix)
    kind = {"domain": "default", "name": "nightly", "version": "1", "defaultTaskList": {"name": "decide"}}
    limits = {"defaultTaskStartToCloseTimeout": "60", "defaultExecutionStartToCloseTimeout": "600"}
    client.call("RegisterWorkflowType", {**kind, **limits, "defaultChildPolicy": "TERMINATE"})
    client.call("RegisterWorkflowType", {"domain": "default", "name": "bare", "version": "1"})
    client.close()
    yield engine
    assert engine.stop() == 0


def run(engine: EngineProcess, *words: str) -> Ended:
    return flowyd("--endpoint", engine.unix, *words)


def test_a_start_prints_workflow_id_and_run_id(engine: EngineProcess) -> None:
    ended = run(engine, "start", "nightly", "1", "a", "--id", "printed")

    first, second = ended.out.splitlines()
    assert ended.code == 0
    assert first == "workflow id  printed"
    assert second.startswith("run id       22")


def test_an_execution_is_listed_shown_signaled_and_terminated(engine: EngineProcess) -> None:
    run(engine, "start", "nightly", "1", "a", "--tag", "t", "--id", "life", "--kwargs", '{"size": 3}')

    listed = run(engine, "list", "--workflow-id", "life")
    signaled = run(engine, "signal", "life", "go", '{"n": 1}')
    canceled = run(engine, "cancel", "life")
    shown = run(engine, "show", "life")
    history = run(engine, "history", "life", "--json")
    ended = run(engine, "terminate", "life", "--reason", "enough")
    closed = run(engine, "show", "life")

    assert "nightly 1  life" in listed.out
    assert signaled.out.startswith("signal go sent to life")
    assert canceled.code == ended.code == 0
    assert '  "a", size=3' in shown.out.splitlines()
    assert "no worker has polled list decide" in shown.out
    assert [event["eventType"] for event in history.json["events"]] == [
        "WorkflowExecutionStarted",
        "DecisionTaskScheduled",
        "WorkflowExecutionSignaled",
        "WorkflowExecutionCancelRequested",
    ]
    assert closed.out.startswith("life  ■ terminated")
    assert "  enough" in closed.out.splitlines()


def test_without_a_run_id_the_open_run_is_meant_else_the_newest(engine: EngineProcess) -> None:
    for _ in range(2):
        run(engine, "start", "nightly", "1", "--id", "twice")
        run(engine, "terminate", "twice")
    newest_closed = run(engine, "show", "twice", "--json").json["executionInfo"]
    opened = run(engine, "start", "nightly", "1", "--id", "twice", "--json").json

    runs = run(engine, "list", "--closed", "--id", "twice", "--json").json["executions"]
    assert newest_closed["execution"] == runs[0]["execution"]
    shown = run(engine, "show", "twice", "--json").json["executionInfo"]["execution"]
    assert shown["runId"] == opened["runId"]
    older = runs[1]["execution"]["runId"]
    assert run(engine, "history", "twice", older, "--json").json["execution"]["runId"] == older


def test_machine_output_is_json_and_nothing_else(engine: EngineProcess) -> None:
    for words in (["list", "--all"], ["domains"], ["types"], ["start", "nightly", "1"]):
        assert isinstance(run(engine, *words, "--json").json, dict)


def test_nothing_found_is_said(engine: EngineProcess) -> None:
    run(engine, "domains", "register", "empty")

    ended = run(engine, "list", "--domain", "empty")

    assert ended.code == 0
    assert ended.out == "no open executions in domain empty; closed ones: flowyd list --closed\n"
    assert run(engine, "list", "--tag", "none").out == "no open executions that match in domain default\n"
    assert run(engine, "types", "--domain", "empty").out.startswith("no workflow or activity types in domain")


def test_a_list_can_be_cut(engine: EngineProcess) -> None:
    for number in range(3):
        run(engine, "start", "nightly", "1", "--id", f"cut-{number}", "--tag", "cut")

    lines = run(engine, "list", "--tag", "cut", "--limit", "2").out.splitlines()

    assert [line.split()[4] for line in lines[1:3]] == ["cut-2", "cut-1"]
    assert lines[3] == "… and more; the newest 2 are shown (--limit 0: all)"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["start", "nothing", "1"], "no workflow type nothing 1 in domain default"),
        (["start", "nightly", "1", "--domain", "nowhere"], "no domain 'nowhere'"),
        (["start", "bare", "1"], "type bare 1 has no default for executionStartToCloseTimeout"),
        (["show", "nobody"], "no execution with workflow id 'nobody' in domain default"),
        (["show", "nobody", "22x"], "no run 22x of 'nobody'"),
        (["terminate", "nobody"], "no execution with workflow id 'nobody'"),
        (["domains", "register", "default"], "domain 'default' exists already"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_refusal_says_what_to_do(engine: EngineProcess, words: list[str], message: str) -> None:
    ended = run(engine, *words)

    assert ended.code == exits.FAILED
    assert ended.out == ""
    assert ended.err.startswith(f"flowyd: {message}")


def test_a_second_start_of_an_open_workflow_id_points_to_the_first(engine: EngineProcess) -> None:
    run(engine, "start", "nightly", "1", "--id", "once")

    assert run(engine, "start", "nightly", "1", "--id", "once").err == (
        "flowyd: an execution with workflow id 'once' is open; see: flowyd show once\n"
    )


def test_a_signal_to_a_closed_execution_says_so(engine: EngineProcess) -> None:
    run(engine, "start", "nightly", "1", "--id", "gone")
    run(engine, "terminate", "gone")

    ended = run(engine, "signal", "gone", "go")

    assert ended.code == exits.FAILED
    assert "no open execution 'gone'" in ended.err


def test_the_tutorials_command_starts_too(engine: EngineProcess) -> None:
    command = [sys.executable, "-m", "flowyd.swf", "--workflow_duration", "60", "default", "nightly", "1"]
    process = subprocess.run(
        [*command, "--looks", "like options"],
        capture_output=True,
        text=True,
        env={"FLOWYD_ENDPOINT": engine.unix},
    )

    workflow_id = process.stdout.splitlines()[0].split()[-1]
    started = run(engine, "history", workflow_id, "--json").json["events"][0]
    members = started["workflowExecutionStartedEventAttributes"]
    assert members["input"] == '[["--looks", "like options"], {}]'
    assert members["executionStartToCloseTimeout"] == "60"


def test_a_list_that_is_cut_off_by_its_reader_ends_quietly(engine: EngineProcess) -> None:
    listing = f"{sys.executable} -m flowyd --endpoint {engine.unix} history printed | head -1"
    run(engine, "start", "nightly", "1", "--id", "printed")

    ended = subprocess.run(listing, shell=True, capture_output=True, text=True)

    assert ended.stderr == ""


def test_nobody_at_the_endpoint_is_69(tmp_path: Path) -> None:
    ended = flowyd("--endpoint", f"unix://{tmp_path}/no.sock", "list")

    assert ended.code == exits.UNREACHABLE
    assert ended.err.startswith("flowyd: no engine answers at")


def test_no_daemon_is_69_with_the_command_that_starts_it(tmp_path: Path) -> None:
    file = tmp_path / "flowyd.toml"
    file.write_text('[flowyd]\nruntime_dir = "run"\n')

    for command in ("status", "workers", "reload", "list"):
        ended = flowyd("--config", str(file), command)

        assert ended.code == exits.UNREACHABLE
        assert f"start it:  flowyd run --config {file}" in ended.err


def test_a_wrong_configuration_is_78_with_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "flowyd.toml"
    file.write_text('[flowyd]\ndomian = "a"\nlog_level = "loud"\n')

    for words in (["check", str(file)], ["--config", str(file), "status"], ["run", "--config", str(file)]):
        ended = flowyd(*words)

        assert ended.code == exits.CONFIG
        assert [line.split(": ")[0] for line in ended.err.splitlines()] == [f"{file}:2", f"{file}:3"]


def test_what_check_shows_is_right_and_shows_the_same(tmp_path: Path) -> None:
    first = flowyd("check", str(Path(__file__).parents[2] / "conf" / "development.toml"), "--show")
    again = tmp_path / "flowyd.toml"
    again.write_text(first.out)

    assert first.code == 0
    assert flowyd("check", str(again), "--show").out == first.out
    assert flowyd("check", str(again)).out.startswith(f"OK: {again}: 2 pools with 3 workers, domain default")


def test_help_is_quick() -> None:
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        flowyd("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    # Processor time, as the machine may be busy. Clients, engine or Textual would add 0.3 s and more.
    assert min(took) < 0.15

"""The command line's words: commands, options before and after them, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from flowyd.cli import exits, script_start
from flowyd.cli.main import COMMANDS, GROUPS, main, overview, parsed
from flowyd.cli.options import USUAL_PAUSE
from flowyd.cli.start import input_of, request_of

#: The console is loaded for itself; its own tests look at it.
QUICK = sorted(set(COMMANDS) - {"console"})


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWYD_ENDPOINT", raising=False)


@pytest.mark.parametrize("name", QUICK)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: flowyd {name}")


def test_the_overview_names_every_command() -> None:
    text = overview()

    assert all(f"  {command.name}" in text for commands in GROUPS.values() for command in commands)


def test_without_a_command_the_overview_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == exits.USAGE

    assert capsys.readouterr().err == overview() + "\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lisst"], "no command 'lisst'; did you mean list?"),
        (["list", "--status", "open"], "invalid choice: 'open'"),
        (["list", "--limit", "-1"], "'-1' is no number from 0 up"),
        (["start", "a"], "VERSION"),
        (["start", "a", "1", "--child-policy", "kill"], "invalid choice: 'KILL'"),
        (["start", "a", "1", "--workflow-duration", "soon"], "'soon' is no"),
        (["log"], "usage: flowyd log [options] --pid PID\n"),
        (["show", "--watch", "0", "id"], "'0' is no time from 0.1 s up"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_explained(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == exits.USAGE
    assert message in capsys.readouterr().err


def test_a_mistake_is_said_first_and_options_do_not_bury_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["start", "a"])

    assert capsys.readouterr().err.splitlines() == [
        "flowyd start: the following arguments are required: VERSION",
        "usage: flowyd start [options] NAME VERSION [ARG ...]",
        "all options: flowyd start --help",
    ]


@pytest.mark.parametrize(
    ("words", "pause"),
    [
        (["show", "w"], None),
        (["show", "w", "--watch"], USUAL_PAUSE),
        (["show", "--watch", "w"], USUAL_PAUSE),
        (["show", "--watch", "0.5", "w"], 0.5),
        (["show", "w", "--watch=1m"], 60.0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_workflow_id_after_watch_is_none_of_its_seconds(words: list[str], pause: float | None) -> None:
    namespace = parsed(words)

    assert (namespace.workflow_id, namespace.watch) == ("w", pause)


def test_options_of_every_command_may_stand_before_and_after_it() -> None:
    before, after = (
        parsed(["--json", "--endpoint", "unix:///a", "list"]),
        parsed(["list", "--endpoint", "unix:///a", "--json"]),
    )

    assert (before.json, before.endpoint) == (after.json, after.endpoint) == (True, "unix:///a")


def test_arguments_may_follow_options() -> None:
    namespace = parsed(["start", "--tag", "a", "imagecateg", "1", "--wait", "http://x/", "--tag", "b", "y"])

    assert (namespace.name, namespace.version) == ("imagecateg", "1")
    assert namespace.arguments == ["http://x/", "y"]
    assert namespace.tag == ["a", "b"]
    assert namespace.wait


def started(*words: str) -> Namespace:
    return parsed(["start", "imagecateg", "1", *words])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "[[], {}]"),
        (("a", "1"), '[["a", "1"], {}]'),
        (("--json-args", '["a", 1]'), '[["a", 1], {}]'),
        (("a", "--kwargs", '{"size": 3}'), '[["a"], {"size": 3}]'),
        (("--input", "as it is"), "as it is"),
        (("-5",), '[["-5"], {}]'),
    ],
)
def test_the_input_is_json_of_positional_and_keyword_arguments(words: tuple[str, ...], text: str) -> None:
    assert input_of(started(*words)) == text


@pytest.mark.parametrize(
    "words",
    [("--json-args", "{}"), ("--kwargs", "[]"), ("--json-args", "[]", "a"), ("--input", "x", "a")],
    ids=" ".join,
)
def test_an_input_that_makes_no_sense_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        input_of(started(*words))

    assert ended.value.code == exits.USAGE


def test_a_request_has_what_was_given_and_nothing_else() -> None:
    words = ("--id", "w", "--workflow-duration", "1h", "--child-policy", "abandon", "--priority", "5")

    assert request_of(started(*words, "--task-list", "l"), "i", "d") == {
        "domain": "d",
        "workflowId": "w",
        "workflowType": {"name": "imagecateg", "version": "1"},
        "input": "i",
        "taskList": {"name": "l"},
        "executionStartToCloseTimeout": "3600",
        "childPolicy": "ABANDON",
        "taskPriority": "5",
    }


def test_a_missing_configuration_says_what_to_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flowyd.cli.reaching.CONFIG_FILE", Path("/nowhere/flowyd.toml"))

    assert main(["list"]) == exits.CONFIG
    assert "name one with --config, or an SWF service with --endpoint" in capsys.readouterr().err


def test_help_and_status_load_nothing_heavy() -> None:
    code = (
        "import sys; from flowyd.cli.main import parsed, overview; overview(); parsed(['status']);"
        "print(' '.join(sys.modules))"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not {"boto3", "textual", "sqlite3", "asyncio", "tomli", "httptools"} & set(loaded.split())


def test_check_tells_machines_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "flowyd.toml"
    file.write_text('[flowyd]\ndomian = "a"\n[swf]\nbackend = "amazon"\n')

    code = main(["check", str(file), "--json"])

    said = json.loads(capsys.readouterr().out)
    assert code == exits.CONFIG
    assert (said["ok"], said["file"]) == (False, str(file))
    assert [problem.partition(": ")[0] for problem in said["problems"]] == [f"{file}:2", f"{file}:4"]


def test_the_tutorials_command_names_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        script_start.main(["--task_list", "l", "domain"])

    assert ended.value.code == exits.USAGE
    assert capsys.readouterr().err.endswith("the following arguments are required: NAME, VERSION\n")

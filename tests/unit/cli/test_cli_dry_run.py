"""`flowyd start --dry-run`: what code would decide first, from its file alone; there is no service here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowyd.cli import exits
from flowyd.cli.main import main
from flowyd.console.view_model.cells import plain
from flowyd.console.view_model.first_decision import parts

FLOWS = """
from flowyd import ActivityProxy, Workflow, workflow

@workflow("fans", 1, "decide")
class Fans(Workflow):
    resize = ActivityProxy("resize", 1, task_list="images")

    def run(self, count, size=3):
        print("author's own words")
        return [self.resize(number, size) for number in range(count)]

@workflow("instant", 1, "decide")
class Instant(Workflow):
    def run(self):
        return "at once"

@workflow("wrong", 1, "decide")
class Wrong(Workflow):
    def run(self):
        raise ValueError("no such thing")
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose only workflows are those above."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "flows.py").write_text(FLOWS)
    (tmp_path / "flowyd.toml").write_text(
        '[flowyd]\nworkflows = ["workflows"]\nstate_dir = "state"\nruntime_dir = "run"\n'
        '[[pool]]\nname = "deciders"\nkind = "decision"\ntask_list = "decide"\n'
    )
    return tmp_path / "flowyd.toml"


def found(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["--config", str(config), "--json", "start", *words, "--dry-run"])
    return code, json.loads(capsys.readouterr().out)


def test_the_tasks_of_the_first_decision_are_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = found(config, capsys, "fans", "1", "--json-args", "[2]", "--kwargs", '{"size": 7}')

    assert (code, told["outcome"]) == (exits.DONE, "suspended")
    inputs = [d["scheduleActivityTaskDecisionAttributes"]["input"] for d in told["decisions"]]
    assert inputs == ["[[0, 7], {}]", "[[1, 7], {}]"]


def test_a_workflow_that_needs_nothing_would_be_completed(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = found(config, capsys, "instant", "1")

    assert (code, told["outcome"]) == (exits.DONE, "completed")
    assert 'completes "at once"' in plain(parts(told))


def test_arguments_that_run_does_not_take_fail_the_dry_run(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = found(config, capsys, "fans", "1")

    assert (code, told["outcome"]) == (exits.FAILED, "failed")
    assert "missing 1 required positional argument: 'count'" in plain(parts(told))


def test_code_that_raises_is_told_with_its_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, told = found(config, capsys, "wrong", "1")

    assert "flows.py" in plain(parts(told))
    assert "no such thing" in plain(parts(told))


def test_a_type_without_code_is_told_with_those_that_have_some(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(config), "start", "other", "1", "--dry-run"]) == exits.FAILED

    assert "there is code for: fans 1, instant 1, wrong 1" in capsys.readouterr().err

"""The equal commands that the console shows are commands that flowyd takes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest

from flowyd.cli.main import parsed
from flowyd.console.view_model import commands, daemon_actions, execution_actions, registration_actions
from tests.unit.console.console_script import execution

TARGET = execution("-an id with 'quotes'", run_id="22+/run=")
START = {
    "workflowType": {"name": "small", "version": "1"},
    "workflowId": "small-1",
    "input": '[["a b"], {"size": 3}]',
    "taskList": {"name": "own list"},
    "executionStartToCloseTimeout": "60",
    "taskStartToCloseTimeout": "5",
    "childPolicy": "ABANDON",
    "taskPriority": "-3",
    "tagList": ["one", "two"],
}


def all_commands() -> Iterator[str]:
    named = execution("order-1")
    given = {
        "signal": (execution_actions.signal("d", [named]), {"name": "go on", "input": '{"a": 1}'}),
        "cancel": (execution_actions.cancel("d", [named]), {}),
        "terminate": (
            execution_actions.terminate("d", [named]),
            {"reason": "too old", "details": "x", "child_policy": "REQUEST_CANCEL"},
        ),
        "scale": (daemon_actions.scale("images", 2), {"processes": "3"}),
        "drain": (daemon_actions.on_pool("drain", "images"), {}),
        "resume": (daemon_actions.on_pool("resume", "images"), {}),
        "recycle": (daemon_actions.recycle("images", [7]), {}),
        "reload": (daemon_actions.reload(), {}),
        "register": (
            registration_actions.register_domain(),
            {"name": "d", "retention": "7", "description": "words"},
        ),
    }
    dashed = execution("-order 1", run_id="-run")
    for make in (execution_actions.cancel, execution_actions.terminate):
        yield from (step.command for step in make("d", [dashed]).steps({}))
    yield from (
        step.command for step in execution_actions.signal("d", [dashed]).steps({"name": "-go", "input": "-1"})
    )
    yield execution_actions.start({**START, "workflowId": "-order 1", "input": "-"}).command
    yield commands.show(("history", "--raw"), "-order 1", "-run")
    for action, values in given.values():
        yield from (step.command for step in action.steps(values))
    yield execution_actions.start(START).command
    yield commands.line("show", "order-1", "--run-id", "r")
    yield commands.line("history", "--raw", "order-1", "--run-id", "r")
    yield commands.line("workers")
    yield commands.line("log", "--pid", "7")


@pytest.mark.parametrize("command", all_commands())
def test_the_command_line_takes_every_command_the_console_shows(command: str) -> None:
    spelled = commands.with_options(command, ("--config", "a file.toml"))

    namespace = parsed(shlex.split(spelled)[1:])

    assert str(namespace.config) == "a file.toml"


def test_ids_are_quoted_for_a_shell() -> None:
    (step,) = execution_actions.cancel("d", [TARGET]).steps({})

    assert shlex.split(step.command)[-1] == TARGET.workflow_id


def test_an_id_that_looks_like_an_option_is_taken_for_an_id() -> None:
    (step,) = execution_actions.cancel("d", [execution("--all", run_id="-r")]).steps({})

    words = shlex.split(commands.with_options(step.command, ("--config", "a file.toml")))

    assert words == ["flowyd", "cancel", "--run-id=-r", "--config", "a file.toml", "--", "--all"]


def test_a_type_is_registered_with_its_limits() -> None:
    action = registration_actions.register_type("d")
    values = {"kind": "activity", "name": "resize", "version": "2", "task_list": "images", "limit": "60"}

    (step,) = action.steps(values)

    assert step.action == "RegisterActivityType"
    assert step.request["defaultTaskList"] == {"name": "images"}
    assert step.request["defaultTaskStartToCloseTimeout"] == "60"
    assert "--default-task-list=name=images" in shlex.split(step.command)


def test_a_long_command_is_shown_as_far_as_there_is_room() -> None:
    command = commands.line("start", "album", "1", "--input", json.dumps([["http://a.example/b"] * 40, {}]))

    lines = commands.in_lines(f"$ {command}", 70).splitlines()

    assert len(lines) == commands.LINES
    assert all(len(line) <= 70 for line in lines)
    assert lines[-1].endswith(" …")


def test_a_short_command_is_shown_whole() -> None:
    assert commands.in_lines("$ flowyd drain images", 70) == "$ flowyd drain images"

"""The equal `flowyd …` command of each action, ready to be pasted into a shell.

Where flowyd has no command, the AWS command line's is given: it speaks to any SWF service.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any


def line(*words: str) -> str:
    """One command, quoted for a shell."""
    return shlex.join(("flowyd", *words))


def with_options(command: str, options: Sequence[str]) -> str:
    """A command of `line` with options that every command takes."""
    return f"{command} {shlex.join(options)}" if options and command.startswith("flowyd ") else command


def signal(workflow_id: str, run_id: str, *, name: str, text: str) -> str:
    """Sends a signal."""
    given = ("--input", text) if text else ()
    return line("signal", workflow_id, name, "--run-id", run_id, *given)


def cancel(workflow_id: str, run_id: str) -> str:
    """Requests a cancel."""
    return line("cancel", workflow_id, "--run-id", run_id)


def terminate(workflow_id: str, run_id: str, *, reason: str, details: str, child_policy: str) -> str:
    """Terminates an execution."""
    options: list[str] = []
    for name, value in (("--reason", reason), ("--details", details), ("--child-policy", child_policy)):
        if value:
            options += [name, value]
    return line("terminate", workflow_id, "--run-id", run_id, *options)


def start(request: Mapping[str, Any]) -> str:
    """Starts a workflow; `request` is SWF's StartWorkflowExecution."""
    kind = request["workflowType"]
    words = ["start", kind["name"], kind["version"]]
    options = {
        "--input": request.get("input"),
        "--id": request.get("workflowId"),
        "--task-list": (request.get("taskList") or {}).get("name"),
        "--workflow-duration": request.get("executionStartToCloseTimeout"),
        "--decision-duration": request.get("taskStartToCloseTimeout"),
        "--child-policy": request.get("childPolicy"),
        "--priority": request.get("taskPriority"),
    }
    for name, value in options.items():
        if value:
            words += [name, value]
    for tag in request.get("tagList") or ():
        words += ["--tag", tag]
    return line(*words)


def control(command: str, arguments: Mapping[str, Any]) -> str:
    """A command of the control socket: scale, drain, resume, recycle, reload, log."""
    words = [str(arguments[name]) for name in ("pool", "processes") if arguments.get(name) is not None]
    pid = ("--pid", str(arguments["pid"])) if "pid" in arguments else ()
    return line(command, *words, *pid)


def deprecate_type(domain: str, kind: str, name: str, version: str, *, verb: str) -> str:
    """Deprecates or undeprecates a type, by the AWS command line."""
    option, value = f"--{kind}-type", f"name={name},version={version}"
    return shlex.join(("aws", "swf", f"{verb}-{kind}-type", "--domain", domain, option, value))

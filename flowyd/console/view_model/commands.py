"""The equal `flowyd …` command of each action, ready to be pasted into a shell.

Where flowyd has no command, the AWS command line's is given: it speaks to any SWF service.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

#: A command is shown on so many lines at most; whoever copies it gets all of it.
LINES = 4


def line(*words: str) -> str:
    """One command, quoted for a shell."""
    return shlex.join(("flowyd", *words))


def spelled(verb: Sequence[str], named: Sequence[str], options: Sequence[tuple[str, str]] = ()) -> str:
    """One command of what it names and its options; a name or value that begins with `-` is kept apart."""
    given: list[str] = []
    for option, value in options:
        given += [f"{option}={value}"] if value.startswith("-") else [option, value]
    if any(name.startswith("-") for name in named):
        return line(*verb, *given, "--", *named)
    return line(*verb, *named, *given)


def with_options(command: str, options: Sequence[str]) -> str:
    """A command of `line` with options that every command takes."""
    if not options or not command.startswith("flowyd "):
        return command
    words = shlex.split(command)
    end = words.index("--") if "--" in words else len(words)
    return shlex.join((*words[:end], *options, *words[end:]))


def in_lines(command: str, width: int) -> str:
    """The command on few lines of that width, as far as it fits; an ellipsis says that there is more."""
    lines = textwrap.wrap(
        command,
        max(width, 20),
        max_lines=LINES,
        placeholder=" …",
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return "\n".join(lines)


def signal(workflow_id: str, run_id: str, *, name: str, text: str) -> str:
    """Sends a signal."""
    given = [("--input", text)] if text else []
    return spelled(("signal",), (workflow_id, name), [("--run-id", run_id), *given])


def cancel(workflow_id: str, run_id: str) -> str:
    """Requests a cancel."""
    return spelled(("cancel",), (workflow_id,), [("--run-id", run_id)])


def show(words: Sequence[str], workflow_id: str, run_id: str) -> str:
    """Shows an execution; `words` are the command and its flags."""
    return spelled(words, (workflow_id,), [("--run-id", run_id)])


def terminate(workflow_id: str, run_id: str, *, reason: str, details: str, child_policy: str) -> str:
    """Terminates an execution."""
    given = (("--reason", reason), ("--details", details), ("--child-policy", child_policy))
    options = [(name, value) for name, value in given if value]
    return spelled(("terminate",), (workflow_id,), [("--run-id", run_id), *options])


def start(request: Mapping[str, Any]) -> str:
    """Starts a workflow; `request` is SWF's StartWorkflowExecution."""
    kind = request["workflowType"]
    options = {
        "--input": request.get("input"),
        "--id": request.get("workflowId"),
        "--task-list": (request.get("taskList") or {}).get("name"),
        "--workflow-duration": request.get("executionStartToCloseTimeout"),
        "--decision-duration": request.get("taskStartToCloseTimeout"),
        "--child-policy": request.get("childPolicy"),
        "--priority": request.get("taskPriority"),
    }
    given = [(name, value) for name, value in options.items() if value]
    given += [("--tag", tag) for tag in request.get("tagList") or ()]
    return spelled(("start",), (kind["name"], kind["version"]), given)


def control(command: str, arguments: Mapping[str, Any]) -> str:
    """A command of the control socket: scale, drain, resume, recycle, reload, log."""
    words = [str(arguments[name]) for name in ("pool", "processes") if arguments.get(name) is not None]
    pid = ("--pid", str(arguments["pid"])) if "pid" in arguments else ()
    return line(command, *words, *pid)


def deprecate_type(domain: str, kind: str, name: str, version: str, *, verb: str) -> str:
    """Deprecates or undeprecates a type, by the AWS command line."""
    option, value = f"--{kind}-type", f"name={name},version={version}"
    return shlex.join(("aws", "swf", f"{verb}-{kind}-type", "--domain", domain, option, value))


def deprecate_domain(name: str, *, verb: str) -> str:
    """Deprecates or undeprecates a domain, by the AWS command line."""
    return shlex.join(("aws", "swf", f"{verb}-domain", f"--name={name}"))


def register_type(kind: str, request: Mapping[str, Any]) -> str:
    """Registers a type, by the AWS command line; `request` is SWF's."""
    words = ["aws", "swf", f"register-{kind}-type", "--domain", request["domain"]]
    words += [f"--name={request['name']}", f"--workflow-version={request['version']}"]
    if kind == "activity":
        words[-1] = f"--activity-version={request['version']}"
    for member, value in request.items():
        if member not in ("domain", "name", "version"):
            option = "".join(f"-{c.lower()}" if c.isupper() else c for c in member)
            words.append(
                f"--{option}=name={value['name']}" if isinstance(value, dict) else f"--{option}={value}"
            )
    return shlex.join(words)


def dump(pid: int) -> str:
    """Has a process of ours write its stacks: what the daemon does for it."""
    return shlex.join(("kill", "-USR1", str(pid)))

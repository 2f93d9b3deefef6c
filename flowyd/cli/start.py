"""`flowyd start`: starts a workflow, prints its ids, and follows it to the end with --wait."""

from __future__ import annotations

import argparse
import json
import uuid
from typing import TYPE_CHECKING, Any

from flowyd.cli import exits
from flowyd.cli.options import add_domain, whole_seconds
from flowyd.cli.output import print_json
from flowyd.cli.payloads import sent
from flowyd.cli.reaching import Service, config_of, service
from flowyd.errors import FlowydError
from flowyd.swf.faults import (
    DefaultUndefinedFault,
    UnknownResourceFault,
    WorkflowExecutionAlreadyStartedFault,
)

if TYPE_CHECKING:
    from argparse import _SubParsersAction

CHILD_POLICIES = ("TERMINATE", "REQUEST_CANCEL", "ABANDON")
#: The option that gives what a type has no default for (SWF names the member).
_OPTIONS = {
    "executionStartToCloseTimeout": "--workflow-duration",
    "taskStartToCloseTimeout": "--decision-duration",
    "taskList": "--task-list",
    "childPolicy": "--child-policy",
}


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "start",
        help="start a workflow, and follow it with --wait",
        description="Starts a workflow execution and prints its workflow id and run id. Each ARG goes to the "
        "workflow's run() as text; numbers and other values go by --json-args or --kwargs.",
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("version", metavar="VERSION")
    parser.add_argument(
        "arguments", metavar="ARG", nargs="*", default=[], help="positional arguments of run(), as text"
    )
    parser.add_argument(
        "--json-args", metavar="JSON", help="positional arguments as a JSON list: '[\"a\", 3]'"
    )
    parser.add_argument(
        "--kwargs", metavar="JSON", help="keyword arguments as a JSON object: '{\"size\": 3}'"
    )
    parser.add_argument("--input", metavar="TEXT", help="the whole input, as it is")
    parser.add_argument("--workflow-id", "--id", metavar="ID", help="default: NAME and a random number")
    add_start_options(parser)
    parser.add_argument("--tag", metavar="TAG", action="append", default=[], help="at most five")
    parser.add_argument("--priority", metavar="N", type=int, help="higher ones are handed out first")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="start nothing; show the first decision of the code in the configured directories",
    )
    parser.add_argument("--wait", action="store_true", help="follow it to the end; 0 only if it completes")
    add_domain(parser)
    parser.set_defaults(run=run, intermixed=True)


def add_start_options(parser: argparse.ArgumentParser) -> None:
    """Adds what a type usually has a default for."""
    parser.add_argument("--task-list", "--task_list", metavar="LIST", help="default: the type's")
    parser.add_argument(
        "--workflow-duration",
        "--workflow_duration",
        metavar="TIME",
        type=whole_seconds,
        help="limit of the whole execution; default: the type's",
    )
    parser.add_argument(
        "--decision-duration",
        "--decision_duration",
        "--task-duration",
        metavar="TIME",
        type=whole_seconds,
        help="limit of each decision; default: the type's",
    )
    parser.add_argument(
        "--child-policy",
        type=str.upper,
        choices=CHILD_POLICIES,
        help="what becomes of open children when it is terminated or times out; default: the type's",
    )
    parser.add_argument(
        "--lambda-role", metavar="ARN", help="the IAM role for Lambda functions; default: the type's"
    )


def run(namespace: argparse.Namespace) -> int:
    """Starts, and waits if it is told to."""
    text = input_of(namespace)
    if namespace.dry_run:
        from flowyd.cli.dry_run import dry_run

        domain = namespace.domain or config_of(namespace).flowyd.domain
        return dry_run(namespace, request_of(namespace, text, domain))
    text = sent(namespace, text, "the input")
    with service(namespace) as reached:
        request = request_of(namespace, text, reached.domain)
        run_id = started(reached, request)
        execution = {"workflowId": request["workflowId"], "runId": run_id}
        if not namespace.wait:
            print_ids(namespace, execution, reached.domain)
            return exits.DONE
        from flowyd.cli.following import follow

        return follow(reached, execution, as_json=namespace.json)


def print_ids(namespace: argparse.Namespace, execution: dict[str, str], domain: str) -> None:
    """Says what was started."""
    if namespace.json:
        print_json({"domain": domain, **execution})
    else:
        print(f"workflow id  {execution['workflowId']}\nrun id       {execution['runId']}")


def input_of(namespace: argparse.Namespace) -> str:
    """The input: JSON of positional and keyword arguments. Ends with code 2 if an option is no JSON."""
    refuse = namespace.parser.error
    if namespace.input is not None:
        if namespace.arguments or namespace.json_args or namespace.kwargs:
            refuse("--input is the whole input; leave ARG, --json-args and --kwargs out")
        return str(namespace.input)
    if namespace.arguments and namespace.json_args:
        refuse("give positional arguments either as ARG or as --json-args")
    positional = namespace.arguments
    if namespace.json_args:
        positional = _json(
            namespace.json_args, list, "--json-args", "a JSON list such as '[\"a\", 3]'", refuse
        )
    keyword = {}
    if namespace.kwargs:
        keyword = _json(namespace.kwargs, dict, "--kwargs", "a JSON object such as '{\"size\": 3}'", refuse)
    return json.dumps([positional, keyword])


def _json(text: str, kind: type, option: str, allowed: str, refuse: Any) -> Any:
    problem = ""
    try:
        value = json.loads(text)
    except ValueError as error:
        value, problem = None, f" ({error})"
    if not isinstance(value, kind):
        refuse(f"{option} {text!r}: must be {allowed}{problem}")
    return value


def request_of(namespace: argparse.Namespace, text: str, domain: str) -> dict[str, Any]:
    """SWF's StartWorkflowExecution."""
    name = namespace.name
    request: dict[str, Any] = {
        "domain": domain,
        "workflowId": namespace.workflow_id or f"{name}-{uuid.uuid4().hex[:12]}",
        "workflowType": {"name": name, "version": namespace.version},
        "input": text,
    }
    optional = {
        "taskList": {"name": namespace.task_list} if namespace.task_list else None,
        "executionStartToCloseTimeout": _wire(namespace.workflow_duration),
        "taskStartToCloseTimeout": _wire(namespace.decision_duration),
        "childPolicy": namespace.child_policy,
        "tagList": namespace.tag or None,
        "taskPriority": _wire(namespace.priority),
        "lambdaRole": namespace.lambda_role,
    }
    return {**request, **{member: value for member, value in optional.items() if value is not None}}


def _wire(number: int | None) -> str | None:
    return None if number is None else str(number)


def started(reached: Service, request: dict[str, Any]) -> str:
    """The run id of the execution that was started.

    Raises:
        FlowydError: it was refused; the text says what to do.
    """
    kind = f"{request['workflowType']['name']} {request['workflowType']['version']}"
    try:
        run_id: str = reached.client.call("StartWorkflowExecution", request)["runId"]
    except WorkflowExecutionAlreadyStartedFault as fault:
        workflow_id = request["workflowId"]
        raise FlowydError(
            f"an execution with workflow id {workflow_id!r} is open; see: flowyd show {workflow_id}"
        ) from fault
    except DefaultUndefinedFault as fault:
        member = fault.message.removeprefix("default")
        member = member[:1].lower() + member[1:]
        option = _OPTIONS.get(member, "an option")
        raise FlowydError(f"type {kind} has no default for {member}; give {option}") from fault
    except UnknownResourceFault as fault:
        raise FlowydError(_unknown(fault.message, kind, reached.domain)) from fault
    return run_id


def _unknown(message: str, kind: str, domain: str) -> str:
    if "domain" in message:
        return f"no domain {domain!r}; a daemon registers its own, or: flowyd domains register {domain}"
    return (
        f"no workflow type {kind} in domain {domain}; a decision worker that has its module registers it. "
        "See: flowyd types --workflow, and flowyd status for modules that do not load"
    )

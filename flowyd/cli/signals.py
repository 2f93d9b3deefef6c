"""`flowyd signal`, `cancel` and `terminate`: what can be done to an open execution."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from flowyd.cli import answers, exits
from flowyd.cli.options import add_execution, run_id_of
from flowyd.cli.output import print_json
from flowyd.cli.payloads import sent
from flowyd.cli.reaching import service
from flowyd.cli.start import CHILD_POLICIES
from flowyd.errors import FlowydError
from flowyd.swf.faults import UnknownResourceFault

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the three commands to the command line."""
    signal = subparsers.add_parser(
        "signal", help="send a signal to an execution", description="Sends a signal to an open execution."
    )
    add_execution(signal, run_id_may_follow=False)
    signal.add_argument("name", metavar="NAME", help="the signal's name")
    signal.add_argument("input", metavar="INPUT", nargs="?", help="its input, as it is; authors expect JSON")
    signal.add_argument("--input", metavar="TEXT", dest="input_option", help="the same as INPUT")
    signal.set_defaults(run=run_signal)

    cancel = subparsers.add_parser(
        "cancel",
        help="ask an execution to cancel itself",
        description="Requests a cancel: the workflow's own code decides what follows, and may clean up.",
    )
    add_execution(cancel)
    cancel.set_defaults(run=run_cancel)

    terminate = subparsers.add_parser(
        "terminate",
        help="end an execution at once",
        description="Ends an open execution at once; its code is not asked. What workers still do is lost.",
    )
    add_execution(terminate)
    terminate.add_argument("--reason", metavar="TEXT", help="at most 256 characters")
    terminate.add_argument("--details", metavar="TEXT", help="more than the reason has room for")
    terminate.add_argument(
        "--child-policy",
        type=str.upper,
        choices=CHILD_POLICIES,
        help="for its open children; default: its own",
    )
    terminate.set_defaults(run=run_terminate)


def run_signal(namespace: argparse.Namespace) -> int:
    """Sends a signal."""
    text = namespace.input_option if namespace.input_option is not None else namespace.input
    extra = {"signalName": namespace.name}
    if text is not None:
        extra["input"] = sent(namespace, text, "the signal's input")
    return _sent(namespace, "SignalWorkflowExecution", extra, f"signal {namespace.name} sent to")


def run_cancel(namespace: argparse.Namespace) -> int:
    """Requests a cancel."""
    return _sent(namespace, "RequestCancelWorkflowExecution", {}, "cancel requested of")


def run_terminate(namespace: argparse.Namespace) -> int:
    """Terminates."""
    given = {
        "reason": namespace.reason,
        "details": namespace.details,
        "childPolicy": namespace.child_policy,
    }
    extra = {member: value for member, value in given.items() if value is not None}
    return _sent(namespace, "TerminateWorkflowExecution", extra, "terminated")


def _sent(namespace: argparse.Namespace, action: str, extra: dict[str, Any], done: str) -> int:
    """Sends to the run that is named, or to the open one, which is found first so that it can be shown."""
    with service(namespace) as reached:
        execution = answers.find_execution(reached, namespace.workflow_id, run_id_of(namespace))
        try:
            reached.client.call(action, {"domain": reached.domain, **execution, **extra})
        except UnknownResourceFault as fault:
            raise FlowydError(
                f"no open execution {execution['workflowId']!r} (run {execution['runId']}) in domain "
                f"{reached.domain}: it has closed or never was; see: flowyd show {execution['workflowId']}"
            ) from fault
    if namespace.json:
        print_json({"domain": reached.domain, **execution, "action": action})
    else:
        print(f"{done} {execution['workflowId']}  run {execution['runId']}")
    return exits.DONE

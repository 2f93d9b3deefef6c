"""Actions on executions: start, signal, request a cancel, terminate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowyd.console.view_model import commands
from flowyd.console.view_model.actions import Action, Field, Step, Values
from flowyd.console.view_model.executions import Execution
from flowyd.console.view_model.start_form import CHILD_POLICIES
from flowyd.swf.limits import NAME_CHARACTERS, REASON_CHARACTERS

#: Makes an action on executions of a domain.
OnExecutions = Callable[[str, Sequence[Execution]], Action]


def start(request: Mapping[str, Any]) -> Step:
    """The step that starts a workflow."""
    kind = request["workflowType"]
    return Step(
        action="StartWorkflowExecution",
        request=dict(request),
        target=f"{kind['name']} {request['workflowId']}",
        command=commands.start(request),
    )


def signal(domain: str, executions: Sequence[Execution]) -> Action:
    """Sends one signal to each."""

    def steps(values: Values) -> tuple[Step, ...]:
        name, text = values["name"], values.get("input", "")
        return tuple(
            Step(
                action="SignalWorkflowExecution",
                request={**_ids(domain, e), "signalName": name, **({"input": text} if text else {})},
                target=_name(e),
                command=commands.signal(e.workflow_id, e.run_id, name=name, text=text),
            )
            for e in executions
        )

    return Action(
        title="Send a signal",
        verb="Signal",
        done="signaled",
        targets=tuple(map(_name, executions)),
        steps=steps,
        fields=(
            Field(name="name", label="Signal name", needed=True, limit=NAME_CHARACTERS),
            Field(name="input", label="Input", hint="text, such as JSON; may be empty"),
        ),
    )


def cancel(domain: str, executions: Sequence[Execution]) -> Action:
    """Requests a cancel of each; the workflow's own code decides what follows."""

    def steps(_values: Values) -> tuple[Step, ...]:
        return tuple(
            Step(
                action="RequestCancelWorkflowExecution",
                request=_ids(domain, e),
                target=_name(e),
                command=commands.cancel(e.workflow_id, e.run_id),
            )
            for e in executions
        )

    return Action(
        title="Request a cancel",
        verb="Request cancel",
        done="cancel requested",
        targets=tuple(map(_name, executions)),
        steps=steps,
        warning="The workflow is told and may clean up; it ends when its code decides so.",
    )


def terminate(domain: str, executions: Sequence[Execution]) -> Action:
    """Ends each at once, without its code being asked."""

    def steps(values: Values) -> tuple[Step, ...]:
        given = {name: values.get(name, "") for name in ("reason", "details", "child_policy")}
        given["child_policy"] = given["child_policy"].removeprefix("as started with")
        wire = {"reason": "reason", "details": "details", "child_policy": "childPolicy"}
        members = {wire[name]: text for name, text in given.items() if text}
        return tuple(
            Step(
                action="TerminateWorkflowExecution",
                request={**_ids(domain, e), **members},
                target=_name(e),
                command=commands.terminate(e.workflow_id, e.run_id, **given),
            )
            for e in executions
        )

    return Action(
        title="Terminate an execution",
        verb="Terminate",
        done="terminated",
        targets=tuple(map(_name, executions)),
        steps=steps,
        fields=(
            Field(name="reason", label="Reason", hint="for whoever looks later", limit=REASON_CHARACTERS),
            Field(name="details", label="Details"),
            Field(
                name="child_policy",
                label="Children",
                value="as started with",
                choices=("as started with", *CHILD_POLICIES),
            ),
        ),
        warning="It ends at once and cannot be undone; no code of the workflow runs any more.",
    )


def _name(execution: Execution) -> str:
    return f"{execution.type_name} {execution.workflow_id}"


def _ids(domain: str, execution: Execution) -> dict[str, Any]:
    return {"domain": domain, "workflowId": execution.workflow_id, "runId": execution.run_id}

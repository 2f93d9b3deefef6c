"""Actions on what is registered: types and domains are registered, deprecated and undeprecated."""

from __future__ import annotations

from typing import Any

from flowyd.console.view_model import commands
from flowyd.console.view_model.actions import Action, Field, Step, Values
from flowyd.swf.limits import NAME_CHARACTERS, VERSION_CHARACTERS

#: The defaults that one limit stands for.
_WORKFLOW_LIMITS = ("defaultExecutionStartToCloseTimeout",)


_ACTIVITY_LIMITS = (
    "defaultTaskStartToCloseTimeout",
    "defaultTaskScheduleToStartTimeout",
    "defaultTaskScheduleToCloseTimeout",
)


def register_type(domain: str) -> Action:
    """Registers a workflow or activity type; what is left empty must be given at each start or schedule."""

    def steps(values: Values) -> tuple[Step, ...]:
        kind, name, version = values["kind"], values["name"], values["version"]
        limits = _WORKFLOW_LIMITS if kind == "workflow" else _ACTIVITY_LIMITS
        request: dict[str, Any] = {"domain": domain, "name": name, "version": version}
        if values.get("description"):
            request["description"] = values["description"]
        if values.get("task_list"):
            request["defaultTaskList"] = {"name": values["task_list"]}
        if values.get("limit"):
            request.update(dict.fromkeys(limits, values["limit"]))
        if kind == "workflow":
            request["defaultChildPolicy"] = "TERMINATE"
        step = Step(
            action=f"Register{kind.capitalize()}Type",
            request=request,
            target=f"{kind} type {name} {version}",
            command=commands.register_type(kind, request),
        )
        return (step,)

    return Action(
        title="Register a type",
        verb="Register",
        done="registered",
        targets=(f"a new type in domain {domain}",),
        steps=steps,
        fields=(
            Field(name="kind", label="Kind", value="workflow", choices=("workflow", "activity")),
            Field(name="name", label="Name", needed=True, limit=NAME_CHARACTERS),
            Field(name="version", label="Version", value="1", needed=True, limit=VERSION_CHARACTERS),
            Field(name="task_list", label="Task list", limit=NAME_CHARACTERS),
            Field(name="limit", label="Limit, seconds", hint="of a run or task", whole_number=True),
            Field(name="description", label="Description"),
        ),
        warning="A type can be deprecated but its name and version never registered anew.",
    )


def register_domain() -> Action:
    """Registers a domain."""

    def steps(values: Values) -> tuple[Step, ...]:
        name, days = values["name"], values["retention"]
        request = {"name": name, "workflowExecutionRetentionPeriodInDays": days}
        if values.get("description"):
            request["description"] = values["description"]
        command = commands.spelled(("domains", "register"), (name,), [("--retention", days)])
        return (
            Step(
                action="RegisterDomain",
                request=request,
                target=f"domain {name}",
                command=command,
                scoped=False,
            ),
        )

    return Action(
        title="Register a domain",
        verb="Register",
        done="registered",
        targets=("a new domain",),
        steps=steps,
        fields=(
            Field(name="name", label="Name", needed=True, limit=NAME_CHARACTERS),
            Field(name="retention", label="Keep for, days", value="30", needed=True, whole_number=True),
            Field(name="description", label="Description"),
        ),
        warning="A domain can be deprecated but never deleted.",
    )


def set_deprecated(domain: str, kind: str, name: str, version: str, *, deprecated: bool) -> Action:
    """Deprecates a registered type, or takes that back; `kind` is "workflow" or "activity"."""
    verb = "Undeprecate" if deprecated else "Deprecate"
    member = f"{kind}Type"
    target = f"{kind} type {name} {version}"
    step = Step(
        action=f"{verb}{kind.capitalize()}Type",
        request={"domain": domain, member: {"name": name, "version": version}},
        target=target,
        command=commands.deprecate_type(domain, kind, name, version, verb=verb.lower()),
    )
    warning = "" if deprecated else "Nothing of this type can be started any more; what is open goes on."
    return Action(
        title=f"{verb} a type",
        verb=verb,
        done=f"{verb.lower()}d",
        targets=(target,),
        steps=lambda _values: (step,),
        warning=warning,
    )


def set_domain_deprecated(name: str, *, deprecated: bool) -> Action:
    """Deprecates a domain, or takes that back."""
    verb = "Undeprecate" if deprecated else "Deprecate"
    step = Step(
        action=f"{verb}Domain",
        request={"name": name},
        target=f"domain {name}",
        command=commands.deprecate_domain(name, verb=verb.lower()),
        scoped=False,
    )
    warning = "" if deprecated else "Nothing new can be started or registered in it; what is open goes on."
    return Action(
        title=f"{verb} a domain",
        verb=verb,
        done=f"{verb.lower()}d",
        targets=(f"domain {name}",),
        steps=lambda _values: (step,),
        warning=warning,
    )

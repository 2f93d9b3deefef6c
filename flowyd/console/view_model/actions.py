"""What an operator can do, as values: whom it concerns, what is asked first, and the requests that follow.

An action is built when its dialog opens; its targets do not change after that, whatever the tables do. A
step is one request with its equal command; carrying it out is the shell's work. It is one module because
it is one list: every action is a function of the same form, and they share their fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowyd.console.view_model import commands
from flowyd.console.view_model.executions import Execution
from flowyd.console.view_model.start_form import CHILD_POLICIES
from flowyd.control.quarantine import QuarantinedTask
from flowyd.swf.limits import DATA_CHARACTERS, NAME_CHARACTERS, REASON_CHARACTERS, VERSION_CHARACTERS

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request to the SWF service or, where `control`, to the daemon."""

    #: SWF action, or command of the control socket.
    action: str
    request: dict[str, Any]
    #: Whom it concerns, for the result.
    target: str
    #: The equal `flowyd …` command.
    command: str
    control: bool = False
    #: The command concerns one domain.
    scoped: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that is asked before an action."""

    name: str
    label: str
    value: str = ""
    hint: str = ""
    needed: bool = False
    #: Longest text in characters.
    limit: int = DATA_CHARACTERS
    #: What may be chosen from; empty: free text.
    choices: tuple[str, ...] = ()
    #: Only digits may be typed.
    whole_number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action on one or many targets."""

    title: str
    #: What the button says.
    verb: str
    #: What the toast says when it is done, such as "terminated".
    done: str
    targets: tuple[str, ...]
    steps: Callable[[Values], tuple[Step, ...]]
    fields: tuple[Field, ...] = ()
    #: What the operator should know before; empty when nothing is lost.
    warning: str = ""
    #: The number of targets must be typed in when there are several.
    count_needed: bool = field(default=True)

    @property
    def is_bulk(self) -> bool:
        return self.count_needed and len(self.targets) > 1


#: Makes an action on executions of a domain.
OnExecutions = Callable[[str, Sequence[Execution]], Action]


def problems(action: Action, values: Values) -> dict[str, str]:
    """What is wrong with the fields, by name; empty when it may be sent."""
    found = {}
    for asked in action.fields:
        text = values.get(asked.name, "")
        if asked.needed and not text:
            found[asked.name] = "is needed"
        elif len(text) > asked.limit:
            found[asked.name] = f"{len(text):,} characters; {asked.limit:,} are allowed"
        elif asked.whole_number and text and not text.isdigit():
            found[asked.name] = "must be a whole number"
    if action.is_bulk and values.get("count", "") != str(len(action.targets)):
        found["count"] = f"type {len(action.targets)} to confirm"
    return found


def _name(execution: Execution) -> str:
    return f"{execution.type_name} {execution.workflow_id}"


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
        title="Terminate",
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


def _ids(domain: str, execution: Execution) -> dict[str, Any]:
    return {"domain": domain, "workflowId": execution.workflow_id, "runId": execution.run_id}


def start(request: Mapping[str, Any]) -> Step:
    """The step that starts a workflow."""
    kind = request["workflowType"]
    return Step(
        action="StartWorkflowExecution",
        request=dict(request),
        target=f"{kind['name']} {request['workflowId']}",
        command=commands.start(request),
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


#: The defaults that one limit stands for.
_WORKFLOW_LIMITS = ("defaultExecutionStartToCloseTimeout",)
_ACTIVITY_LIMITS = (
    "defaultTaskStartToCloseTimeout",
    "defaultTaskScheduleToStartTimeout",
    "defaultTaskScheduleToCloseTimeout",
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
            Field(name="retention", label="Keep closed, days", value="30", needed=True, whole_number=True),
            Field(name="description", label="Description"),
        ),
        warning="A domain can be deprecated but never deleted.",
    )


def scale(pool: str, processes: int) -> Action:
    """Changes the number of a pool's workers until the next start of the daemon."""

    def steps(values: Values) -> tuple[Step, ...]:
        request = {"pool": pool, "processes": int(values["processes"])}
        return (_control("scale", request, f"pool {pool}"),)

    return Action(
        title="Scale a pool",
        verb="Scale",
        done="scaled",
        targets=(f"pool {pool}, now {processes}",),
        steps=steps,
        fields=(
            Field(name="processes", label="Processes", value=str(processes), needed=True, whole_number=True),
        ),
    )


#: What each command on a whole pool does: verb, what the toast says, warning.
_ON_POOL = {
    "drain": ("Drain", "drains", "Its workers finish what they run and take nothing more."),
    "resume": ("Resume", "resumed", "Workers that gave up after repeated deaths are tried again at once."),
}


def on_pool(command: str, pool: str) -> Action:
    """`drain` or `resume` of a pool."""
    verb, done, warning = _ON_POOL[command]
    step = _control(command, {"pool": pool}, f"pool {pool}")
    return Action(
        title=f"{verb} a pool",
        verb=verb,
        done=done,
        targets=(f"pool {pool}",),
        steps=lambda _values: (step,),
        warning=warning,
    )


def recycle(pool: str, pids: Sequence[int]) -> Action:
    """Replaces workers, each after its task."""
    names = tuple(f"worker {pid} of pool {pool}" for pid in pids)
    steps = tuple(_control("recycle", {"pid": pid}, name) for pid, name in zip(pids, names, strict=True))
    return Action(
        title="Recycle",
        verb="Recycle",
        done="recycles",
        targets=names,
        steps=lambda _values: steps,
        warning="A worker finishes its task, within the pool's stop_timeout, and is replaced.",
        count_needed=False,
    )


def dump(pool: str, pid: int) -> Action:
    """Has a worker write its threads' stacks into its log."""
    step = replace(_control("dump", {"pid": pid}, f"{pool} {pid}"), command=commands.dump(pid))
    return Action(
        title="Dump stacks",
        verb="Dump",
        done="stacks are in its log (L)",
        targets=(f"{pool} {pid}",),
        steps=lambda _values: (step,),
    )


def release_tasks(tasks: Sequence[QuarantinedTask]) -> Action:
    """Runs quarantined tasks again."""
    return Action(
        title="Release",
        verb="Release",
        done="released",
        targets=tuple(map(_task_name, tasks)),
        steps=lambda _values: tuple(_quarantine("release", task) for task in tasks),
        warning="Its open attempts run in a fresh worker, which may die of them as those before did.",
    )


def fail_tasks(tasks: Sequence[QuarantinedTask]) -> Action:
    """Has quarantined tasks failed, now and at each further attempt."""
    return Action(
        title="Fail",
        verb="Fail",
        done="failed",
        targets=tuple(map(_task_name, tasks)),
        steps=lambda _values: tuple(_quarantine("fail", task) for task in tasks),
        warning="Open attempts fail at once and further ones too; the workflow's code decides what follows.",
    )


def raise_task_limit(tasks: Sequence[QuarantinedTask]) -> Action:
    """Lets quarantined tasks kill more workers, and runs them again."""

    def steps(values: Values) -> tuple[Step, ...]:
        return tuple(_quarantine("raise", task, limit=int(values["limit"])) for task in tasks)

    return Action(
        title="Raise the limit of deaths",
        verb="Raise",
        done="may go on",
        targets=tuple(map(_task_name, tasks)),
        steps=steps,
        fields=(
            Field(
                name="limit",
                label="Deaths in all",
                value=str(max(task.deaths for task in tasks) + 1),
                needed=True,
                whole_number=True,
            ),
        ),
        warning="Its open attempts run again, until that many workers have died of them.",
    )


def _task_name(task: QuarantinedTask) -> str:
    return f"{task.type_name} {task.type_version} of {task.workflow_id}"


def _quarantine(choice: str, task: QuarantinedTask, **more: int) -> Step:
    words = ("quarantine", choice, task.key, *map(str, more.values()))
    step = _control(f"quarantine-{choice}", {"key": task.key, **more}, _task_name(task))
    return replace(step, command=commands.line(*words))


def reload() -> Action:
    """Loads configuration and modules anew."""
    step = _control("reload", {}, "configuration and modules")
    return Action(
        title="Reload",
        verb="Reload",
        done="reloaded",
        targets=("configuration and modules",),
        steps=lambda _values: (step,),
        warning="New workers prove themselves before old ones drain, one by one.",
    )


def _control(command: str, request: dict[str, Any], target: str) -> Step:
    return Step(
        action=command,
        request=request,
        target=target,
        command=commands.control(command, request),
        control=True,
        scoped=False,
    )

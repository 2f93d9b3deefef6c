"""Actions on the daemon: its pools and workers, the tasks it has quarantined, its modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flowyd.console.view_model import commands
from flowyd.console.view_model.actions import Action, Field, Step, Values
from flowyd.control.quarantine import QuarantinedTask

#: What each command on a whole pool does: verb, what the toast says, warning.
_ON_POOL = {
    "drain": ("Drain", "drains", "Its workers finish what they run and take nothing more."),
    "resume": ("Resume", "resumed", "Workers that gave up after repeated deaths are tried again at once."),
}


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
        title="Recycle workers",
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
        title="Release a held task",
        verb="Release",
        done="released",
        targets=tuple(map(_task_name, tasks)),
        steps=lambda _values: tuple(_quarantine("release", task) for task in tasks),
        warning="Its open attempts run in a fresh worker, which may die of them as those before did.",
    )


def fail_tasks(tasks: Sequence[QuarantinedTask]) -> Action:
    """Has quarantined tasks failed, now and at each further attempt."""
    return Action(
        title="Fail a held task",
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
        title="Reload modules and configuration",
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

"""A task in hand as fields of a log record; each line about a task has the same ones."""

from __future__ import annotations

from flowyd.config.records import PoolKind
from flowyd.control.reports import TaskInHand


def tags_of(task: TaskInHand) -> dict[str, str]:
    """The task's names; an activity's own where it is one."""
    execution = {"action": task.kind, "workflow_id": task.workflow_id, "run_id": task.run_id}
    if task.kind == PoolKind.ACTIVITY.value:
        return {**execution, "activity": task.type_name, "activity_id": task.activity_id}
    return execution

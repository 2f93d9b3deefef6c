"""What the lines of a worker are tagged with."""

from __future__ import annotations

from typing import Any

import pytest

from flowyd.control.reports import Report, TaskInHand, WorkerState
from flowyd.supervisor.child import Child
from flowyd.supervisor.nursery import task_tags

EXECUTION = {"workflow_id": "order-7", "run_id": "22x"}


def child(kind: str) -> Child:
    found = Child(pid=1, pool="p", rank=1, slot=0, generation=0, started_at=0.0, started_wall_at=0.0)
    task = TaskInHand(kind=kind, task_token="t", type_name="resize", type_version="1", **EXECUTION)
    found.report = Report(state=WorkerState.RUNNING, since=0.0, until=None, task=task)
    return found


@pytest.mark.parametrize(
    ("kind", "tags"), [("activity", {"activity": "resize", **EXECUTION}), ("decision", EXECUTION)]
)
def test_only_an_activitys_lines_name_an_activity(kind: str, tags: dict[str, Any]) -> None:
    assert task_tags(child(kind)) == tags

"""Histories and statuses written short, for the console's tables of cases."""

from __future__ import annotations

from typing import Any

from flowyd.console.view_model.executions import Execution
from flowyd.control.status import DaemonStatus, PoolStatus, WorkerStatus

#: Where every history here begins, epoch seconds.
START = 1_000.0


def history(*steps: tuple[float, str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Events from (seconds after the start, event type, attributes)."""
    return [
        {
            "eventId": place,
            "eventTimestamp": START + after,
            "eventType": kind,
            f"{kind[0].lower()}{kind[1:]}EventAttributes": members,
        }
        for place, (after, kind, members) in enumerate(steps, start=1)
    ]


def scheduled(activity_id: str, **members: Any) -> dict[str, Any]:
    """Attributes of ActivityTaskScheduled."""
    return {
        "activityId": activity_id,
        "activityType": {"name": "resize", "version": "1"},
        "taskList": {"name": "images"},
        "startToCloseTimeout": "300",
        "scheduleToStartTimeout": "120",
        "scheduleToCloseTimeout": "420",
        "heartbeatTimeout": "NONE",
        "input": "[[1], {}]",
        **members,
    }


def execution(workflow_id: str = "order-1", **members: Any) -> Execution:
    """An open execution of type imagecateg 1."""
    given: dict[str, Any] = {
        "run_id": f"run of {workflow_id}",
        "type_name": "imagecateg",
        "type_version": "1",
        "status": "OPEN",
        "started_at": START,
        "closed_at": None,
        "tags": (),
        "cancel_requested": False,
        "parent": (),
        **members,
    }
    return Execution(workflow_id=workflow_id, **given)


def worker(pid: int, state: str = "polling", **members: Any) -> WorkerStatus:
    """A worker that has been in its state for three seconds."""
    return WorkerStatus(pid=pid, state=state, state_s=3.0, **members)


def pool(*workers: WorkerStatus, **members: Any) -> PoolStatus:
    """An activity pool named pixels on the list images that serves resize 1."""
    given: dict[str, Any] = {
        "name": "pixels",
        "kind": "activity",
        "task_list": "images",
        "processes": len(workers),
        "broken_modules": {},
        "served_types": ("resize 1",),
        **members,
    }
    return PoolStatus(workers=workers, **given)


def daemon(*pools: PoolStatus) -> DaemonStatus:
    """A daemon that runs these pools and an engine."""
    return DaemonStatus(
        version="1",
        pid=1,
        state="running",
        started_at=START,
        domain="default",
        backend="embedded",
        config_file="flowyd.toml",
        engine=worker(2),
        pools=pools,
    )

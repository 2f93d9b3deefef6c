"""What scripts call under flowy's import path; `from flowyd import …` is the usual one."""

from __future__ import annotations

from flowyd.worker.scripts import (
    async_scheduler,
    start_activity_worker,
    start_workflow_worker,
    workflow_starter,
)

__all__ = ["async_scheduler", "start_activity_worker", "start_workflow_worker", "workflow_starter"]

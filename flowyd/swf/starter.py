"""What starts executions under flowy's import path; `from flowyd import …` is the usual one."""

from __future__ import annotations

from flowyd.worker.scripts import WorkflowStarter

__all__ = ["WorkflowStarter"]

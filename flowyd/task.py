"""The classes that authors subclass under flowy's import path; `from flowyd import …` is the usual one."""

from __future__ import annotations

from flowyd.sdk.activity import Activity
from flowyd.sdk.failures import SuspendTask, TaskError
from flowyd.sdk.workflow import Workflow

__all__ = ["Activity", "SuspendTask", "TaskError", "Workflow"]

"""The exceptions under flowy's import path; `from flowyd import …` is the usual one."""

from __future__ import annotations

from flowyd.sdk.failures import SuspendTask, TaskError, TaskTimedout

__all__ = ["SuspendTask", "TaskError", "TaskTimedout"]

"""The proxies under flowy's import path; `from flowyd import …` is the usual one."""

from __future__ import annotations

from flowyd.sdk.proxies import ActivityProxy, WorkflowProxy

__all__ = ["ActivityProxy", "WorkflowProxy"]

"""The decorators under flowy's import path; `from flowyd import …` is the usual one."""

from __future__ import annotations

from flowyd.sdk.registry import activity, workflow

__all__ = ["activity", "workflow"]

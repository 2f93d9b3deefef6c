"""The result objects under flowy's import path; `from flowyd import …` is the usual one."""

from __future__ import annotations

from flowyd.sdk.placeholder import Error, Placeholder, Result, Timeout

__all__ = ["Error", "Placeholder", "Result", "Timeout"]

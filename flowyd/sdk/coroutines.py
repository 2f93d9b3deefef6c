"""Driving an `async def run` by hand: all that it may await answers at once, or waits by itself."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any


def drive(value: Any) -> Any:
    """The value, or what a coroutine comes to.

    Raises:
        TypeError: it awaited something else than result objects.
    """
    if not isinstance(value, Coroutine):
        return value
    try:
        awaited = value.send(None)
    except StopIteration as stop:
        return stop.value
    value.close()
    raise TypeError(
        f"run awaited a {type(awaited).__name__}; only result objects of flowyd can be awaited in a workflow"
    )

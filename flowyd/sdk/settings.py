"""How a task is to be asked for: timeouts, task list, attempts; and how authors' numbers become that.

Three layers, later ones win: what the proxy says, `options()` blocks from outer to inner. A value of
None means "as registered". Durations are whole seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flowyd.sdk.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """How one activity or child workflow is asked for."""

    #: Activities only, seconds; None: as registered.
    heartbeat: int | None = None
    schedule_to_close: int | None = None
    schedule_to_start: int | None = None
    start_to_close: int | None = None
    #: Child workflows only, seconds; None: as registered.
    workflow_duration: int | None = None
    decision_duration: int | None = None
    #: None: as registered.
    task_list: str | None = None
    #: Further attempts after one that timed out.
    retry: int = 3
    #: Seconds of a timer before the first attempt.
    delay: int = 0
    #: True: a failed task is an Error object; False: it fails the workflow.
    error_handling: bool = False
    #: Further attempts after one that failed.
    retry_policy: RetryPolicy | None = None
    #: Higher is handed out first; None: as registered.
    priority: int | None = None
    #: Child workflows only, at most five.
    tags: tuple[str, ...] = ()


def positive_seconds(value: Any) -> int | None:
    """Whole seconds, or None ("as registered") for None and anything not above zero."""
    if value is None:
        return None
    seconds = int(value)
    return seconds if seconds > 0 else None


def registered_seconds(name: str, value: Any) -> int:
    """Whole seconds of a registered default.

    Raises:
        ValueError: not above zero, or no number.
    """
    seconds = int(value)
    if seconds <= 0:
        raise ValueError(f"{name} must be above zero seconds, not {value!r}")
    return seconds


def _not_below_zero(value: Any) -> int:
    return max(int(value), 0)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _tags(value: Any) -> tuple[str, ...]:
    return tuple(str(tag) for tag in value)


def _policy(value: Any) -> RetryPolicy | None:
    if value is None or isinstance(value, RetryPolicy):
        return value
    raise TypeError(f"retry_policy must be a RetryPolicy, not {value!r}")


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "heartbeat": positive_seconds,
    "schedule_to_close": positive_seconds,
    "schedule_to_start": positive_seconds,
    "start_to_close": positive_seconds,
    "workflow_duration": positive_seconds,
    "decision_duration": positive_seconds,
    "task_list": _text,
    "retry": _not_below_zero,
    "delay": _not_below_zero,
    "error_handling": bool,
    "retry_policy": _policy,
    "priority": _number,
    "tags": _tags,
}


def convert(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The given settings in the types of TaskSettings.

    Raises:
        TypeError: a key that is no setting.
    """
    unknown = sorted(set(overrides) - set(_CONVERSIONS))
    if unknown:
        raise TypeError(f"unknown option {unknown[0]!r}; known are {', '.join(sorted(_CONVERSIONS))}")
    return {key: _CONVERSIONS[key](value) for key, value in overrides.items()}

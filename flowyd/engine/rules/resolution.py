"""Where values come from: the request or decision, else the type's default, else they are undefined.

Zero is a value, an empty string is not. Resolved values are written into events at once, so what happens
to the type later changes nothing. Order in which missing ones are reported: executions as moto does it;
activities recorded for scheduleToStart first when all four timeouts are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowyd.engine.rules.events import Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value that must be resolved."""

    #: Member of requests, decisions and events.
    name: str
    #: Member of the type's configuration.
    default: str
    #: Cause of a failed decision when there is neither.
    cause: str


EXECUTION_VALUES = (
    Value(
        name="executionStartToCloseTimeout",
        default="defaultExecutionStartToCloseTimeout",
        cause="DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED",
    ),
    Value(name="taskList", default="defaultTaskList", cause="DEFAULT_TASK_LIST_UNDEFINED"),
    Value(
        name="taskStartToCloseTimeout",
        default="defaultTaskStartToCloseTimeout",
        cause="DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED",
    ),
    Value(name="childPolicy", default="defaultChildPolicy", cause="DEFAULT_CHILD_POLICY_UNDEFINED"),
)
#: Values an execution may do without.
EXECUTION_OPTIONS = (("taskPriority", "defaultTaskPriority"), ("lambdaRole", "defaultLambdaRole"))

ACTIVITY_VALUES = (
    Value(name="taskList", default="defaultTaskList", cause="DEFAULT_TASK_LIST_UNDEFINED"),
    Value(
        name="scheduleToStartTimeout",
        default="defaultTaskScheduleToStartTimeout",
        cause="DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED",
    ),
    Value(
        name="scheduleToCloseTimeout",
        default="defaultTaskScheduleToCloseTimeout",
        cause="DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED",
    ),
    Value(
        name="startToCloseTimeout",
        default="defaultTaskStartToCloseTimeout",
        cause="DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED",
    ),
    Value(
        name="heartbeatTimeout",
        default="defaultTaskHeartbeatTimeout",
        cause="DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED",
    ),
)
ACTIVITY_OPTIONS = (("taskPriority", "defaultTaskPriority"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undefined:
    """The first value that neither the request nor the type gives."""

    value: Value


def resolve_execution(source: Mapping[str, Any], configuration: Mapping[str, Any]) -> Attributes | Undefined:
    """The values of a new run: timeouts, task list, child policy, and the options it has."""
    return _resolve(source, configuration, EXECUTION_VALUES, EXECUTION_OPTIONS)


def resolve_activity(source: Mapping[str, Any], configuration: Mapping[str, Any]) -> Attributes | Undefined:
    """The values of a new activity task: task list, four timeouts, and the priority if there is one."""
    return _resolve(source, configuration, ACTIVITY_VALUES, ACTIVITY_OPTIONS)


def _resolve(
    source: Mapping[str, Any],
    configuration: Mapping[str, Any],
    values: tuple[Value, ...],
    options: tuple[tuple[str, str], ...],
) -> Attributes | Undefined:
    resolved: Attributes = {}
    for value in values:
        found = source.get(value.name) or configuration.get(value.default)
        if not found:
            return Undefined(value=value)
        resolved[value.name] = found
    for name, default in options:
        found = source.get(name) or configuration.get(default)
        if found:
            resolved[name] = found
    return resolved

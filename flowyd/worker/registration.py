"""Types are registered with the defaults their modules name, or found registered with the very same ones.

A registered type can never be changed (SWF API Reference), so a module whose defaults differ from the
registered ones has drifted: its type is not served, and the message says which value differs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from flowyd.control.drift import Drift, sentence
from flowyd.sdk.registry import ActivityRegistration, WorkflowRegistration
from flowyd.swf.client import SwfClient
from flowyd.swf.durations import to_wire
from flowyd.swf.faults import DomainAlreadyExistsFault, TypeAlreadyExistsFault, UnknownResourceFault
from flowyd.worker.calling import call_through

logger = logging.getLogger(__name__)

#: A service that is away at a worker's start is waited for this long.
WITHIN_S = 60.0
#: Modules are tried against a service that is away for this long.
_LOOK_WITHIN_S = 10.0

_AnyRegistration = TypeVar("_AnyRegistration", ActivityRegistration, WorkflowRegistration)

Wait = Callable[[float], object]


def register_domain(client: SwfClient, domain: str, *, retention_days: int, wait: Wait = time.sleep) -> None:
    """Registers the domain unless it is.

    Raises:
        FlowydError: the service refused or is not there.
    """
    request = {"name": domain, "workflowExecutionRetentionPeriodInDays": str(retention_days)}
    try:
        call_through(client, "RegisterDomain", request, within_s=WITHIN_S, wait=wait)
        logger.info("domain %s is registered", domain, extra={"action": "register", "domain": domain})
    except DomainAlreadyExistsFault:
        pass


def register_activity(
    client: SwfClient, domain: str, registration: ActivityRegistration, *, wait: Wait = time.sleep
) -> str | None:
    """Registers the activity type; None, or what speaks against serving it.

    Raises:
        FlowydError: the service refused or is not there.
    """
    defaults = _activity_defaults(registration)
    return _register(client, domain, registration, "ActivityType", "activityType", defaults, wait)


def register_workflow(
    client: SwfClient, domain: str, registration: WorkflowRegistration, *, wait: Wait = time.sleep
) -> str | None:
    """Registers the workflow type, child policy TERMINATE; None, or what speaks against serving it.

    Raises:
        FlowydError: the service refused or is not there.
    """
    defaults = _workflow_defaults(registration)
    return _register(client, domain, registration, "WorkflowType", "workflowType", defaults, wait)


def activity_drift(client: SwfClient, domain: str, registration: ActivityRegistration) -> str | None:
    """What the registered activity type has against this module's; None too if there is none registered.

    Raises:
        FlowydError: the service is not there.
    """
    defaults = _activity_defaults(registration)
    return _drift_there(client, domain, registration, "ActivityType", "activityType", defaults)


def workflow_drift(client: SwfClient, domain: str, registration: WorkflowRegistration) -> str | None:
    """What the registered workflow type has against this module's; None too if there is none registered.

    Raises:
        FlowydError: the service is not there.
    """
    defaults = _workflow_defaults(registration)
    return _drift_there(client, domain, registration, "WorkflowType", "workflowType", defaults)


def _activity_defaults(registration: ActivityRegistration) -> dict[str, Any]:
    return {
        "defaultTaskList": {"name": registration.task_list},
        "defaultTaskHeartbeatTimeout": to_wire(registration.heartbeat),
        "defaultTaskScheduleToCloseTimeout": to_wire(registration.schedule_to_close),
        "defaultTaskScheduleToStartTimeout": to_wire(registration.schedule_to_start),
        "defaultTaskStartToCloseTimeout": to_wire(registration.start_to_close),
    }


def _workflow_defaults(registration: WorkflowRegistration) -> dict[str, Any]:
    return {
        "defaultTaskList": {"name": registration.task_list},
        "defaultExecutionStartToCloseTimeout": to_wire(registration.workflow_duration),
        "defaultTaskStartToCloseTimeout": to_wire(registration.decision_duration),
        "defaultChildPolicy": "TERMINATE",
    }


def _drift_there(
    client: SwfClient,
    domain: str,
    registration: ActivityRegistration | WorkflowRegistration,
    kind: str,
    member: str,
    defaults: Mapping[str, Any],
) -> str | None:
    name = {"name": registration.name, "version": registration.version}
    try:
        described = call_through(
            client, f"Describe{kind}", {"domain": domain, member: name}, within_s=_LOOK_WITHIN_S
        )
    except UnknownResourceFault:
        return None
    return drift(registration.name, registration.version, described, defaults)


def _register(
    client: SwfClient,
    domain: str,
    registration: ActivityRegistration | WorkflowRegistration,
    kind: str,
    member: str,
    defaults: Mapping[str, Any],
    wait: Wait,
) -> str | None:
    name = {"name": registration.name, "version": registration.version}
    request = {"domain": domain, **name, **defaults}
    try:
        call_through(client, f"Register{kind}", request, within_s=WITHIN_S, wait=wait)
        return None
    except TypeAlreadyExistsFault:
        pass
    described = call_through(
        client, f"Describe{kind}", {"domain": domain, member: name}, within_s=WITHIN_S, wait=wait
    )
    return drift(registration.name, registration.version, described, defaults)


def drift(name: str, version: str, described: Mapping[str, Any], defaults: Mapping[str, Any]) -> str | None:
    """What sets the registered type apart from the module's, in a sentence; None: nothing."""
    if described["typeInfo"]["status"] != "REGISTERED":
        return f"{name} {version} is deprecated in this domain; give the type a new version"
    registered = described["configuration"]
    differences = tuple(
        f"{_plain(key)} is {_shown(registered.get(key))} there and {_shown(value)} in the module"
        for key, value in defaults.items()
        if registered.get(key) != value
    )
    return sentence(Drift(type=f"{name} {version}", differences=differences)) if differences else None


def _plain(key: str) -> str:
    """The contract's name of a default, such as start_to_close."""
    return _NAMES.get(key, key)


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name"))
    return "not set" if value is None else str(value)


_NAMES = {
    "defaultTaskList": "task_list",
    "defaultTaskHeartbeatTimeout": "heartbeat",
    "defaultTaskScheduleToCloseTimeout": "schedule_to_close",
    "defaultTaskScheduleToStartTimeout": "schedule_to_start",
    "defaultTaskStartToCloseTimeout": "start_to_close",
    "defaultExecutionStartToCloseTimeout": "workflow_duration",
    "defaultChildPolicy": "child policy",
}


def served(
    found: Iterable[tuple[str, _AnyRegistration]],
    broken: dict[str, str],
    register: Callable[[_AnyRegistration], str | None],
) -> dict[tuple[str, str], _AnyRegistration]:
    """The types to serve; what speaks against one goes to `broken` under its module's path.

    Args:
        found: module path and registration, in the order of loading.
        register: what speaks against serving one, or None.
    """
    types: dict[tuple[str, str], _AnyRegistration] = {}
    homes: dict[tuple[str, str], str] = {}
    for path, registration in found:
        key = (registration.name, registration.version)
        if key in homes and types[key].factory is not registration.factory:
            why: str | None = f"{' '.join(key)} is defined in {homes[key]} already"
        elif key in homes:
            why = None
        else:
            why = register(registration)
        if why is None:
            types[key], homes[key] = registration, path
        else:
            broken[path] = f"{broken[path]}\n{why}" if path in broken else why
    return types

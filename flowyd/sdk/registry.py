"""The decorators `activity` and `workflow`, and finding what they marked.

A decorator returns the class as it is; the registration hangs on it until somebody looks through the
module. The same class may be decorated again under another name; a subclass starts without registrations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from flowyd.errors import ProgramError
from flowyd.sdk.settings import registered_seconds
from flowyd.swf.limits import EVENTS_PER_EXECUTION

if TYPE_CHECKING:
    from flowyd.sdk.activity import Activity
    from flowyd.sdk.workflow import Workflow

Marked = TypeVar("Marked")

_MARK = "__flowyd_registrations__"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRegistration:
    """An activity type: its defaults as registered with the service, and the class that does the work."""

    name: str
    version: str
    task_list: str
    #: Seconds; None: no limit.
    heartbeat: int | None
    schedule_to_close: int | None
    schedule_to_start: int | None
    start_to_close: int | None
    #: Called with the keywords input, scheduler and token: one object per task.
    factory: Callable[..., Activity]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRegistration:
    """A workflow type: its defaults as registered with the service, and the class that decides.

    The child policy is always registered as TERMINATE.
    """

    name: str
    version: str
    task_list: str
    #: Seconds an execution, and one decision task, may take.
    workflow_duration: int | None
    decision_duration: int | None
    #: Called with the keyword scheduler: one object per decision.
    factory: Callable[..., Workflow]
    #: A restart goes on in the same run until its history has so many events; None: it never does.
    restart_at: int | None = None


Registration = ActivityRegistration | WorkflowRegistration


def activity(
    name: object,
    version: object,
    task_list: object,
    heartbeat: float | None = None,
    schedule_to_close: float = 420,
    schedule_to_start: float = 120,
    start_to_close: float = 300,
) -> Callable[[Marked], Marked]:
    """Marks an Activity class, or a plain or async function, as the implementation of an activity type.

    Timeouts are seconds and only defaults; a proxy may say otherwise. heartbeat=None: no limit.

    Raises:
        ValueError: a timeout that is not above zero.
    """
    registered: dict[str, Any] = {
        "name": str(name),
        "version": str(version),
        "task_list": str(task_list),
        "heartbeat": None if heartbeat is None else registered_seconds("heartbeat", heartbeat),
        "schedule_to_close": registered_seconds("schedule_to_close", schedule_to_close),
        "schedule_to_start": registered_seconds("schedule_to_start", schedule_to_start),
        "start_to_close": registered_seconds("start_to_close", start_to_close),
    }

    def mark(marked: Marked) -> Marked:
        from flowyd.sdk.activity import activity_class  # late: activity.py needs this module's records

        _attach(marked, ActivityRegistration(factory=activity_class(marked), **registered))
        return marked

    return mark


def workflow(
    name: object,
    version: object,
    task_list: object,
    workflow_duration: float = 3600,
    decision_duration: float = 60,
    *,
    restart_at: int | None = None,
) -> Callable[[Marked], Marked]:
    """Marks a Workflow class as the implementation of a workflow type.

    Durations are seconds and only defaults; a starter or a proxy may say otherwise. With `restart_at`, a
    restart of `run` only begins a new run once the history has so many events; before, it goes on in the
    same one.

    Raises:
        ValueError: a duration that is not above zero; a restart_at that the service does not let happen.
    """
    registered: dict[str, Any] = {
        "name": str(name),
        "version": str(version),
        "task_list": str(task_list),
        "workflow_duration": registered_seconds("workflow_duration", workflow_duration),
        "decision_duration": registered_seconds("decision_duration", decision_duration),
        "restart_at": restart_at,
    }
    if restart_at is not None and not 0 < restart_at < EVENTS_PER_EXECUTION:
        raise ValueError(f"restart_at must be between 1 and {EVENTS_PER_EXECUTION - 1}, not {restart_at}")

    def mark(marked: Marked) -> Marked:
        from flowyd.sdk.workflow import Workflow  # late: proxies, which workflows hold, need this module

        if not (isinstance(marked, type) and issubclass(marked, Workflow) and hasattr(marked, "run")):
            raise ProgramError(f"@workflow goes on a Workflow class with a method run, not on {marked!r}")
        _attach(marked, WorkflowRegistration(factory=marked, **registered))
        return marked

    return mark


def _attach(marked: object, registration: Registration) -> None:
    earlier = vars(marked).get(_MARK, ())
    setattr(marked, _MARK, (*earlier, registration))


def registrations_of(marked: object) -> tuple[Registration, ...]:
    """What the decorators attached to this very class or function."""
    found: tuple[Registration, ...] = getattr(marked, "__dict__", {}).get(_MARK, ())
    return found


def registration_of(marked: object) -> Registration:
    """The registration of a class or function; of several the one written topmost.

    Raises:
        ProgramError: it is not decorated.
    """
    found = registrations_of(marked)
    if not found:
        raise ProgramError(f"{marked!r} is not decorated with @activity or @workflow")
    return found[-1]


def _registrations_in(module: ModuleType) -> Iterator[Registration]:
    seen = set()
    for member in vars(module).values():
        if getattr(member, "__module__", None) == module.__name__ and id(member) not in seen:
            seen.add(id(member))
            yield from registrations_of(member)


def activities_in(module: ModuleType) -> tuple[ActivityRegistration, ...]:
    """The activity types defined in this module (not those it imported), in the order of definition."""
    return tuple(r for r in _registrations_in(module) if isinstance(r, ActivityRegistration))


def workflows_in(module: ModuleType) -> tuple[WorkflowRegistration, ...]:
    """The workflow types defined in this module (not those it imported), in the order of definition."""
    return tuple(r for r in _registrations_in(module) if isinstance(r, WorkflowRegistration))

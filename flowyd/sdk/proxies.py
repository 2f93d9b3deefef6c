"""ActivityProxy and WorkflowProxy: class attributes that stand for a type; calling one asks for a task.

Read on the class they are themselves; read on a workflow object they are callables bound to it. A call
returns at once with a result object. The name of the attribute, not of the type, makes the task's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from flowyd.sdk.placeholder import ResultObject
from flowyd.sdk.registry import registration_of
from flowyd.sdk.retry import RetryPolicy
from flowyd.sdk.scheduling import Callee, Scheduler, TaskKind
from flowyd.sdk.serialize import decode_value, encode_arguments
from flowyd.sdk.settings import TaskSettings, convert

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    from flowyd.sdk.workflow import Workflow

    #: A proxy by name needs no annotation: its results are Any. (Python 3.13 knows defaults itself.)
    R = TypeVarWithDefault("R", default=Any)
else:
    R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Runs(Protocol[R_co]):
    """A class whose `run` returns R."""

    def run(self, *arguments: Any, **keywords: Any) -> R_co: ...


class BoundProxy(Generic[R]):
    """A proxy on one workflow object; calling it asks for one task."""

    __slots__ = ("_callee", "_proxy", "_scheduler", "_workflow")

    def __init__(self, proxy: TaskProxy[R], workflow: Workflow, scheduler: Scheduler) -> None:
        self._proxy = proxy
        self._workflow = workflow
        self._scheduler = scheduler
        self._callee = proxy.callee()

    def __call__(self, *arguments: Any, **keywords: Any) -> ResultObject[R]:
        """The result object of this call; arguments may be or hold other result objects."""
        overlay = self._workflow.overlay
        callee = self._proxy.callee_with(overlay) if overlay else self._callee
        return self._scheduler.task(callee, arguments, keywords)


class TaskProxy(Generic[R]):
    """What both proxies share: the type they stand for, and how its tasks are asked for."""

    kind: TaskKind

    def __init__(self, name: object, version: object, **overrides: Any) -> None:
        self.name = str(name)
        self.version = str(version)
        #: Empty until the class that holds the proxy is complete.
        self.attribute = ""
        self.overrides = convert(overrides)
        self.settings = TaskSettings(**self.overrides)
        self._callee: Callee | None = None

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = self.attribute or attribute

    @overload
    def __get__(self, instance: None, owner: type) -> TaskProxy[R]: ...
    @overload
    def __get__(self, instance: Workflow, owner: type) -> BoundProxy[R]: ...
    def __get__(self, instance: Workflow | None, owner: type) -> TaskProxy[R] | BoundProxy[R]:
        if instance is None:
            return self
        scheduler = getattr(instance, "scheduler", None)
        if scheduler is None:
            raise AttributeError(
                f"{owner.__name__}.{self.attribute} can only be called while flowyd runs the workflow"
            )
        bound = BoundProxy(self, instance, scheduler)
        if getattr(owner, self.attribute, None) is self:
            # Found there by Python itself the next time: a third of the cost of a finished call in a replay.
            vars(instance)[self.attribute] = bound
        return bound

    def callee(self) -> Callee:
        """Whom calls ask outside options()."""
        if self._callee is None:
            self._callee = self._callee_by(self.settings)
        return self._callee

    def callee_with(self, overlay: Mapping[str, Any]) -> Callee:
        """Whom calls ask inside options() with these settings."""
        return self._callee_by(TaskSettings(**{**self.overrides, **overlay}))

    def _callee_by(self, settings: TaskSettings) -> Callee:
        return Callee(
            self.kind,
            self.attribute or self.name,
            self.name,
            self.version,
            settings,
            self._serialize_arguments,
            self._deserialize_result,
        )

    #: Transport hooks: replace them in a subclass; the other side must match.
    _serialize_arguments = staticmethod(encode_arguments)
    _deserialize_result = staticmethod(decode_value)


def unbind(workflow: Workflow) -> None:
    """Takes the bound proxies from an object that nobody runs any more, which they hold and are held by."""
    members = vars(workflow)
    for name in [name for name, member in members.items() if type(member) is BoundProxy]:
        del members[name]


class ActivityProxy(TaskProxy[R]):
    """Stands for an activity type.

    Timeouts are seconds; None, zero and less mean "as registered". `retry` counts further attempts after
    a timeout, `retry_policy` rules failures, `delay` is a timer before the first attempt, and with
    `error_handling` a failure is an Error object instead of the end of the workflow.
    """

    kind = TaskKind.ACTIVITY

    def __init__(
        self,
        name: object,
        version: object,
        heartbeat: float | None = None,
        schedule_to_close: float | None = None,
        schedule_to_start: float | None = None,
        start_to_close: float | None = None,
        task_list: str | None = None,
        retry: int = 3,
        delay: float = 0,
        error_handling: bool = False,
        *,
        retry_policy: RetryPolicy | None = None,
        priority: int | None = None,
    ) -> None:
        super().__init__(
            name,
            version,
            heartbeat=heartbeat,
            schedule_to_close=schedule_to_close,
            schedule_to_start=schedule_to_start,
            start_to_close=start_to_close,
            task_list=task_list,
            retry=retry,
            delay=delay,
            error_handling=error_handling,
            retry_policy=retry_policy,
            priority=priority,
        )

    @classmethod
    def to(cls, activity: type[Runs[R]], **overrides: Any) -> ActivityProxy[R]:
        """A proxy for a decorated activity class; editors then know what `.result()` returns."""
        registered = registration_of(activity)
        return cls(registered.name, registered.version, **overrides)


class WorkflowProxy(TaskProxy[R]):
    """Stands for a workflow type whose executions are started as children; see ActivityProxy."""

    kind = TaskKind.CHILD

    def __init__(
        self,
        name: object,
        version: object,
        decision_duration: float | None = None,
        workflow_duration: float | None = None,
        task_list: str | None = None,
        retry: int = 3,
        delay: float = 0,
        error_handling: bool = False,
        *,
        retry_policy: RetryPolicy | None = None,
        priority: int | None = None,
        tags: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            name,
            version,
            decision_duration=decision_duration,
            workflow_duration=workflow_duration,
            task_list=task_list,
            retry=retry,
            delay=delay,
            error_handling=error_handling,
            retry_policy=retry_policy,
            priority=priority,
            tags=tags,
        )

    @classmethod
    def to(cls, workflow: type[Runs[R]], **overrides: Any) -> WorkflowProxy[R]:
        """A proxy for a decorated workflow class; editors then know what `.result()` returns."""
        registered = registration_of(workflow)
        return cls(registered.name, registered.version, **overrides)

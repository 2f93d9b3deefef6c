"""Workflow: what authors subclass. `run` may start from the top in any decision, with a new object.

Everything here asks `self.scheduler`, which answers the same in every replay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from flowyd.sdk.failures import RestartRequested
from flowyd.sdk.placeholder import ResultObject
from flowyd.sdk.scheduling import ExecutionInfo, Scheduler
from flowyd.sdk.serialize import decode_arguments, encode_arguments, encode_value
from flowyd.sdk.settings import convert

T = TypeVar("T")

#: A history this long is a reason to restart; the service ends an execution at 25,000 events.
LONG_HISTORY_EVENTS = 10_000

_NO_OVERLAY: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Restart:
    """Returned from `run`: continue as a new run with these arguments."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    #: Durations, task list, priority and tags of the new run where they differ from this one's.
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """Returned from `run`: complete at once; what still runs is not waited for."""

    value: Any


def restart(*arguments: Any, **keywords: Any) -> Restart:
    """To be returned from `run`: end this run and continue as a new one with these arguments."""
    return Restart(arguments, keywords)


def finish(value: Any = None) -> Finish:
    """To be returned from `run`: complete with this value now, and leave what still runs to itself."""
    return Finish(value)


class Workflow:
    """Subclass it, hold proxies as class attributes and write `run(self, …)`, a plain or an async method.

    `run` must be deterministic: conditions only on its arguments and on results; time, chance and the
    outside world only through the methods here. Attributes set on self are gone in the next replay.
    """

    def __init__(self, scheduler: Scheduler | None = None) -> None:
        self._scheduler = scheduler
        self._overlays: tuple[Mapping[str, Any], ...] = ()

    run: Callable[..., Any]

    @property
    def scheduler(self) -> Scheduler:
        """Whoever runs this object.

        Raises:
            AttributeError: nobody does.
        """
        if self._scheduler is None:
            raise AttributeError(f"nobody runs this {type(self).__name__}; flowyd makes the objects it runs")
        return self._scheduler

    @property
    def overlay(self) -> Mapping[str, Any]:
        """What the options() blocks around this point say; inner ones beat outer ones."""
        return self._overlays[-1] if self._overlays else _NO_OVERLAY

    @contextmanager
    def options(self, **overrides: Any) -> Iterator[None]:
        """Inside the block, calls are asked for with these settings instead of the proxy's.

        Raises:
            TypeError: an unknown setting.
        """
        self._overlays += ({**self.overlay, **convert(overrides)},)
        try:
            yield
        finally:
            self._overlays = self._overlays[:-1]

    def restart(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Ends this run here and continues as a new one; what still runs is waited for first.

        Inside options() with workflow_duration, decision_duration, task_list, priority or tags the new run
        has these; otherwise it has what this run has.
        """
        raise RestartRequested(arguments, keywords, self.overlay)

    def restart_if_long(self, *arguments: Any, **keywords: Any) -> None:
        """Restarts with these arguments if the history has grown to 10,000 events; else does nothing."""
        if self.history_length >= LONG_HISTORY_EVENTS:
            self.restart(*arguments, **keywords)

    def timer(self, seconds: float) -> ResultObject[None]:
        """A durable timer, whole seconds rounded up. One nobody waits for does not hold up completion."""
        return self.scheduler.timer(seconds)

    def sleep(self, seconds: float) -> ResultObject[None]:
        """Goes on after so many seconds; `await self.sleep(…)` does the same."""
        timer = self.timer(seconds)
        timer.result()
        return timer

    def signal(self, name: str) -> ResultObject[Any]:
        """The next signal of this name, in the order they came; kept until it is asked for."""
        return self.scheduler.signal(name)

    def send_signal(
        self, workflow_id: str, name: str, value: Any = None, *, run_id: str | None = None
    ) -> ResultObject[None]:
        """Signals another execution. The result is an Error (TaskRefused) if there is none open."""
        return self.scheduler.send_signal(workflow_id, name, value, run_id)

    def request_cancel(self, workflow_id: str, *, run_id: str | None = None) -> ResultObject[None]:
        """Asks another execution to cancel. The result is an Error (TaskRefused) if there is none open."""
        return self.scheduler.request_cancel(workflow_id, run_id)

    def side_effect(self, function: Callable[..., T], *arguments: Any, **keywords: Any) -> T:
        """What the function returned when the code first got here; recorded as a marker."""
        value: T = self.scheduler.side_effect(lambda: function(*arguments, **keywords))
        return value

    def changed(self, change_id: str) -> bool:
        """Guards a change of code: True for new executions and wherever an open one had not come yet."""
        return self.scheduler.changed(change_id)

    def now(self) -> datetime:
        """The time, UTC: the beginning of the decision in which the code first got here."""
        return self.scheduler.now()

    def random(self) -> float:
        """A number in [0, 1), the same in every replay."""
        return self.scheduler.random()

    def uuid4(self) -> UUID:
        """A random UUID, the same in every replay."""
        return self.scheduler.uuid4()

    @property
    def execution(self) -> ExecutionInfo:
        """Workflow id, run id and tags."""
        return self.scheduler.execution

    @property
    def history_length(self) -> int:
        """Events of the history when the code first got here."""
        return self.scheduler.history_length

    @property
    def replaying(self) -> bool:
        """Whether the code has been here in an earlier decision. For logging only, never for decisions."""
        return self.scheduler.replaying

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that speaks once per line of code reached, not once per replay."""
        return _OnceLogger(self)

    #: Transport hooks: replace them in a subclass; the other side must match.
    _deserialize_arguments = staticmethod(decode_arguments)
    _serialize_result = staticmethod(encode_value)
    _serialize_restart_arguments = staticmethod(encode_arguments)


class _OnceLogger(logging.LoggerAdapter):  # type: ignore[type-arg]  # not subscriptable at run time in 3.10
    """Drops what is said while replaying; adds which execution speaks."""

    def __init__(self, workflow: Workflow) -> None:
        execution = workflow.execution
        names = {"workflow_id": execution.workflow_id, "run_id": execution.run_id}
        super().__init__(logging.getLogger(type(workflow).__module__), names)
        self._workflow = workflow

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # logging's name
        return not self._workflow.replaying and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, {**kwargs, "extra": {**(self.extra or {}), **(kwargs.get("extra") or {})}}

"""A workflow as plain Python: no engine, no history; each call runs its activity and is finished at once.

Good for the logic of a workflow. What it cannot show: anything about order, time and replay.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

from flowyd.errors import FlowydError, ProgramError
from flowyd.sdk.coroutines import drive
from flowyd.sdk.failures import RestartRequested, TaskError
from flowyd.sdk.nested import Findings, fill
from flowyd.sdk.placeholder import Error, Result, ResultObject
from flowyd.sdk.registry import WorkflowRegistration
from flowyd.sdk.scheduling import Callee, ExecutionInfo, TaskKind
from flowyd.sdk.serialize import decode_value, encode_value
from flowyd.sdk.tracebacks import describe, read_details
from flowyd.sdk.workflow import Finish, Restart
from flowyd.testing.catalogue import Catalogue, workflow_of
from flowyd.testing.running import run_activity

#: Restarts of one workflow after which the test is told that it does not end.
_RESTARTS = 1_000


class WorkflowFailed(FlowydError):
    """Raised when a task failed whose errors the workflow does not handle; the cause is its TaskError."""


class _Stopped(BaseException):
    """Ends the run at the call that failed, whatever the code catches."""

    def __init__(self, error: TaskError) -> None:
        super().__init__(error)
        self.error = error


def run_workflow(
    workflow: Any,
    *arguments: Any,
    activities: Iterable[Any] = (),
    signals: Mapping[str, Sequence[Any]] | None = None,
    **keywords: Any,
) -> Any:
    """What the workflow returns for these arguments.

    Args:
        workflow: a decorated workflow class.
        activities: modules, classes or functions of the activities and child workflows it calls.
        signals: by name, the values of the signals it gets.

    Raises:
        WorkflowFailed: a task failed and its errors are not handled.
        ProgramError: it calls or waits for something the test does not have.
    """
    registration = workflow_of(workflow)
    catalogue = Catalogue([*activities])
    scheduler = PlainScheduler(catalogue, signals or {})
    for _ in range(_RESTARTS):
        end = _run_once(registration, scheduler, arguments, keywords)
        if not isinstance(end, Restart):
            return end
        arguments, keywords = tuple(decode_value(encode_value(list(end.arguments)))), end.keywords
    raise ProgramError(f"{registration.name} restarted {_RESTARTS} times")


def _run_once(
    registration: WorkflowRegistration,
    scheduler: PlainScheduler,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
) -> Any:
    instance = registration.factory(scheduler=scheduler)
    try:
        value = drive(instance.run(*arguments, **keywords))
    except _Stopped as stopped:
        raise WorkflowFailed(str(stopped.error)) from stopped.error
    except RestartRequested as restart:
        return Restart(restart.arguments, restart.keywords)
    if isinstance(value, Restart):
        return Restart(_settled(value.arguments), _settled(value.keywords))
    return _settled(value.value if isinstance(value, Finish) else value)


def _settled(value: Any) -> Any:
    findings = Findings()
    filled = fill(value, findings)
    if findings.errors:
        error = findings.errors[0].exception
        raise WorkflowFailed(str(error)) from error
    return filled


class PlainScheduler:
    """Answers a workflow on the spot (flowyd.sdk.scheduling.Scheduler, and Watcher of its results)."""

    replaying = False
    history_length = 0

    def __init__(self, catalogue: Catalogue, signals: Mapping[str, Sequence[Any]]) -> None:
        self._catalogue = catalogue
        self._signals = {name: deque(values) for name, values in signals.items()}
        self._order = 0
        self._now = datetime.now(timezone.utc)
        self.execution = ExecutionInfo(workflow_id="plain", run_id=uuid.uuid4().hex)

    def learn(self, order: int) -> None:
        """Nothing to note: everything is known from the start."""

    def suspend(self, waiting_for: Sequence[ResultObject[Any]], *, together: bool = False) -> NoReturn:
        """Everything is finished, so only what never comes can be waited for."""
        del together
        raise ProgramError(f"the workflow waits for {waiting_for[0].call}, which this test does not have")

    def follow(self, unfinished: ResultObject[Any], again: Callable[[], ResultObject[Any]] | None) -> None:
        """Nothing is ever unfinished."""

    def cancel(self, target: ResultObject[Any]) -> None:
        """Too late: everything is finished."""

    def task(self, callee: Callee, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> ResultObject[Any]:
        """Runs the activity or child workflow."""
        findings = Findings()
        arguments, keywords = fill(arguments, findings), fill(keywords, findings)
        shown = f"{callee.attribute} ({callee.type_name} {callee.type_version})"
        if findings.errors:
            error = findings.errors[0].exception
            if len(findings.errors) > 1:
                error = TaskError("\n".join(one.reason for one in findings.errors))
            return self._failed(callee, shown, error)
        text = callee.serialize(*arguments, **keywords)
        failures = 0
        while True:
            try:
                result = self._run(callee, text)
            except TaskError as error:
                failures += 1
                policy = callee.settings.retry_policy
                if policy is not None and policy.tries_again(failures, error.error_type):
                    continue
                return self._failed(callee, shown, error)
            self._order += 1
            return Result(callee.deserialize(result), call=shown, order=self._order, watcher=self)

    def _run(self, callee: Callee, text: str) -> str:
        if callee.kind is TaskKind.ACTIVITY:
            return run_activity(self._catalogue.activity(callee.type_name, callee.type_version), text)
        registration = self._catalogue.workflow(callee.type_name, callee.type_version)
        instance = registration.factory(scheduler=None)
        arguments, keywords = instance._deserialize_arguments(text)
        child = PlainScheduler(self._catalogue, self._signals)
        try:
            value: Any = Restart(tuple(arguments), keywords)
            while isinstance(value, Restart):
                value = _run_once(registration, child, value.arguments, value.keywords)
        except Exception as error:
            failure = describe(error)
            remote = read_details(failure.details)
            raise TaskError(failure.reason, details=failure.details, error_type=remote.error_type) from error
        return instance._serialize_result(value)

    def _failed(self, callee: Callee, shown: str, error: TaskError) -> ResultObject[Any]:
        if not callee.settings.error_handling:
            raise _Stopped(error)
        self._order += 1
        return Error(error, call=shown, order=self._order, watcher=self)

    def timer(self, seconds: float) -> ResultObject[None]:
        """Time passes at once."""
        self._now += timedelta(seconds=seconds)
        self._order += 1
        return Result(None, call=f"timer ({seconds} s)", order=self._order, watcher=self)

    def signal(self, name: str) -> ResultObject[Any]:
        """The next signal the test has.

        Raises:
            ProgramError: there is none left.
        """
        if not self._signals.get(name):
            raise ProgramError(f"the workflow waits for a signal {name!r}, which this test does not send")
        self._order += 1
        value = decode_value(encode_value(self._signals[name].popleft()))
        return Result(value, call=f"signal {name}", order=self._order, watcher=self)

    def send_signal(self, workflow_id: str, name: str, value: Any, run_id: str | None) -> ResultObject[None]:  # noqa: ARG002  # the protocol's signature
        """Delivered to nobody."""
        return Result(None, call=f"signal to {workflow_id}", watcher=self)

    def request_cancel(self, workflow_id: str, run_id: str | None) -> ResultObject[None]:  # noqa: ARG002  # the protocol's signature
        """Delivered to nobody."""
        return Result(None, call=f"cancel request to {workflow_id}", watcher=self)

    def side_effect(self, produce: Callable[[], Any]) -> Any:
        """What it returns now."""
        return decode_value(encode_value(produce()))

    def changed(self, change_id: str) -> bool:  # noqa: ARG002  # the protocol's signature
        """A plain run is always new."""
        return True

    def now(self) -> datetime:
        """The time at the start of the run, and what timers have added to it."""
        return self._now

    def random(self) -> float:
        """A number in [0, 1)."""
        return random.random()

    def uuid4(self) -> uuid.UUID:
        """A random UUID."""
        return uuid.uuid4()

"""decide: one run of the author's code over a history, from the top, and what comes of it.

The run ends in one of the ways listed in `_run`. Code that fails is an answer (Failed); code that does not
fit the history, and any exception of flowyd's own, is Broken and never an answer. A run that returned still
waits for every task it started: its value is worked out again when they are done.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NoReturn
from uuid import UUID

from flowyd.decider import decisions as wire
from flowyd.decider.asking import OPEN_TASKS, Requests
from flowyd.decider.caller import Caller, TaskFailed
from flowyd.decider.canceling import carry_out
from flowyd.decider.determinism import Divergence
from flowyd.decider.index import HistoryIndex
from flowyd.decider.markers import Markers
from flowyd.decider.outcomes import (
    Broken,
    Canceled,
    Completed,
    Decision,
    Failed,
    Outcome,
    Restarted,
    Suspended,
)
from flowyd.decider.progress import Progress, Target
from flowyd.decider.sources import raising_line
from flowyd.decider.waits import Waits
from flowyd.errors import FlowydError
from flowyd.sdk.chance import fraction, uuid4
from flowyd.sdk.failures import CancelRequested, RestartRequested, SuspendTask, TaskError
from flowyd.sdk.nested import Findings, fill
from flowyd.sdk.placeholder import Error, ResultObject
from flowyd.sdk.registry import WorkflowRegistration
from flowyd.sdk.scheduling import Callee, ExecutionInfo
from flowyd.sdk.serialize import checked_length
from flowyd.sdk.tracebacks import Failure, describe, reason_of
from flowyd.sdk.workflow import LONG_HISTORY_EVENTS, Finish, Restart, Workflow
from flowyd.swf.limits import DATA_CHARACTERS


class OurFault(BaseException):
    """Raised through the author's code when flowyd itself fails in it: never the author's answer."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


#: The run being replayed, for log filters.
current_run: ContextVar[Replay | None] = ContextVar("flowyd_run", default=None)

#: Decisions that may stand in one list with a closing one (swf: close decisions).
_COMPATIBLE = frozenset(
    {"RecordMarker", "SignalExternalWorkflowExecution", "RequestCancelExternalWorkflowExecution"}
)


class Replay:
    """Answers everything one workflow object asks (flowyd.sdk.scheduling.Scheduler)."""

    def __init__(self, index: HistoryIndex, *, open_limit: int) -> None:
        self.index = index
        self.progress = Progress(index)
        self.requests = Requests(index, self.progress, open_limit=open_limit)
        self._caller = Caller(index, self.progress, self.requests)
        self._waits = Waits(index, self.progress, self.requests)
        self._markers = Markers(index, self.progress, self.requests)
        self._draws = 0

    @property
    def execution(self) -> ExecutionInfo:
        """Which execution this is."""
        tags = self.index.start.attributes.get("tagList") or () if self.index.start else ()
        return ExecutionInfo(workflow_id=self.index.workflow_id, run_id=self.index.run_id, tags=tuple(tags))

    @property
    def replaying(self) -> bool:
        """Whether the code stands where it stood in an earlier decision already."""
        return self.progress.replaying

    @property
    def history_length(self) -> int:
        """Events of the history when the code first got here."""
        return self.progress.decision

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Around every answer: ends code that goes on after its end; tells our faults from the author's."""
        self.progress.check_running()
        try:
            yield
        except (Divergence, Exception) as error:
            self._refuse(error)

    def _refuse(self, error: Divergence | Exception) -> NoReturn:
        if isinstance(error, FlowydError):
            raise error
        self.progress.end(error if isinstance(error, Divergence) else OurFault(error))

    def task(self, callee: Callee, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> ResultObject[Any]:
        """The result object of the next call of this attribute."""
        # As _answering does, but without the cost of a context manager per known call.
        self.progress.check_running()
        try:
            return self._caller.call(callee, arguments, keywords)
        except (Divergence, Exception) as error:
            self._refuse(error)

    def timer(self, seconds: float) -> ResultObject[None]:
        """The result object of a durable timer."""
        with self._answering():
            return self._waits.timer(seconds)

    def signal(self, name: str) -> ResultObject[Any]:
        """The result object of the next signal of this name."""
        with self._answering():
            return self._waits.signal(name)

    def send_signal(self, workflow_id: str, name: str, value: Any, run_id: str | None) -> ResultObject[None]:
        """Signals another execution."""
        with self._answering():
            return self._waits.send_signal(workflow_id, name, value, run_id)

    def request_cancel(self, workflow_id: str, run_id: str | None) -> ResultObject[None]:
        """Asks another execution to cancel."""
        with self._answering():
            return self._waits.request_cancel(workflow_id, run_id)

    def side_effect(self, produce: Callable[[], Any]) -> Any:
        """What `produce` returned when the code first got here."""
        self.progress.check_running()
        return self._markers.side_effect(produce)

    def changed(self, change_id: str) -> bool:
        """False where this execution went on with the code as it was before the change."""
        with self._answering():
            return self._markers.changed(change_id)

    def now(self) -> datetime:
        """When the decision began in which the code first got here, UTC."""
        return datetime.fromtimestamp(self.index.time_of(self.progress.decision), tz=timezone.utc)

    def _seed(self) -> str:
        self._draws += 1
        return f"{self.index.run_id} {self._draws}"

    def random(self) -> float:
        """The next number of this run, in [0, 1)."""
        return fraction(self._seed())

    def uuid4(self) -> UUID:
        """The next UUID of this run."""
        return uuid4(self._seed())


@dataclass(frozen=True, slots=True)
class _Returned:
    value: Any


#: How a run ended: the value it returned, or what it was left by.
_End = _Returned | BaseException


def decide(
    registration: WorkflowRegistration, index: HistoryIndex, *, open_limit: int = OPEN_TASKS
) -> Outcome:
    """What the workflow does next, given its history up to a DecisionTaskStarted event.

    Never raises but for KeyboardInterrupt; the index is only read.
    """
    try:
        return _decide(registration, index, open_limit)
    except Divergence as divergence:
        return _diverged(registration, index, divergence)
    except Exception as error:
        return _our_fault(error)


def _decide(registration: WorkflowRegistration, index: HistoryIndex, open_limit: int) -> Outcome:
    if index.start is None:
        return Broken(reason="the history does not begin with WorkflowExecutionStarted")
    replay = Replay(index, open_limit=open_limit)
    token = current_run.set(replay)
    try:
        workflow = registration.factory(scheduler=replay)
        end = _run(workflow, index.start.input)
        return _conclude(workflow, replay, end)
    finally:
        current_run.reset(token)


def _run(workflow: Workflow, input_text: str | None) -> _End:
    """Runs the code; a coroutine is driven by hand, as everything it may await is answered at once."""
    try:
        arguments, keywords = workflow._deserialize_arguments(input_text or "[[], {}]")
        value = workflow.run(*arguments, **keywords)
        if hasattr(value, "send") and hasattr(value, "__await__"):
            value = _drive(value)
        return _Returned(value)
    except (KeyboardInterrupt, Divergence):
        raise
    except BaseException as error:
        return error


def _drive(coroutine: Any) -> Any:
    try:
        awaited = coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise TypeError(
        f"run awaited a {type(awaited).__name__}; only result objects of flowyd can be awaited in a workflow"
    )


def _conclude(workflow: Workflow, replay: Replay, left_by: _End) -> Outcome:
    warnings = _warnings(workflow, replay, left_by)
    end = replay.progress.ending or left_by
    if isinstance(end, SuspendTask):
        return _suspend(replay, warnings)
    if isinstance(end, Divergence):
        raise end
    if isinstance(end, OurFault):
        return _our_fault(end.error)
    if isinstance(end, TaskFailed):
        return _fail_by_task(end.error, warnings)
    if isinstance(end, CancelRequested):
        return _cancel(replay, replay.progress.cancel_wishes, warnings)
    if isinstance(end, RestartRequested):
        return _restart(workflow, replay, Restart(end.arguments, end.keywords, end.settings), warnings)
    if isinstance(end, BaseException):
        _check_failure_is_new(replay, end)
        return _fail_by_task(end, warnings) if isinstance(end, TaskError) else _fail(describe(end), warnings)
    return _return(workflow, replay, end.value, warnings)


def _warnings(workflow: Workflow, replay: Replay, end: _End) -> tuple[str, ...]:
    found = []
    if isinstance(replay.progress.ending, SuspendTask) and not isinstance(end, SuspendTask):
        found.append(
            f"{type(workflow).__name__}.run went on after it was suspended: some `except` caught SuspendTask;"
            " catch Exception, not BaseException, and write no bare except"
        )
    if replay.index.length >= LONG_HISTORY_EVENTS:
        found.append(
            f"the history has {replay.index.length} events; the service ends an execution at 25,000:"
            " restart() in time"
        )
    return tuple(found)


def _suspend(replay: Replay, warnings: tuple[str, ...], context: str | None = None) -> Outcome:
    carry_out(replay.progress.cancel_wishes, replay.index, replay.requests)
    replay.requests.check_nothing_forgotten()
    waiting = replay.progress.waiting if context is None else context
    return Suspended(
        decisions=replay.requests.decisions, execution_context=waiting[:DATA_CHARACTERS], warnings=warnings
    )


def _wait_for_rest(replay: Replay, warnings: tuple[str, ...]) -> Outcome:
    """The run returned but something is open; a cancel request then needs no more waiting."""
    if replay.progress.cancel_precedes(None):
        return _cancel(replay, [*replay.progress.cancel_wishes, *replay.progress.asked_for], warnings)
    context = json.dumps({"waits_for": [], "returned": True, "open": replay.requests.outstanding})
    return _suspend(replay, warnings, context)


def _cancel(replay: Replay, wishes: list[Target], warnings: tuple[str, ...]) -> Outcome:
    carry_out(wishes, replay.index, replay.requests)
    return Canceled(decisions=[*_compatible(replay), wire.cancel_execution()], warnings=warnings)


def _return(workflow: Workflow, replay: Replay, value: Any, warnings: tuple[str, ...]) -> Outcome:
    if isinstance(value, Restart):
        return _restart(workflow, replay, value, warnings)
    at_once = isinstance(value, Finish)
    try:
        findings = Findings()
        filled = fill(value.value if isinstance(value, Finish) else value, findings)
        if findings.errors:
            return _fail_by_task(_earliest(findings.errors).exception, warnings)
        if findings.unfinished or (replay.requests.outstanding and not at_once):
            return _wait_for_rest(replay, warnings)
        name = f"the result of {type(workflow).__name__}"
        text = checked_length(workflow._serialize_result(filled), name)
    except Exception as error:
        return _fail(describe(error), warnings)
    carry_out(replay.progress.cancel_wishes, replay.index, replay.requests)
    replay.requests.check_nothing_forgotten()
    return Completed(
        decisions=[*_compatible(replay), wire.complete_execution(text)], result=text, warnings=warnings
    )


def _earliest(errors: list[Error[Any]]) -> Error[Any]:
    return min(errors, key=lambda error: error.order or 0)


def _restart(workflow: Workflow, replay: Replay, restart: Restart, warnings: tuple[str, ...]) -> Outcome:
    findings = Findings()
    arguments = fill(restart.arguments, findings)
    keywords = fill(restart.keywords, findings)
    if findings.errors:
        return _fail_by_task(_earliest(findings.errors).exception, warnings)
    if findings.unfinished or replay.requests.outstanding:
        return _wait_for_rest(replay, warnings)
    try:
        text = checked_length(
            workflow._serialize_restart_arguments(*arguments, **keywords),
            f"the arguments to restart {type(workflow).__name__}",
        )
    except Exception as error:
        return _fail(describe(error), warnings)
    replay.requests.check_nothing_forgotten()
    started = replay.index.start.attributes if replay.index.start else {}
    close = wire.continue_as_new(started=started, overlay=restart.settings, input_text=text)
    return Restarted(decisions=[*_compatible(replay), close], input=text, warnings=warnings)


def _compatible(replay: Replay) -> list[Decision]:
    return [one for one in replay.requests.decisions if one["decisionType"] in _COMPATIBLE]


def _fail_by_task(error: TaskError, warnings: tuple[str, ...]) -> Outcome:
    failure = describe(error)
    return _fail(Failure(reason=failure.reason, details=error.details or failure.details), warnings)


def _fail(failure: Failure, warnings: tuple[str, ...]) -> Outcome:
    close = wire.fail_execution(failure.reason, failure.details)
    return Failed(decisions=[close], reason=failure.reason, details=failure.details, warnings=warnings)


def _check_failure_is_new(replay: Replay, error: BaseException) -> None:
    """An exception at a point which an earlier decision passed is a changed program, not an answer.

    Raises:
        Divergence: it is one.
    """
    progress = replay.progress
    if not progress.replaying or replay.index.close_refused_id > progress.decision:
        return
    raise Divergence(
        code_asks=f"the end of the execution by {type(error).__name__}: {reason_of(error)}",
        history_holds=f"more: the decision begun by event {progress.decision} passed this point",
        call="",
        where=raising_line(error),
    )


def _our_fault(error: Exception) -> Broken:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Broken(reason=f"flowyd failed to decide: {reason_of(error)}", traceback=text)


def _diverged(registration: WorkflowRegistration, index: HistoryIndex, divergence: Divergence) -> Broken:
    where = f" ({divergence.where})" if divergence.where else ""
    call = f" at {divergence.call}" if divergence.call else ""
    return Broken(
        reason=(
            f"{registration.name} {registration.version} does not fit the history of {index.workflow_id}"
            f"{call}{where}: {divergence}"
        ),
        code_asks=divergence.code_asks,
        history_holds=divergence.history_holds,
        call=divergence.call,
        where=divergence.where,
    )

"""decide: one run of the author's code over a history, from the top, and what comes of it.

How a run was left is concluded in `conclusion`. Code that fails is an answer (Failed); code that does not
fit the history, and any exception of flowyd's own, is Broken and never an answer. A run that returned still
waits for every task it started: its value is worked out again when they are done. A restart of a workflow
with `restart_at` begins another round here, over the same history, until that is long enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any, NoReturn
from uuid import UUID

from flowyd.decider.asking import OPEN_TASKS, Requests
from flowyd.decider.caller import Caller
from flowyd.decider.conclusion import End, NextRound, Returned, conclude, our_fault
from flowyd.decider.determinism import Divergence
from flowyd.decider.index import HistoryIndex
from flowyd.decider.markers import Markers
from flowyd.decider.outcomes import Broken, Outcome
from flowyd.decider.progress import OurFault, Progress
from flowyd.decider.waits import Waits
from flowyd.errors import FlowydError
from flowyd.sdk.chance import fraction, uuid4
from flowyd.sdk.failures import PayloadLost
from flowyd.sdk.payloads import payloads
from flowyd.sdk.placeholder import ResultObject
from flowyd.sdk.registry import WorkflowRegistration
from flowyd.sdk.scheduling import Callee, ExecutionInfo
from flowyd.sdk.workflow import Restart, Workflow

#: The run being replayed, for log filters.
current_run: ContextVar[Replay | None] = ContextVar("flowyd_run", default=None)


class Replay:
    """Answers everything one workflow object asks (flowyd.sdk.scheduling.Scheduler)."""

    def __init__(self, index: HistoryIndex, *, open_limit: int, restart_at: int | None = None) -> None:
        self.index = index
        self._restart_at = restart_at
        self._round_began_at = (0, 0)
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

    def begins_round(self, restart: Restart) -> bool:
        """Whether the restart goes on in this run, which has not come to `restart_at` events yet.

        Not if it wants other settings; nor if the round that ends here asked for nothing: it might never end.
        """
        stands_at = (len(self.progress.asked_for), self.progress.order)
        if self._restart_at is None or restart.settings or stands_at == self._round_began_at:
            return False
        self.progress.pass_by(self.requests.settled)
        self._round_began_at = (len(self.progress.asked_for), self.progress.order)
        return self.progress.decision < self._restart_at

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
    except PayloadLost as lost:
        return Broken(reason=str(lost))
    except Exception as error:
        return our_fault(error)


def _decide(registration: WorkflowRegistration, index: HistoryIndex, open_limit: int) -> Outcome:
    if index.start is None:
        return Broken(reason="the history does not begin with WorkflowExecutionStarted")
    replay = Replay(index, open_limit=open_limit, restart_at=registration.restart_at)
    token = current_run.set(replay)
    try:
        input_text = index.start.input
        while True:
            outcome = _run(registration, replay, input_text or "[[], {}]")
            if not isinstance(outcome, NextRound):
                return outcome
            input_text = outcome.input
    finally:
        current_run.reset(token)


def _run(registration: WorkflowRegistration, replay: Replay, input_text: str) -> Outcome | NextRound:
    workflow = Workflow(replay)  # for the conclusion, if the author's own cannot even be made
    try:
        workflow = registration.factory(scheduler=replay)
        end: End = Returned(_value(workflow, input_text))
    except (KeyboardInterrupt, Divergence):
        raise
    except BaseException as error:
        end = error
    return conclude(workflow, replay, end)


def _value(workflow: Workflow, input_text: str) -> Any:
    """What the code returns. A coroutine is driven by hand: everything it may await is answered at once."""
    arguments, keywords = workflow._deserialize_arguments(payloads.text(input_text))
    value = workflow.run(*arguments, **keywords)
    if hasattr(value, "send") and hasattr(value, "__await__"):
        return _drive(value)
    return value


def _drive(coroutine: Any) -> Any:
    try:
        awaited = coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise TypeError(
        f"run awaited a {type(awaited).__name__}; only result objects of flowyd can be awaited in a workflow"
    )


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

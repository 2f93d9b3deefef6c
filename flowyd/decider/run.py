"""Run: the author's code over a history, and what comes of it at each decision.

The truth is a run from the top: `run` begins with the original arguments, is told of everything the history
holds, and waits where it needs more. `decide` makes such a run, once. A Run that is kept does not begin
anew at the next decision: its calls are told the news and the code goes on where it waits, on a stack of
its own (`stack`), to the same decisions. It is a cache: where it cannot be sure that it would come to the
same it begins from the top, and it may be closed at any time.

How the code was left is concluded in `conclusion`. Code that fails is an answer (Failed); code that does
not fit the history, and any exception of flowyd's own, is Broken and never an answer. Code that returned
still waits for every task it started. A restart of a workflow with `restart_at` begins another round here,
over the same history, until that is long enough.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flowyd.decider.asking import OPEN_TASKS
from flowyd.decider.caller import TaskFailed
from flowyd.decider.conclusion import End, NextRound, Returned, conclude, our_fault, went_on
from flowyd.decider.determinism import Divergence
from flowyd.decider.index import HistoryIndex
from flowyd.decider.outcomes import Broken, Outcome
from flowyd.decider.replay import Replay, current_run
from flowyd.decider.stack import Stack
from flowyd.sdk.coroutines import drive
from flowyd.sdk.failures import PayloadLost, SuspendTask
from flowyd.sdk.payloads import payloads
from flowyd.sdk.proxies import unbind
from flowyd.sdk.registry import WorkflowRegistration
from flowyd.sdk.workflow import Workflow

logger = logging.getLogger(__name__)

#: Memory of code that waits, roughly, measured on CPython 3.11: its stack, its frames, this.
_WAITING_BYTES = 12_000
#: The same of each call without an answer.
_UNANSWERED_BYTES = 1_500


def decide(
    registration: WorkflowRegistration, index: HistoryIndex, *, open_limit: int = OPEN_TASKS
) -> Outcome:
    """What the workflow does next, given its history up to a DecisionTaskStarted event: a run from the top.

    Never raises but for KeyboardInterrupt; the index is only read (and its news are taken).
    """
    run = Run(registration, index, open_limit=open_limit)
    outcome = run.decide()
    warnings = run.close()
    return replace(outcome, warnings=(*warnings, *outcome.warnings)) if warnings else outcome


class Run:
    """One execution's code. Its index is extended by others, up to the decision to be made."""

    def __init__(
        self, registration: WorkflowRegistration, index: HistoryIndex, *, open_limit: int = OPEN_TASKS
    ) -> None:
        self.index = index
        self._registration = registration
        self._open_limit = open_limit
        self._stack: Stack[End] = Stack()
        self._replay: Replay | None = None
        self._workflow: Workflow | None = None
        #: How the code ended; None: it waits.
        self._end: End | None = None
        #: The started event id of the decision that was made last.
        self._decided = 0

    @property
    def run_id(self) -> str:
        """The execution's."""
        return self.index.run_id

    @property
    def size_bytes(self) -> int:
        """Roughly the memory this takes, the index included."""
        if self._replay is None:
            return self.index.size_bytes
        return self.index.size_bytes + _WAITING_BYTES + _UNANSWERED_BYTES * len(self._replay.unanswered)

    def decide(self) -> Outcome:
        """What the workflow does next, given the index up to a DecisionTaskStarted event.

        Never raises but for KeyboardInterrupt. If the outcome is not accepted by the service, the Run must
        be closed: it takes for granted that the history has what it asked for.
        """
        replay = self._replay
        if replay is not None and self._is_next(replay):
            outcome = self._guarded(lambda: self._go_on(replay))
            if not isinstance(outcome, Broken):
                return outcome
            logger.warning(
                "%s %s of %s did not go on where it waited, and begins from the top: %s\n%s",
                *(self._registration.name, self._registration.version, self.index.workflow_id),
                *(outcome.reason, outcome.traceback),
                extra={"action": "decision", "workflow_id": self.index.workflow_id, "run_id": self.run_id},
            )
        self.close()
        return self._guarded(self._begin)

    def close(self) -> tuple[str, ...]:
        """Ends code that waits; what an author should be told of how it took that.

        The next decision begins from the top. What the code has held is freed at once.
        """
        replay, self._replay = self._replay, None
        if replay is None:
            return ()
        warnings: tuple[str, ...] = ()
        if self._stack.waits:
            replay.progress.ending = SuspendTask()
            if not isinstance(self._stack.leave(replay.progress.ending), SuspendTask):
                warnings = (went_on(self._workflow),)
        if self._workflow is not None:
            unbind(self._workflow)
        replay.close()
        self._workflow = self._end = None
        return warnings

    def _is_next(self, replay: Replay) -> bool:
        """Whether the history goes on from the run's last decision, and nothing needs a run from the top."""
        index = self.index
        return (
            replay.unanswered.can_go_on
            and not isinstance(self._end, SuspendTask)
            and bool(index.decided)
            and index.decided[-1].started_id == self._decided
            and index.close_refused_id < self._decided
            and not index.cancel_requested_id
        )

    def _guarded(self, decide: Callable[[], Outcome]) -> Outcome:
        try:
            return decide()
        except Divergence as divergence:
            return _diverged(self._registration, self.index, divergence)
        except PayloadLost as lost:
            return Broken(reason=str(lost))
        except Exception as error:
            return our_fault(error)

    def _begin(self) -> Outcome:
        start = self.index.start
        if start is None:
            return Broken(reason="the history does not begin with WorkflowExecutionStarted")
        self.index.take_news()
        replay = self._replay = Replay(
            self.index,
            wait=self._stack.wait,
            open_limit=self._open_limit,
            restart_at=self._registration.restart_at,
        )
        self._enter(replay, start.input or "[[], {}]")
        return self._conclude(replay)

    def _go_on(self, replay: Replay) -> Outcome:
        try:
            replay.renew()
        except TaskFailed:
            pass  # noted in `progress.ending`, and concludes the run wherever its code waits
        else:
            if self._end is None:
                self._end = self._stack.go_on()
        return self._conclude(replay)

    def _conclude(self, replay: Replay) -> Outcome:
        while True:
            outcome = conclude(self._workflow or Workflow(replay), replay, self._end or SuspendTask())
            if not isinstance(outcome, NextRound):
                self._decided = self.index.started_id
                return outcome
            self._enter(replay, outcome.input)

    def _enter(self, replay: Replay, input_text: str) -> None:
        """Begins the code with these arguments, up to its end or where it waits."""

        def run() -> End:
            current_run.set(replay)
            try:
                self._workflow = self._registration.factory(scheduler=replay)
                return Returned(_value(self._workflow, input_text))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                return error

        self._workflow = None
        self._end = self._stack.enter(run)


def _value(workflow: Workflow, input_text: str) -> Any:
    """What the code returns."""
    arguments, keywords = workflow._deserialize_arguments(payloads.text(input_text))
    return drive(workflow.run(*arguments, **keywords))


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

"""The decision worker: polls for decision tasks, brings the history up to date, decides, and responds.

Sticky (SWF API Reference, RespondDecisionTaskCompleted): each answer asks that the run's next decision task
comes to this worker's own task list, where it knows the history and asks only for what is new. If it does
not fetch it in time the service offers it on the pool's list again. Both lists are polled together.

What cannot be decided is not answered: the task times out and comes again, to fixed code.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import setproctitle

from flowyd.control.reports import TaskInHand
from flowyd.decider import (
    Broken,
    Canceled,
    Completed,
    Failed,
    Restarted,
    Run,
    Suspended,
)
from flowyd.errors import FlowydError
from flowyd.sdk.registry import WorkflowRegistration
from flowyd.swf.actions import DECIDE_AFTER
from flowyd.swf.client import Answer, PollingClient
from flowyd.swf.faults import UnknownResourceFault
from flowyd.swf.limits import DATA_CHARACTERS, IDENTITY_CHARACTERS
from flowyd.worker.histories import Histories
from flowyd.worker.pace import Pace
from flowyd.worker.polling import Poll, Poller
from flowyd.worker.reporting import Reporter
from flowyd.worker.rolling import Rolling, hold_back
from flowyd.worker.stopping import StopSignal
from flowyd.worker.tags import tags_of

logger = logging.getLogger(__name__)

#: How long a decision task may wait on the worker's own list before all may have it, seconds.
STICKY_S = 5
#: How long an answer waits for a service that is away; the task times out not much later.
ANSWER_WITHIN_S = 60.0
#: Added to a decision's usual limit before the worker counts as late.
LATE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """A task, the run that decided it, and what came of it."""

    task: TaskInHand
    run: Run
    outcome: Suspended | Completed | Failed | Canceled | Restarted


class DecisionWorker:
    """Serves the registered workflow types on one task list until told to stop."""

    def __init__(
        self,
        client: PollingClient,
        registrations: Mapping[tuple[str, str], WorkflowRegistration],
        *,
        domain: str,
        task_list: str,
        sticky_list: str | None,
        identity: str,
        title: str,
        reporter: Reporter,
        stop: StopSignal,
        rolling: Rolling | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """See `run`.

        Args:
            sticky_list: this worker's own task list; None: it decides from full histories only.
            now: the clock by which decisions are measured, in seconds.
        """
        shared = Poll(action="PollForDecisionTask", request=_poll_request(domain, task_list, identity))
        polls = [shared]
        # A name of its own for each poll: who polls under a name has nothing else in hand under it.
        self._own_name = f"{identity[: IDENTITY_CHARACTERS - 4]}:own"
        if sticky_list is not None and hasattr(client, "begin_poll"):
            own = {**_poll_request(domain, sticky_list, self._own_name), "startAtPreviousStartedEvent": True}
            polls.append(Poll(action="PollForDecisionTask", request=own))
        else:
            sticky_list = None
        self._poller = Poller(
            client, polls, stop=stop, reporter=reporter, title=f"{title}: polling {task_list}"
        )
        self._pace = Pace(now)
        self._histories = Histories(client, domain=domain)
        #: Answered tasks by run, until it is known whether the answer was taken.
        self._unsettled: dict[str, TaskInHand] = {}
        self._registrations = registrations
        self._task_list = task_list
        self._sticky_list = sticky_list
        self._title = title
        self._reporter = reporter
        self._stop = stop
        self._rolling = rolling

    def run(self, *, orphans: Iterable[TaskInHand] = (), most_tasks: int | None = None) -> None:
        """Decides until a stop is requested, or so many tasks were decided; first those of dead workers."""
        try:
            for task in orphans:
                self._attempt_all([task], None)
            self._poller.polls_ahead = most_tasks is None
            while most_tasks is None or self._reporter.tasks_done < most_tasks:
                if most_tasks is None:
                    self._poller.most_tasks = self._pace.tasks
                found = self._poller.next_tasks()
                if found is None:
                    return
                poll, answers = found
                self._attempt_all([task_in_hand(answer) for answer in answers], (poll, answers))
        finally:
            self._histories.close()

    def _attempt_all(self, tasks: Sequence[TaskInHand], polled: tuple[Poll, Sequence[Answer]] | None) -> None:
        """Decides tasks that came together, one after the other, and answers them together.

        What is decided does not wait long for the others, which may be slow or wait for newer code.
        """
        decided: list[_Decided] = []
        if any(task.run_id in self._unsettled for task in tasks):
            self._poller.settle()
        in_hand, first, began_at = self._in_hand(tasks), 0, self._pace.now()
        for number, task in enumerate(tasks):
            if decided and (self._pace.is_over(began_at) or self._registered(task) is None):
                self._pace.note(number - first, began_at)
                self._respond(decided, and_poll=False)
                decided, in_hand, first = [], self._in_hand(tasks[number:]), number
                began_at = self._pace.now()
            one = self._attempt(task, in_hand, polled and (polled[0], polled[1][number]))
            if one is not None:
                decided.append(one)
        self._pace.note(len(tasks) - first, began_at)
        if decided:
            self._respond(decided, and_poll=True)

    def _registered(self, task: TaskInHand) -> WorkflowRegistration | None:
        return self._registrations.get((task.type_name, task.type_version))

    def _attempt(
        self, task: TaskInHand, in_hand: Sequence[TaskInHand], polled: tuple[Poll, Answer] | None
    ) -> _Decided | None:
        """Decides one of the tasks in hand; nothing that goes wrong with it ends the worker.

        Returns:
            what to answer; None: nothing.
        """
        registration = self._registered(task)
        usual = registration.decision_duration if registration else None
        limit_s = None if usual is None else usual + LATE_S
        self._reporter.running(task, limit_s=limit_s, together=in_hand if len(in_hand) > 1 else ())
        setproctitle.setproctitle(f"{self._title}: deciding {task.type_name} {task.workflow_id}")
        decided = None
        try:
            if registration is None:
                hold_back(task, self._rolling, self._stop)
                logger.error(
                    "no workflow %s %s is served on %s; its decision task is left to time out: %s",
                    task.type_name,
                    task.type_version,
                    self._task_list,
                    task.workflow_id,
                    extra=tags_of(task),
                )
            else:
                decided = self._decide(registration, task, polled)
        except FlowydError as error:
            _log_left(task, error)
        except Exception:
            logger.exception("deciding %s of %s broke", task.type_name, task.workflow_id, extra=tags_of(task))
        if decided is None:
            self._histories.drop(task.run_id)
            self._reporter.finished(failed=True)
        return decided

    def _decide(
        self, registration: WorkflowRegistration, task: TaskInHand, polled: tuple[Poll, Answer] | None
    ) -> _Decided | None:
        if polled is None:
            execution = {"workflowId": task.workflow_id, "runId": task.run_id}
            run = Run(registration, self._histories.read(execution, until=task.started_event_id))
        else:
            poll, answer = polled
            run = self._histories.run_for(registration, answer, (poll.action, poll.request))
        decided = None
        try:
            outcome = run.decide()
            for warning in outcome.warnings:
                logger.warning("%s of %s: %s", task.type_name, task.workflow_id, warning, extra=tags_of(task))
            if isinstance(outcome, Broken):
                _log_broken(outcome, task)
            else:
                decided = _Decided(task=task, run=run, outcome=outcome)
        finally:
            if decided is None:
                run.close()  # it may never have been kept
        return decided

    def _respond(self, decided: Sequence[_Decided], *, and_poll: bool) -> None:
        """Answers what was decided; `and_poll`: nothing else is in hand."""
        self._unsettled |= {each.task.run_id: each.task for each in decided}
        self._poller.answer_all(
            "RespondDecisionTaskCompleted",
            [self._answer_of(each) for each in decided],
            within_s=ANSWER_WITHIN_S,
            settled=partial(self._settle_all, decided),
            and_poll=and_poll,
        )

    def _in_hand(self, tasks: Sequence[TaskInHand]) -> tuple[TaskInHand, ...]:
        """These and those before of whose answers it is not known yet whether they were taken."""
        return (*self._unsettled.values(), *tasks)

    def _settle_all(self, decided: Sequence[_Decided], refusals: Sequence[FlowydError | None]) -> None:
        for each, refusal in zip(decided, refusals, strict=True):
            del self._unsettled[each.task.run_id]
            self._settle(each, refusal)

    def _answer_of(self, decided: _Decided) -> dict[str, Any]:
        outcome = decided.outcome
        request: dict[str, Any] = {"taskToken": decided.task.task_token, "decisions": outcome.decisions}
        if outcome.execution_context:
            request["executionContext"] = outcome.execution_context[:DATA_CHARACTERS]
        request.update(self._next_list())
        if isinstance(outcome, Suspended) and outcome.decide_after and self._is_sticky:
            request[DECIDE_AFTER] = {**outcome.decide_after.wire, "identity": self._own_name}
        return request

    def _settle(self, decided: _Decided, refusal: FlowydError | None) -> None:
        """Keeps or forgets the run, by what became of the answer."""
        task, outcome = decided.task, decided.outcome
        if refusal is None and isinstance(outcome, Suspended):
            self._histories.keep(decided.run)
        else:
            self._histories.drop(task.run_id)
            decided.run.close()  # it may never have been kept
        if isinstance(refusal, UnknownResourceFault):
            logger.info("the decision came too late: %s", refusal, extra=tags_of(task))
        elif refusal is not None:
            _log_left(task, refusal)
        elif isinstance(outcome, Failed):
            logger.info(
                "%s %s failed: %s", task.type_name, task.workflow_id, outcome.reason, extra=tags_of(task)
            )
        self._reporter.finished(failed=refusal is not None)

    @property
    def _is_sticky(self) -> bool:
        return self._sticky_list is not None and not self._stop.requested

    def _next_list(self) -> dict[str, Any]:
        """Where the run's next decision task shall come: here, or to everybody once this worker stops."""
        if self._sticky_list is None:
            return {}
        if not self._is_sticky:
            return {"taskList": {"name": self._task_list}}
        return {
            "taskList": {"name": self._sticky_list},
            "taskListScheduleToStartTimeout": str(STICKY_S),
        }


def _poll_request(domain: str, task_list: str, identity: str) -> dict[str, Any]:
    return {"domain": domain, "taskList": {"name": task_list}, "identity": identity}


def _log_left(task: TaskInHand, error: FlowydError) -> None:
    logger.error(
        "%s of %s is left to time out: %s", task.type_name, task.workflow_id, error, extra=tags_of(task)
    )


def _log_broken(outcome: Broken, task: TaskInHand) -> None:
    sides = ""
    if outcome.code_asks or outcome.history_holds:
        sides = f"\n  the code asks for: {outcome.code_asks}\n  the history holds: {outcome.history_holds}"
    place = f" at {outcome.call} ({outcome.where})" if outcome.call or outcome.where else ""
    logger.error(
        "%s of %s cannot go on%s and is left to time out: %s%s%s",
        task.type_name,
        task.workflow_id,
        place,
        outcome.reason,
        sides,
        f"\n{outcome.traceback}" if outcome.traceback else "",
        extra=tags_of(task),
    )


def task_in_hand(answer: Mapping[str, Any]) -> TaskInHand:
    """The polled decision task as it is reported."""
    execution, kind = answer["workflowExecution"], answer["workflowType"]
    return TaskInHand(
        kind="decision",
        task_token=answer["taskToken"],
        type_name=kind["name"],
        type_version=kind["version"],
        workflow_id=execution["workflowId"],
        run_id=execution["runId"],
        started_event_id=answer["startedEventId"],
        previous_started_event_id=answer.get("previousStartedEventId", 0),
    )

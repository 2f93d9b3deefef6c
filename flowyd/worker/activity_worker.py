"""The activity worker: one task after the other is polled for, run and answered, all in one thread.

Where they are done in a moment, several are polled for at once; each is still answered before the next.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import setproctitle

from flowyd.control.quarantine import key_of
from flowyd.control.reports import TaskInHand
from flowyd.errors import FlowydError
from flowyd.sdk.activity import Activity
from flowyd.sdk.registry import ActivityRegistration
from flowyd.swf.client import Answer, PollingClient, Request
from flowyd.worker.answers import SentAhead
from flowyd.worker.pace import Pace
from flowyd.worker.polling import Poll, Poller
from flowyd.worker.quarantined import QuarantineKeys
from flowyd.worker.released import polled_again
from flowyd.worker.reporting import Reporter
from flowyd.worker.rolling import Rolling, hold_back
from flowyd.worker.stopping import StopSignal
from flowyd.worker.tags import tags_of
from flowyd.worker.task_answers import ANSWER_WITHIN_S, TaskAnswers

logger = logging.getLogger(__name__)

#: Added to a task's usual limit before the worker counts as late: the service times it out first.
LATE_S = 5.0


class ActivityWorker:
    """Serves the registered activity types on one task list until told to stop."""

    def __init__(
        self,
        client: PollingClient,
        registrations: Mapping[tuple[str, str], ActivityRegistration],
        *,
        domain: str,
        task_list: str,
        identity: str,
        title: str,
        why_not: Mapping[str, str],
        reporter: Reporter,
        stop: StopSignal,
        quarantine: QuarantineKeys | None = None,
        rolling: Rolling | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """See `run`.

        Args:
            why_not: what modules are broken or refused, for the reason of tasks that nobody can run.
            now: the clock of leases and of the pace: CLOCK_MONOTONIC, in seconds.
        """
        request = {"domain": domain, "taskList": {"name": task_list}, "identity": identity}
        poll = Poll(action="PollForActivityTask", request=request)
        self._poller = Poller(
            client, [poll], stop=stop, reporter=reporter, title=f"{title}: polling {task_list}"
        )
        self._answers = TaskAnswers(client, reporter)
        self._answers.send = self._send
        self._now = now
        self._pace = Pace(now)
        #: Of tasks that came together: how many were begun that the pace does not know of, when the first
        #: was, and those behind the one that was begun last.
        self._begun, self._began_at = 0, 0.0
        self._rest: Sequence[TaskInHand] = ()
        self._client = client
        self._domain = domain
        self._quarantine = quarantine or QuarantineKeys(None)
        self._registrations = registrations
        self._task_list = task_list
        self._title = title
        self._why_not = why_not
        self._reporter = reporter
        self._stop = stop
        self._rolling = rolling

    def run(self, *, released: Iterable[TaskInHand] = (), most_tasks: int | None = None) -> None:
        """Runs tasks until a stop is requested, or so many were run; first those released from quarantine."""
        for task in released:
            self._run_released(task)
        self._poller.polls_ahead = most_tasks is None
        while most_tasks is None or self._reporter.tasks_done < most_tasks:
            found = self._poller.next_tasks()
            if found is None:
                return
            self._take_all(found[1])

    def _take_all(self, answers: Sequence[Answer]) -> None:
        """Runs tasks that came together, one after the other, as long as they may be begun."""
        tasks = tuple(task_in_hand(answer) for answer in answers)
        self._began_at = self._now()
        for number, (task, answer) in enumerate(zip(tasks, answers, strict=True)):
            if number and not self._may_begin(task, number):
                break
            self._begun, self._rest = number + 1, tasks[number + 1 :]
            if self._quarantine.is_held(task):
                self._reporter.held(task)
            else:
                self._run_task(task, answer, tasks)
        rest, self._rest = self._rest, ()
        if rest and self._poller.ahead is not None:
            # A worker that does not get to its tasks in time must not ask for as many again.
            self._began_at = min(self._began_at, self._poller.ahead.handed_out_at)
        self._keep_pace()
        # Results first: what was not begun can be given back by anybody.
        self._poller.end_ahead(within_s=ANSWER_WITHIN_S)
        self._poller.give_back(rest, why="not begun: its worker was held up", within_s=ANSWER_WITHIN_S)

    def _may_begin(self, task: TaskInHand, number: int) -> bool:
        """Whether the task may be begun behind so many others."""
        ahead = self._poller.ahead
        # What is not served may be held back for long.
        is_served = (task.type_name, task.type_version) in self._registrations
        may = not self._stop.requested and ahead is not None and ahead.may_begin(number, self._now())
        return may and is_served

    def _send(self, action: str, request: Request, *, within_s: float) -> None:
        """Answers a task: ahead where more follow, else with the next poll."""
        self._reporter.hand.note_answer(action, request)
        ahead = self._poller.ahead
        if self._rest and ahead is not None:
            refused = partial(self._answers.refused, action, request)
            ahead.send(SentAhead(action=action, request=request, refused=refused))
            return
        if not self._rest:
            self._keep_pace()
        self._poller.answer(action, request, within_s=within_s)

    def _keep_pace(self) -> None:
        """Asks for as many tasks with the next poll as those begun since the last one say."""
        if self._begun and self._poller.polls_ahead:
            self._pace.note(self._begun, self._began_at)
            self._poller.most_tasks = self._pace.tasks if self._reporter.hand.is_kept else 1
        self._begun = 0

    def _run_released(self, task: TaskInHand) -> None:
        self._quarantine.look()
        self._reporter.running(task, limit_s=None)
        try:
            answer = polled_again(self._client, self._domain, task)
        except FlowydError as error:
            logger.error("%s of %s: %s", task.type_name, task.workflow_id, error, extra=tags_of(task))
            self._answers.fail(task.task_token, f"released from quarantine, but not run: {error}", None)
            return
        if answer is None:
            logger.info(
                "%s of %s was closed meanwhile", task.type_name, task.workflow_id, extra=tags_of(task)
            )
            return
        self._run_task(task, answer)

    def _run_task(self, task: TaskInHand, answer: Answer, together: Sequence[TaskInHand] = ()) -> None:
        """Runs a task; `together`: all that came with it, if it was polled."""
        registration = self._registrations.get((task.type_name, task.type_version))
        usual = registration.start_to_close if registration else None
        self._reporter.running(
            task,
            limit_s=None if usual is None else usual + LATE_S,
            together=together if len(together) > 1 else (),
            came_with=self._poller.came_with if len(together) > 1 else "",
        )
        self._answers.answered = ""
        setproctitle.setproctitle(f"{self._title}: {task.type_name} {task.activity_id} of {task.workflow_id}")
        quarantined = self._quarantine.why_failed(task)
        if quarantined is not None:
            self._answers.fail(task.task_token, quarantined, None)
        elif registration is None:
            hold_back(task, self._rolling, self._stop)
            refuse(task, self._answers, task_list=self._task_list, why_not=self._why_not)
        else:
            self._perform(registration, task, answer.get("input"))
        self._reporter.finished(failed=self._answers.answered == "failed")

    def _perform(self, registration: ActivityRegistration, task: TaskInHand, text: str | None) -> None:
        token = task.task_token
        try:
            activity = registration.factory(input=text, scheduler=self._answers, token=token)
            if type(activity).is_async():
                _run_async(activity)
            else:
                activity()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # What passes the activity's own answer: SystemExit, and bugs outside of `run`.
            logger.exception("%s of %s broke", task.type_name, task.workflow_id, extra=tags_of(task))
            if not self._answers.answered:
                self._answers.fail(token, f"{type(error).__name__}: {error}", None)


def refuse(task: TaskInHand, answers: TaskAnswers, *, task_list: str, why_not: Mapping[str, str]) -> None:
    """No module serves the type: the execution learns it at once instead of by a timeout."""
    reason = f"no activity {task.type_name} {task.type_version} is served on task list {task_list}"
    details = "\n\n".join(f"{path}: {why}" for path, why in why_not.items())
    logger.error("%s; %s of %s fails", reason, task.activity_id, task.workflow_id, extra=tags_of(task))
    answers.fail(task.task_token, reason, details or None)


def _run_async(activity: Activity) -> None:
    import asyncio  # 60 ms, only for activities that need it

    asyncio.run(activity.run_async())


def task_in_hand(answer: Mapping[str, Any]) -> TaskInHand:
    """The polled activity task as it is reported."""
    execution, kind = answer["workflowExecution"], answer["activityType"]
    return TaskInHand(
        kind="activity",
        task_token=answer["taskToken"],
        type_name=kind["name"],
        type_version=kind["version"],
        workflow_id=execution["workflowId"],
        run_id=execution["runId"],
        activity_id=answer["activityId"],
        started_event_id=answer["startedEventId"],
        quarantine_key=key_of(
            workflow_id=execution["workflowId"],
            type_name=kind["name"],
            type_version=kind["version"],
            input_text=answer.get("input"),
        ),
    )

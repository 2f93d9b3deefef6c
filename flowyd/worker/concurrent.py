"""The activity worker for pools with `concurrency`: several async activities at once, on one event loop.

One poll is out as long as a task more may be taken. Everything the loop does itself is short: calls to the
service are blocking but local or quick. An activity that is not async holds up the others while it runs.
Each task has its limit: past it the worker asks whether the task is still open, and cancels the coroutine of
one that is not. What it reports as its deadline lies behind the earliest limit, so only a loop that stands
still is ever late.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

import setproctitle

from flowyd.control.reports import TaskInHand
from flowyd.errors import FlowydError
from flowyd.sdk.registry import ActivityRegistration
from flowyd.swf.client import Answer, PollingClient, Request
from flowyd.swf.limits import POLL_READ_TIMEOUT_S
from flowyd.worker.activity_worker import LATE_S, refuse, task_in_hand
from flowyd.worker.calling import Pauses
from flowyd.worker.errand import task_is_open
from flowyd.worker.polls_under_way import Pending
from flowyd.worker.quarantined import QuarantineKeys
from flowyd.worker.released import polled_again
from flowyd.worker.reporting import Reporter
from flowyd.worker.rolling import LOOK_AGAIN_S, Rolling, must_wait
from flowyd.worker.stopping import HandedOn, StopSignal
from flowyd.worker.tags import tags_of
from flowyd.worker.task_answers import TaskAnswers

logger = logging.getLogger(__name__)

_POLL = "PollForActivityTask"
#: A task that is open past its usual limit is asked about again after this, seconds.
_OPEN_AGAIN_S = 60.0
#: Reported beyond the earliest limit: what the loop gets to act on the limit itself, seconds.
_LOOP_LATE_S = 15.0


class ConcurrentClient(PollingClient, Protocol):
    """A client whose polls can be waited for beside other things."""

    def new_poll_id(self) -> str: ...

    def begin_poll(self, action: str, request: Request, poll_id: str | None = None) -> Pending: ...


class _Running:
    """One task under way."""

    def __init__(self, task: TaskInHand, limit_s: float | None) -> None:
        self.task = task
        self.began_at = time.monotonic()
        self.limit_at = None if limit_s is None else self.began_at + limit_s
        self.coroutine: asyncio.Task[None] | None = None


class ConcurrentWorker:
    """Serves the registered activity types on one task list, several tasks at a time."""

    def __init__(
        self,
        client: ConcurrentClient,
        registrations: Mapping[tuple[str, str], ActivityRegistration],
        *,
        domain: str,
        task_list: str,
        identity: str,
        title: str,
        why_not: Mapping[str, str],
        reporter: Reporter,
        stop: StopSignal,
        quarantine: QuarantineKeys,
        concurrency: int,
        rolling: Rolling,
    ) -> None:
        """`why_not`: what modules are broken or refused, for the reason of tasks that nobody can run."""
        self._client = client
        self._registrations = registrations
        self._domain = domain
        self._task_list = task_list
        self._request = {"domain": domain, "taskList": {"name": task_list}, "identity": identity}
        self._title = title
        self._why_not = why_not
        self._reporter = reporter
        self._stop = stop
        self._quarantine = quarantine
        self._concurrency = concurrency
        self._rolling = rolling
        self._running: dict[str, _Running] = {}
        #: Open tasks of types that only a successor may know.
        self._handed_on: list[TaskInHand] = []
        self._changed = asyncio.Event()

    def run(self, *, released: Iterable[TaskInHand] = ()) -> None:
        """Runs tasks until a stop is requested and those in hand have ended.

        Raises:
            HandedOn: but for some, which stay open for a successor.
        """
        self._name_those_that_hold_up()
        asyncio.run(self._serve(released))
        if self._handed_on:
            raise HandedOn

    async def _serve(self, released: Iterable[TaskInHand]) -> None:
        asyncio.get_running_loop().add_reader(self._stop.fileno(), self._stop_came)
        self._say()
        for task in released:
            self._begin_released(task)
        pauses = Pauses()
        while not self._stop.requested:
            if len(self._running) >= self._concurrency:
                await self._something()
                continue
            try:
                answer = await self._polled()
            except FlowydError as error:
                pause = pauses.next_s()
                logger.warning("polling again in %.1f s: %s", pause, error, extra={"action": "poll"})
                await self._something(pause)
                continue
            pauses.reset()
            if answer is not None and answer.get("taskToken"):
                self._take(answer)
        while self._running:
            await self._something()

    def _stop_came(self) -> None:
        # What was written stays in the pipe; one look at it is enough.
        asyncio.get_running_loop().remove_reader(self._stop.fileno())
        self._changed.set()

    async def _something(self, limit_s: float | None = None) -> None:
        """Waits until a task ends, a limit passes, a stop is requested, or so long."""
        limits = [entry.limit_at for entry in self._running.values() if entry.limit_at is not None]
        patience = [at - time.monotonic() for at in limits] + ([] if limit_s is None else [limit_s])
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), max(0.0, min(patience)) if patience else None)
        self._changed.clear()
        self._look_at_limits()

    async def _polled(self) -> Answer | None:
        """One poll, to its end; taken back when a stop is requested."""
        self._say()
        poll_id = self._reporter.hand.begin_poll(
            _POLL, self._task_list, self._client.new_poll_id, [entry.task for entry in self._running.values()]
        )
        pending = self._client.begin_poll(_POLL, self._request, poll_id)
        given_up_at = time.monotonic() + POLL_READ_TIMEOUT_S
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def arrive() -> None:
            arrived.set()
            self._changed.set()

        loop.add_reader(pending.fileno(), arrive)
        try:
            while not arrived.is_set() and not self._stop.requested and time.monotonic() < given_up_at:
                await self._something(given_up_at - time.monotonic())
            if not arrived.is_set():
                pending.withdraw()
                await arrived.wait()
        finally:
            loop.remove_reader(pending.fileno())
        answer = pending.finish()
        if pending.was_read:
            self._reporter.hand.answered(_POLL, self._task_list)
        return answer

    # Tasks.

    def _take(self, answer: Answer) -> None:
        task = task_in_hand(answer)
        if self._quarantine.is_held(task):
            self._reporter.held(task)
            self._say()
            return
        self._begin(task, answer)

    def _begin_released(self, task: TaskInHand) -> None:
        self._quarantine.look()
        try:
            answer = polled_again(self._client, self._domain, task)
        except FlowydError as error:
            logger.error("%s of %s: %s", task.type_name, task.workflow_id, error, extra=tags_of(task))
            TaskAnswers(self._client, self._reporter).fail(
                task.task_token, f"released from quarantine, but not run: {error}", None
            )
            return
        if answer is not None:
            self._begin(task, answer)

    def _begin(self, task: TaskInHand, answer: Answer) -> None:
        registration = self._registrations.get((task.type_name, task.type_version))
        usual = registration.start_to_close if registration else None
        entry = _Running(task, None if usual is None else usual + LATE_S)
        self._running[task.task_token] = entry
        self._say()
        entry.coroutine = asyncio.get_running_loop().create_task(
            self._perform(registration, task, answer.get("input"))
        )

    async def _perform(
        self, registration: ActivityRegistration | None, task: TaskInHand, text: str | None
    ) -> None:
        answers = TaskAnswers(self._client, self._reporter)
        quarantined = self._quarantine.why_failed(task)
        try:
            if quarantined is not None:
                answers.fail(task.task_token, quarantined, None)
            elif registration is None:
                await self._hold_back(task)
                refuse(task, answers, task_list=self._task_list, why_not=self._why_not)
            else:
                activity = registration.factory(input=text, scheduler=answers, token=task.task_token)
                if type(activity).is_async():
                    await activity.run_async()
                else:
                    activity()
        except HandedOn:
            self._handed_on.append(task)
        except asyncio.CancelledError:
            logger.warning(
                "%s of %s is closed and was given up", task.type_name, task.workflow_id, extra=tags_of(task)
            )
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # What passes the activity's own answer: SystemExit, and bugs outside of `run`.
            logger.exception("%s of %s broke", task.type_name, task.workflow_id, extra=tags_of(task))
            if not answers.answered:
                answers.fail(task.task_token, f"{type(error).__name__}: {error}", None)
        finally:
            del self._running[task.task_token]
            if task not in self._handed_on:
                self._reporter.finished(failed=answers.answered == "failed")
            self._changed.set()
            self._say()

    async def _hold_back(self, task: TaskInHand) -> None:
        """As `rolling.hold_back`, while other tasks go on."""
        if must_wait(task, self._rolling):
            while self._rolling.under_way and not self._stop.requested:
                await asyncio.sleep(LOOK_AGAIN_S)
        if self._stop.requested:
            raise HandedOn

    def _look_at_limits(self) -> None:
        """Cancels what runs on although its task is closed."""
        now = time.monotonic()
        for entry in list(self._running.values()):
            if entry.limit_at is None or now < entry.limit_at:
                continue
            entry.limit_at = now + _OPEN_AGAIN_S
            try:
                is_open = task_is_open(self._client, self._domain, entry.task)
            except FlowydError as error:
                logger.warning("nobody says whether %s is open: %s", entry.task.activity_id, error)
                continue
            if not is_open and entry.coroutine is not None:
                entry.coroutine.cancel()
            self._say()

    def _say(self) -> None:
        """Reports the tasks in hand, or that it polls."""
        entries = list(self._running.values())
        limits = [entry.limit_at for entry in entries if entry.limit_at is not None]
        until = min(limits) + _LOOP_LATE_S if limits else None
        tasks = [*(entry.task for entry in entries), *self._handed_on]
        self._reporter.in_hand(tasks, until=until)
        doing = f"{len(entries)} of {self._concurrency} tasks" if entries else f"polling {self._task_list}"
        setproctitle.setproctitle(f"{self._title}: {doing}")

    def _name_those_that_hold_up(self) -> None:
        plain = [
            name
            for (name, _), registration in self._registrations.items()
            if not getattr(registration.factory, "is_async", bool)()
        ]
        if plain:
            logger.warning(
                "not async, so they hold up the other tasks of their worker: %s",
                ", ".join(sorted(plain)),
                extra={"action": "loading"},
            )

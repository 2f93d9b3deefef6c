"""LocalEngine: flowyd's own engine in the test's process, on a clock that skips the waiting.

Engine, decider and activities are those of the daemon; only processes and sockets are missing. All happens
in the calling thread, one task after another: decisions first, then activities, then time.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from flowyd.config.records import Durability
from flowyd.decider import Broken, HistoryIndex, Outcome, Suspended, decide
from flowyd.engine.clock import ManualClock
from flowyd.engine.opening import open_service
from flowyd.engine.run_ids import seeded_run_ids
from flowyd.engine.service import Service
from flowyd.engine.settings import ServiceSettings
from flowyd.errors import FlowydError, ProgramError
from flowyd.sdk.failures import TaskError
from flowyd.sdk.payloads import payloads
from flowyd.sdk.registry import ActivityRegistration
from flowyd.sdk.serialize import decode_value, encode_arguments, encode_value
from flowyd.sdk.tracebacks import describe, read_details
from flowyd.swf.actions import DECIDE_AFTER
from flowyd.swf.faults import UnknownResourceFault
from flowyd.testing.catalogue import Catalogue, workflow_of
from flowyd.testing.client import DirectClient
from flowyd.testing.faults import Fault, Raises, WorkerDies
from flowyd.testing.histories import HistoryMismatch
from flowyd.testing.running import Recorder, perform
from flowyd.testing.types import register_activity, register_workflow

DOMAIN = "test"

#: Where the clock of a test stands at first: 2026-01-01, UTC.
START_AT = 1_767_225_600.0

_NEXT_DEADLINE = "SELECT min(next_deadline_at) FROM execution"

#: Nothing of SWF lasts longer than a year; after this much skipped time a test waits for what never comes.
_PATIENCE_S = 2 * 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class DecisionTask:
    """A decision task in hand."""

    token: str
    index: HistoryIndex
    #: The events that came with it: the whole history up to its start.
    events: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ActivityTask:
    """An activity task in hand."""

    token: str
    activity_id: str
    registration: ActivityRegistration
    input_text: str


class LocalEngine:
    """The engine, a decision worker and an activity worker, driven by the test; a context manager.

    `sources` are modules, or decorated classes and functions.
    """

    def __init__(self, sources: Iterable[Any], *, seed: int = 0) -> None:
        """`seed` decides the run ids, and with them all chance inside workflows."""
        self.catalogue = Catalogue(sources)
        self.clock = ManualClock(START_AT)
        self._seed = seed
        self._folder = tempfile.TemporaryDirectory(prefix="flowyd-test-")
        self._database = Path(self._folder.name) / "engine.db"
        self._indexes: dict[str, HistoryIndex] = {}
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._decision_lists = sorted({w.task_list for w in self.catalogue.workflows.values()})
        self._activity_lists = sorted({a.task_list for a in self.catalogue.activities.values()})
        self._service: Service
        #: Any call of SWF's, in the domain `test`.
        self.client: DirectClient

    def __enter__(self) -> LocalEngine:
        self._service = open_service(
            database=self._database,
            clock=self.clock,
            durability=Durability.NORMAL,
            settings=ServiceSettings(run_ids=seeded_run_ids(self._seed)),
        )
        self.client = DirectClient(self._service)
        self.client.call("RegisterDomain", {"name": DOMAIN, "workflowExecutionRetentionPeriodInDays": "90"})
        for activity in self.catalogue.activities.values():
            register_activity(self.client, DOMAIN, activity)
        for workflow in self.catalogue.workflows.values():
            register_workflow(self.client, DOMAIN, workflow)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._service.close()
        self._folder.cleanup()

    def start(self, workflow: Any, *arguments: Any, **keywords: Any) -> Execution:
        """Starts an execution; nothing of it runs before `settle`, `skip` or `Execution.result`."""
        registration = workflow_of(workflow)
        workflow_id = f"{registration.name}-{len(self.open_executions()) + int(self.clock.now())}"
        number = 0
        while any(e["execution"]["workflowId"] == f"{workflow_id}-{number}" for e in self.open_executions()):
            number += 1
        started = self.client.call(
            "StartWorkflowExecution",
            {
                "domain": DOMAIN,
                "workflowId": f"{workflow_id}-{number}",
                "workflowType": {"name": registration.name, "version": registration.version},
                "input": encode_arguments(*arguments, **keywords),
            },
        )
        return Execution(self, f"{workflow_id}-{number}", started["runId"])

    def run(self, workflow: Any, *arguments: Any, **keywords: Any) -> Any:
        """Starts an execution, skips time until it closes, and returns its result; see Execution.result."""
        return self.start(workflow, *arguments, **keywords).result()

    def inject(self, activity: str, *faults: Fault) -> None:
        """The next tasks of the activity type of that name meet these faults, one each."""
        self._faults[activity].extend(faults)

    def settle(self) -> None:
        """Works off everything that can be done without time passing."""
        while self.decide_next() or self.perform_next():
            pass

    def skip(self, seconds: float) -> None:
        """Lets time pass, and works off whatever comes due on the way, in order."""
        end = self.clock.now() + seconds
        self.settle()
        while (due := self._next_deadline_at()) is not None and due <= end:
            self._go_on_at(due)
        self._go_on_at(end)

    def skip_to_next(self) -> None:
        """Works off everything, and lets time pass to the next moment at which something comes due.

        Raises:
            ProgramError: nothing will.
        """
        self.settle()
        due = self._next_deadline_at()
        if due is None:
            raise ProgramError("nothing is left to happen, however long one waits")
        self._go_on_at(due)

    def _next_deadline_at(self) -> float | None:
        """When the next timer or timeout of an open execution may be due; None if there is none.

        Read from the database: the service itself looks no further than a few minutes ahead.
        """
        self._service.checkpoint()
        with closing(sqlite3.connect(self._database)) as connection:
            (due,) = connection.execute(_NEXT_DEADLINE).fetchone()
        if due is None or due > self.clock.now():
            return cast("float | None", due)
        return self._service.next_wake_at()

    def _go_on_at(self, moment: float) -> None:
        self.clock.advance(max(moment - self.clock.now(), 0.0))
        self._service.turn([])
        self.settle()

    def open_executions(self) -> list[dict[str, Any]]:
        """executionInfo of every open execution."""
        request = {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
        return self.client.pages("ListOpenWorkflowExecutions", request, "executionInfos")

    def decide_next(self) -> bool:
        """Decides one decision task if one waits.

        Raises:
            HistoryMismatch: code and history do not fit (or flowyd has a bug).
        """
        task = self.take_decision()
        if task is None:
            return False
        self.answer_decision(task, self.decide(task))
        return True

    def take_decision(self) -> DecisionTask | None:
        """Polls for a decision task; its index is the kept one, extended."""
        for name in self._decision_lists:
            request = {"domain": DOMAIN, "taskList": {"name": name}}
            answer = self.client.poll("PollForDecisionTask", request)
            if answer is None:
                continue
            events = list(answer["events"])
            page = answer
            while page.get("nextPageToken"):
                page = self.client.call(
                    "PollForDecisionTask", {**request, "nextPageToken": page["nextPageToken"]}
                )
                events += page["events"]
            execution = answer["workflowExecution"]
            index = self._indexes.get(execution["runId"]) or HistoryIndex(
                workflow_id=execution["workflowId"], run_id=execution["runId"]
            )
            index.extend(events)
            self._indexes[execution["runId"]] = index
            return DecisionTask(answer["taskToken"], index, events)
        return None

    def decide(self, task: DecisionTask) -> Outcome:
        """The outcome of the task's workflow."""
        start = task.index.start
        if start is None:
            raise ProgramError("a history without a start")
        return decide(self.catalogue.workflow(start.type_name, start.type_version), task.index)

    def answer_decision(self, task: DecisionTask, outcome: Outcome) -> None:
        """RespondDecisionTaskCompleted.

        Raises:
            HistoryMismatch: the outcome is Broken.
        """
        if isinstance(outcome, Broken):
            raise HistoryMismatch(f"{outcome.reason}\n{outcome.traceback}".rstrip())
        request: dict[str, Any] = {
            "taskToken": task.token,
            "decisions": outcome.decisions,
            "executionContext": outcome.execution_context,
        }
        if isinstance(outcome, Suspended) and outcome.decide_after:
            request[DECIDE_AFTER] = outcome.decide_after.wire
        self.client.call("RespondDecisionTaskCompleted", request)

    def perform_next(self) -> bool:
        """Performs one activity task if one waits."""
        task = self.take_activity()
        if task is None:
            return False
        self.answer_activity(task)
        return True

    def take_activity(self) -> ActivityTask | None:
        """Polls for an activity task."""
        for name in self._activity_lists:
            request = {"domain": DOMAIN, "taskList": {"name": name}}
            answer = self.client.poll("PollForActivityTask", request)
            if answer is not None:
                activity_type = answer["activityType"]
                registration = self.catalogue.activity(activity_type["name"], activity_type["version"])
                text = answer.get("input", "[[], {}]")
                return ActivityTask(answer["taskToken"], answer["activityId"], registration, text)
        return None

    def answer_activity(self, task: ActivityTask) -> None:
        """Does the work, or what was injected instead, and answers."""
        faults = self._faults[task.registration.name]
        fault = faults.popleft() if faults else None
        if isinstance(fault, WorkerDies):
            return
        recorder = Recorder()
        if isinstance(fault, Raises):
            failure = describe(fault.exception)
            recorder.fail(task.token, failure.reason, failure.details)
        else:
            perform(task.registration, task.input_text, recorder, task.token)
        if fault is None or isinstance(fault, Raises):
            self._answer(task.token, recorder)

    def _answer(self, token: str, recorder: Recorder) -> None:
        if recorder.answer is None:
            return
        kind, first, details = recorder.answer
        given = {} if details is None else {"details": details}
        try:
            if kind == "complete":
                self.client.call("RespondActivityTaskCompleted", {"taskToken": token, "result": first})
            elif kind == "fail":
                self.client.call("RespondActivityTaskFailed", {"taskToken": token, "reason": first, **given})
            else:
                self.client.call("RespondActivityTaskCanceled", {"taskToken": token, **given})
        except UnknownResourceFault:
            return  # the task timed out or its execution has ended, as in real life

    def complete(self, token: str, value: Any) -> None:
        """Finishes a task that its activity left open (SuspendTask)."""
        self.client.call("RespondActivityTaskCompleted", {"taskToken": token, "result": encode_value(value)})


class ExecutionFailed(FlowydError):
    """Raised when an execution closed in another way than COMPLETED."""

    def __init__(self, close_status: str, reason: str, error: TaskError | None) -> None:
        super().__init__(f"{close_status}: {reason}" if reason else close_status)
        #: FAILED, CANCELED, TERMINATED or TIMED_OUT.
        self.close_status = close_status
        self.reason = reason
        #: What its details say of the exception, if it failed.
        self.error = error


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution on a LocalEngine."""

    engine: LocalEngine
    workflow_id: str
    run_id: str

    @property
    def _names(self) -> dict[str, Any]:
        return {"domain": DOMAIN, "workflowId": self.workflow_id}

    def signal(self, name: str, value: Any = None) -> None:
        """Signals it."""
        request = {**self._names, "signalName": name, "input": encode_value(value)}
        self.engine.client.call("SignalWorkflowExecution", request)

    def request_cancel(self) -> None:
        """Asks it to cancel."""
        self.engine.client.call("RequestCancelWorkflowExecution", self._names)

    def terminate(self) -> None:
        """Ends it at once."""
        self.engine.client.call("TerminateWorkflowExecution", self._names)

    def history(self) -> list[dict[str, Any]]:
        """All its events."""
        execution = {"workflowId": self.workflow_id, "runId": self.run_id}
        request = {"domain": DOMAIN, "execution": execution}
        return self.engine.client.pages("GetWorkflowExecutionHistory", request, "events")

    def result(self) -> Any:
        """Its result, after skipping whatever time it takes; of its last run if it restarted.

        Raises:
            ExecutionFailed: it closed in another way than COMPLETED.
            ProgramError: it does not close in all of a year.
            HistoryMismatch: its code does not fit its history.
        """
        patience_ends = self.engine.clock.now() + _PATIENCE_S
        self.engine.settle()
        while (last := self.history()[-1])["eventType"] not in _CLOSES:
            if self.engine.clock.now() > patience_ends:
                raise ProgramError(f"{self.workflow_id} does not close")
            self.engine.skip_to_next()
        return _CLOSES[last["eventType"]](self, _attributes(last))


def _attributes(event: dict[str, Any]) -> dict[str, Any]:
    event_type = event["eventType"]
    attributes: dict[str, Any] = event[f"{event_type[0].lower()}{event_type[1:]}EventAttributes"]
    return attributes


def _completed(_: Execution, attributes: dict[str, Any]) -> Any:
    return decode_value(payloads.text(attributes.get("result", "null")))


def _continued(execution: Execution, attributes: dict[str, Any]) -> Any:
    return Execution(execution.engine, execution.workflow_id, attributes["newExecutionRunId"]).result()


def _failed(_: Execution, attributes: dict[str, Any]) -> Any:
    reason, details = attributes.get("reason", ""), attributes.get("details")
    remote = read_details(details)
    error = TaskError(
        reason, details=details, error_type=remote.error_type, remote_traceback=remote.traceback
    )
    raise ExecutionFailed("FAILED", reason, error)


def _closed(status: str) -> Any:
    def closed(_: Execution, attributes: dict[str, Any]) -> Any:
        raise ExecutionFailed(status, attributes.get("reason", ""), None)

    return closed


#: What a closing event means for whoever waits for the result.
_CLOSES = {
    "WorkflowExecutionCompleted": _completed,
    "WorkflowExecutionContinuedAsNew": _continued,
    "WorkflowExecutionFailed": _failed,
    "WorkflowExecutionCanceled": _closed("CANCELED"),
    "WorkflowExecutionTerminated": _closed("TERMINATED"),
    "WorkflowExecutionTimedOut": _closed("TIMED_OUT"),
}

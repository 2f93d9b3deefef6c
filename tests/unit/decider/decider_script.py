"""Script: a run told step by step. Given events, when the code decides, then decisions.

The script keeps the history as the service would write it: decisions become events in their order, each
followed by nothing else; what happens outside is told by the test. Decisions are compared as short texts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flowyd.decider import Broken, HistoryIndex, Outcome, Run, Suspended, decide
from flowyd.sdk.registry import WorkflowRegistration, registration_of

RUN_ID = "run"


def registered(workflow: Any) -> WorkflowRegistration:
    found = registration_of(workflow)
    assert isinstance(found, WorkflowRegistration)
    return found


def short(decision: dict[str, Any]) -> str:
    """A decision as a few words."""
    decision_type = decision["decisionType"]
    given = decision[f"{decision_type[0].lower()}{decision_type[1:]}DecisionAttributes"]
    words = {
        "ScheduleActivityTask": lambda: f"schedule {given['activityId']}",
        "StartTimer": lambda: f"timer {given['timerId']} {given['startToFireTimeout']}",
        "CancelTimer": lambda: f"cancel timer {given['timerId']}",
        "RequestCancelActivityTask": lambda: f"cancel {given['activityId']}",
        "RecordMarker": lambda: f"marker {given['markerName']}",
        "StartChildWorkflowExecution": lambda: f"child {given['workflowId']}",
        "SignalExternalWorkflowExecution": lambda: f"signal {given['workflowId']} {given['signalName']}",
        "RequestCancelExternalWorkflowExecution": lambda: f"cancel execution {given['workflowId']}",
        "CompleteWorkflowExecution": lambda: f"complete {given['result']}",
        "FailWorkflowExecution": lambda: f"fail {given['reason']}",
        "CancelWorkflowExecution": lambda: "canceled",
        "ContinueAsNewWorkflowExecution": lambda: f"restart {given['input']}",
    }
    return words[decision_type]()


def event(event_id: int, event_type: str, at: float, **attributes: Any) -> dict[str, Any]:
    member = f"{event_type[0].lower()}{event_type[1:]}EventAttributes"
    return {"eventId": event_id, "eventType": event_type, "eventTimestamp": at, member: attributes}


class Script:
    """One execution of one workflow class."""

    def __init__(self, workflow: Any, *arguments: Any, start: dict[str, Any] | None = None) -> None:
        self.registration = registered(workflow)
        self.events: list[dict[str, Any]] = []
        self.outcome: Outcome | None = None
        self.now = 1_000.0
        self._warm = HistoryIndex(workflow_id="w", run_id=RUN_ID)
        self._kept = Run(self.registration, HistoryIndex(workflow_id="w", run_id=RUN_ID))
        self._opened: dict[str, int] = {}
        self._scheduled = 0
        self.happens(
            "WorkflowExecutionStarted",
            input=json.dumps([arguments, {}]),
            workflowType={"name": self.registration.name, "version": self.registration.version},
            childPolicy="TERMINATE",
            executionStartToCloseTimeout="3600",
            taskStartToCloseTimeout="60",
            taskList={"name": "l"},
            parentInitiatedEventId=0,
            **(start or {}),
        )

    def happens(self, event_type: str, **attributes: Any) -> int:
        """Adds an event; its id."""
        event_id = len(self.events) + 1
        self.events.append(event(event_id, event_type, self.now, **attributes))
        return event_id

    def code_is_now(self, workflow: Any) -> None:
        """From here on other code decides."""
        self.registration = registered(workflow)
        self._kept = Run(self.registration, HistoryIndex(workflow_id="w", run_id=RUN_ID))

    def decides(self) -> list[str]:
        """Lets the code decide, kept, warm and cold; the decisions, which are then carried out."""
        scheduled = self.happens("DecisionTaskScheduled")
        started = self.happens("DecisionTaskStarted", scheduledEventId=scheduled)
        self._warm.extend(self.events)
        cold = HistoryIndex(workflow_id="w", run_id=RUN_ID)
        cold.extend(self.events)
        self.outcome = decide(self.registration, self._warm)
        assert decide(self.registration, cold) == self.outcome
        self._kept.index.extend(self.events)
        with not_logged("flowyd.decider.run"):
            kept = self._kept.decide()
        # That code would not let itself be suspended is seen only where it is.
        assert replace(kept, warnings=()) == replace(self.outcome, warnings=())
        if not isinstance(self.outcome, Suspended):
            self._kept.close()
        if isinstance(self.outcome, Broken):
            self.events.append(event(started + 1, "DecisionTaskTimedOut", self.now, startedEventId=started))
            return [f"broken {self.outcome.call}".rstrip()]
        completed = self.happens("DecisionTaskCompleted", scheduledEventId=scheduled, startedEventId=started)
        for decision in self.outcome.decisions:
            self._carry_out(decision, completed)
        return [short(decision) for decision in self.outcome.decisions]

    def _carry_out(self, decision: dict[str, Any], completed: int) -> None:
        decision_type = decision["decisionType"]
        given = decision[f"{decision_type[0].lower()}{decision_type[1:]}DecisionAttributes"]
        event_type = {
            "ScheduleActivityTask": "ActivityTaskScheduled",
            "StartTimer": "TimerStarted",
            "RecordMarker": "MarkerRecorded",
            "RequestCancelActivityTask": "ActivityTaskCancelRequested",
            "CompleteWorkflowExecution": "WorkflowExecutionCompleted",
            "FailWorkflowExecution": "WorkflowExecutionFailed",
            "CancelWorkflowExecution": "WorkflowExecutionCanceled",
            "ContinueAsNewWorkflowExecution": "WorkflowExecutionContinuedAsNew",
        }.get(decision_type, f"{decision_type}Initiated")
        if decision_type == "CancelTimer":
            started = self._opened[given["timerId"]]
            self.happens("TimerCanceled", timerId=given["timerId"], startedEventId=started, **_by(completed))
            return
        event_id = self.happens(event_type, **given, **_by(completed))
        for member in ("activityId", "timerId", "workflowId"):
            if member in given and not decision_type.startswith(("RequestCancel", "Signal")):
                self._opened[given[member]] = event_id

    def completes(self, task_id: str, value: Any = None) -> None:
        """An activity, or a child, has a result."""
        self._ends(task_id, "Completed", result=json.dumps(value))

    def fails(self, task_id: str, reason: str = "broken", details: str | None = None) -> None:
        """An activity, or a child, fails."""
        self._ends(task_id, "Failed", reason=reason, **({} if details is None else {"details": details}))

    def times_out(self, task_id: str, kind: str = "START_TO_CLOSE") -> None:
        """An activity, or a child, runs out of time."""
        self._ends(task_id, "TimedOut", timeoutType=kind)

    def is_canceled(self, task_id: str) -> None:
        """An activity, or a child, says that it was canceled."""
        self._ends(task_id, "Canceled")

    def is_terminated(self, task_id: str) -> None:
        """A child is terminated."""
        self._ends(task_id, "Terminated")

    def _ends(self, task_id: str, how: str, **attributes: Any) -> None:
        opened = self._opened[task_id]
        if self.events[opened - 1]["eventType"] == "ActivityTaskScheduled":
            self.happens(f"ActivityTask{how}", scheduledEventId=opened, startedEventId=0, **attributes)
            return
        execution = {"workflowId": task_id, "runId": "child"}
        self.happens(
            f"ChildWorkflowExecution{how}",
            initiatedEventId=opened,
            startedEventId=0,
            workflowExecution=execution,
            **attributes,
        )

    def fires(self, timer_id: str) -> None:
        """A timer is over."""
        self.happens("TimerFired", timerId=timer_id, startedEventId=self._opened[timer_id])

    def refuses(self, activity_id: str, cause: str) -> None:
        """The service did not take the last decision's activity: the event stands for it instead."""
        scheduled = self.events.pop()
        attributes = scheduled["activityTaskScheduledEventAttributes"]
        assert attributes["activityId"] == activity_id
        self.happens(
            "ScheduleActivityTaskFailed",
            activityId=activity_id,
            activityType=attributes["activityType"],
            cause=cause,
            **_by(attributes["decisionTaskCompletedEventId"]),
        )

    def signal(self, name: str, value: Any = None) -> None:
        """A signal comes."""
        self.happens(
            "WorkflowExecutionSignaled", signalName=name, input=json.dumps(value), externalInitiatedEventId=0
        )

    def cancel_is_requested(self) -> None:
        """Somebody wants the execution canceled."""
        self.happens("WorkflowExecutionCancelRequested", externalInitiatedEventId=0)

    def close_is_refused(self) -> None:
        """The closing decision met something new."""
        closing = self.events.pop()
        name = closing["eventType"].removeprefix("WorkflowExecution")
        verb = {"Completed": "Complete", "Failed": "Fail", "Canceled": "Cancel"}.get(name, "ContinueAsNew")
        self.happens(f"{verb}WorkflowExecutionFailed", cause="UNHANDLED_DECISION")


def _by(completed: int) -> dict[str, int]:
    return {"decisionTaskCompletedEventId": completed}


@contextmanager
def not_logged(name: str) -> Iterator[None]:
    """Fails if this logger says anything inside."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]  # all that a handler needs here
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert not records, records[0].getMessage()

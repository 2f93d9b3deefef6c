"""A scene: a service on a manual clock and a file, with deciders and workers that do as they are told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowyd.config.records import Durability
from flowyd.engine import requests
from flowyd.engine.calls import Answered, Call
from flowyd.engine.clock import ManualClock
from flowyd.engine.opening import open_service
from flowyd.engine.run_ids import seeded_run_ids
from flowyd.engine.service import Service
from flowyd.engine.settings import ServiceSettings
from flowyd.swf.faults import SwfFault

DOMAIN = "d"
TYPE = {"name": "t", "version": "1"}
START_AT = 1_700_000_000.0

WORKFLOW_DEFAULTS = {
    "defaultChildPolicy": "TERMINATE",
    "defaultExecutionStartToCloseTimeout": "1000",
    "defaultTaskList": {"name": "tl"},
    "defaultTaskStartToCloseTimeout": "30",
}
ACTIVITY_DEFAULTS = {
    "defaultTaskHeartbeatTimeout": "NONE",
    "defaultTaskList": {"name": "tl"},
    "defaultTaskScheduleToCloseTimeout": "NONE",
    "defaultTaskScheduleToStartTimeout": "NONE",
    "defaultTaskStartToCloseTimeout": "NONE",
}

Answer = dict[str, Any]


def decision(decision_type: str, **attributes: Any) -> dict[str, Any]:
    """A decision in wire form."""
    member = decision_type[0].lower() + decision_type[1:] + "DecisionAttributes"
    return {"decisionType": decision_type, member: attributes}


def schedule(activity_id: str, **attributes: Any) -> dict[str, Any]:
    """ScheduleActivityTask of the scene's type."""
    return decision("ScheduleActivityTask", activityId=activity_id, activityType=TYPE, **attributes)


def timer(timer_id: str, seconds: int) -> dict[str, Any]:
    """StartTimer."""
    return decision("StartTimer", timerId=timer_id, startToFireTimeout=str(seconds))


def child(workflow_id: str, **attributes: Any) -> dict[str, Any]:
    """StartChildWorkflowExecution of the scene's type."""
    return decision("StartChildWorkflowExecution", workflowId=workflow_id, workflowType=TYPE, **attributes)


COMPLETE = decision("CompleteWorkflowExecution")


class Scene:
    """One service; `reopen` closes it and opens the file again."""

    def __init__(
        self,
        database: Path,
        *,
        settings: ServiceSettings | None = None,
        retention_days: str = "7",
        durability: Durability = Durability.NORMAL,
    ) -> None:
        self.database = database
        self.durability = durability
        self.clock = ManualClock(START_AT)
        self.settings = replace(settings or ServiceSettings(), run_ids=seeded_run_ids(1))
        self.answers: dict[Call, Answer | SwfFault] = {}
        self.service = self._open()
        self.turn(
            self.make("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays=retention_days),
            self.make("RegisterWorkflowType", domain=DOMAIN, **TYPE, **WORKFLOW_DEFAULTS),
            self.make("RegisterActivityType", domain=DOMAIN, **TYPE, **ACTIVITY_DEFAULTS),
        )

    @classmethod
    def over(cls, database: Path, other: Scene) -> Scene:
        """A scene over a file that exists, with the clock and settings of another one."""
        scene = cls.__new__(cls)
        scene.database, scene.clock, scene.settings, scene.answers = database, other.clock, other.settings, {}
        scene.durability = other.durability
        scene.open_again()
        return scene

    @classmethod
    def reopened(cls, database: Path) -> Scene:
        """A scene over a file that a service left behind."""
        scene = cls.__new__(cls)
        scene.database, scene.clock, scene.settings = database, ManualClock(START_AT), ServiceSettings()
        scene.answers, scene.durability = {}, Durability.NORMAL
        scene.open_again()
        return scene

    def _open(self) -> Service:
        return open_service(
            database=self.database, clock=self.clock, durability=self.durability, settings=self.settings
        )

    def reopen(self) -> None:
        """Ends this service and starts another one over the same file."""
        self.service.close()
        self.open_again()

    def open_again(self) -> None:
        """Starts a service over the file of one that was closed."""
        self.service = self._open()

    # Calls

    @staticmethod
    def make(action: str, **request: Any) -> Call:
        """A call whose request passed the checks."""
        return Call(action=action, request=requests.check(action, request))

    def turn(self, *calls: Call) -> None:
        """One turn; answers are kept by call."""
        self.note(self.service.turn(calls))

    def note(self, answers: Sequence[Answered]) -> None:
        """Keeps answers by call."""
        for answered in answers:
            assert answered.call not in self.answers, "a call is answered once"
            result = answered.result
            self.answers[answered.call] = (
                result if isinstance(result, SwfFault) else json.loads(result) if result else {}
            )

    def begin(self, action: str, **request: Any) -> Call:
        """A call that may wait."""
        call = self.make(action, **request)
        self.turn(call)
        return call

    def answer(self, call: Call) -> Answer:
        """A call's answer; raises its fault."""
        answer = self.answers[call]
        if isinstance(answer, SwfFault):
            raise answer
        return answer

    def call(self, action: str, **request: Any) -> Answer:
        """A call that is answered at once."""
        return self.answer(self.begin(action, **request))

    def pass_time(self, seconds: float) -> None:
        """Lets time pass, with a turn whenever the service wants one."""
        ends_at = self.clock.now() + seconds
        while (at := self.service.next_wake_at()) is not None and at <= ends_at:
            self.clock.advance(max(0.0, at - self.clock.now()))
            self.turn()
        self.clock.advance(max(0.0, ends_at - self.clock.now()))

    # Deciders and workers

    def start(self, workflow_id: str = "w", **request: Any) -> dict[str, str]:
        """Starts an execution of the scene's type."""
        answer = self.call(
            "StartWorkflowExecution", domain=DOMAIN, workflowId=workflow_id, workflowType=TYPE, **request
        )
        return {"workflowId": workflow_id, "runId": answer["runId"]}

    def begin_poll(self, kind: str = "Decision", task_list: str = "tl", **request: Any) -> Call:
        """A poll that may wait; kind is Decision or Activity."""
        return self.begin(f"PollFor{kind}Task", domain=DOMAIN, taskList={"name": task_list}, **request)

    def poll(self, kind: str = "Decision", task_list: str = "tl", **request: Any) -> Answer:
        """A poll that finds a task."""
        return self.answer(self.begin_poll(kind, task_list, **request))

    def has_task(self, kind: str = "Decision", task_list: str = "tl") -> bool:
        """Whether a task waits; none is taken."""
        waiting = self.call(f"CountPending{kind}Tasks", domain=DOMAIN, taskList={"name": task_list})
        return bool(waiting["count"])

    def decide(self, *decisions: dict[str, Any], task_list: str = "tl", **request: Any) -> Answer:
        """Polls a decision task and answers it; the poll's answer."""
        task = self.poll(task_list=task_list)
        self.call(
            "RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=list(decisions), **request
        )
        return task

    def work(self, result: str = "r") -> Answer:
        """Polls an activity task and completes it; the poll's answer."""
        task = self.poll("Activity")
        self.call("RespondActivityTaskCompleted", taskToken=task["taskToken"], result=result)
        return task

    # What is there

    def history(self, execution: dict[str, str], **request: Any) -> list[dict[str, Any]]:
        """All events of a run, page by page."""
        events: list[dict[str, Any]] = []
        while True:
            page = self.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution, **request)
            events += page["events"]
            if "nextPageToken" not in page:
                return events
            request["nextPageToken"] = page["nextPageToken"]

    def types(self, execution: dict[str, str]) -> list[str]:
        """The event types of a run."""
        return [event["eventType"] for event in self.history(execution)]

    def last(self, execution: dict[str, str], event_type: str) -> dict[str, Any]:
        """The attributes of the last event of a type."""
        member = event_type[0].lower() + event_type[1:] + "EventAttributes"
        found: dict[str, Any] = [e for e in self.history(execution) if e["eventType"] == event_type][-1][
            member
        ]
        return found

    def describe(self, execution: dict[str, str]) -> Answer:
        """DescribeWorkflowExecution."""
        return self.call("DescribeWorkflowExecution", domain=DOMAIN, execution=execution)

    def open_run(self, workflow_id: str) -> dict[str, str]:
        """The open run of a workflow id."""
        infos = self.call(
            "ListOpenWorkflowExecutions",
            domain=DOMAIN,
            startTimeFilter={"oldestDate": 0},
            executionFilter={"workflowId": workflow_id},
        )["executionInfos"]
        found: dict[str, str] = infos[0]["execution"]
        return found

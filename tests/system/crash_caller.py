"""Calls an engine until it is gone, and keeps a journal of what it sent and what was acknowledged.

Usage: crash_caller.py ENDPOINT JOURNAL NAME. Starts executions, signals them, decides and works for whatever
is on the common task lists. A line of the journal is written before a request leaves ("sent") and after its
answer came ("acknowledged"); the last line may be of a request that was never answered.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TextIO

from flowyd.errors import UnreachableError
from flowyd.swf.faults import UnknownResourceFault
from flowyd.swf.lean import LeanClient

DOMAIN = "crash"
DECISIONS = {"name": "decisions"}
ACTIVITIES = {"name": "activities"}
TYPE = {"name": "crash", "version": "1"}


class Caller:
    """One caller and its journal."""

    def __init__(self, client: LeanClient, journal: TextIO) -> None:
        self._client = client
        self._journal = journal

    def start(self, workflow_id: str) -> dict[str, str]:
        """Starts an execution."""
        request = {"domain": DOMAIN, "workflowId": workflow_id, "workflowType": TYPE}
        self._note("sent", "start", workflow_id, workflow_id)
        run_id = self._client.call("StartWorkflowExecution", request)["runId"]
        self._note("acknowledged", "start", workflow_id, run_id)
        return {"workflowId": workflow_id, "runId": run_id}

    def signal(self, execution: dict[str, str], name: str) -> None:
        """Signals an execution, which may be closed."""
        request = {"domain": DOMAIN, "signalName": name, **execution}
        self._told("signal", execution, name, "SignalWorkflowExecution", request)

    def decide(self) -> None:
        """Decides the next decision task."""
        task = self._client.call("PollForDecisionTask", {"domain": DOMAIN, "taskList": DECISIONS})
        if not task.get("taskToken"):
            return
        request = {"taskToken": task["taskToken"], "decisions": decisions(task)}
        number = str(task["startedEventId"])
        execution = task["workflowExecution"]
        self._told("decision", execution, number, "RespondDecisionTaskCompleted", request)

    def work(self) -> None:
        """Completes the next activity task."""
        task = self._client.call("PollForActivityTask", {"domain": DOMAIN, "taskList": ACTIVITIES})
        if not task.get("taskToken"):
            return
        execution, number = task["workflowExecution"], str(task["startedEventId"])
        request = {"taskToken": task["taskToken"], "result": number}
        self._told("activity", execution, number, "RespondActivityTaskCompleted", request)

    def _told(
        self, what: str, execution: dict[str, str], name: str, action: str, request: dict[str, Any]
    ) -> None:
        self._note("sent", what, execution["workflowId"], name)
        try:
            self._client.call(action, request)
        except UnknownResourceFault:
            self._note("refused", what, execution["workflowId"], name)
        else:
            self._note("acknowledged", what, execution["workflowId"], name)

    def _note(self, *words: str) -> None:
        self._journal.write(json.dumps(words) + "\n")
        self._journal.flush()


def decisions(task: dict[str, Any]) -> list[dict[str, Any]]:
    """One activity, then the end; an activity that timed out is scheduled again."""
    types = [event["eventType"] for event in task["events"]]
    if "ActivityTaskCompleted" in types:
        return [{"decisionType": "CompleteWorkflowExecution"} | _attributes("completeWorkflowExecution", {})]
    if types.count("ActivityTaskScheduled") > types.count("ActivityTaskTimedOut"):
        return []
    activity = {"activityId": str(task["startedEventId"]), "activityType": TYPE}
    return [{"decisionType": "ScheduleActivityTask"} | _attributes("scheduleActivityTask", activity)]


def _attributes(decision: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {f"{decision}DecisionAttributes": attributes}


def main(endpoint: str, journal: Path, name: str) -> None:
    """Calls until nobody answers."""
    with journal.open("a") as lines:
        caller = Caller(LeanClient(endpoint), lines)
        number = 0
        try:
            while True:
                execution = caller.start(f"{name}-{number}")
                caller.signal(execution, "first")
                caller.decide()
                caller.work()
                caller.decide()
                caller.signal(execution, "second")
                number += 1
        except UnreachableError:
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])

"""One scenario that uses most of SWF, written once for every client that can make a call.

`run(call, domain)` registers, starts, polls, decides, works, signals, cancels, terminates, pages and
provokes faults, and gives back what it saw. The caller asserts on that, so that each foreign client is held
to the same picture. `lifecycle.mjs` is the same scenario for the JavaScript SDK.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: (operation, request) → answer; a refused call raises `Refused`.
Call = Callable[[str, dict[str, Any]], dict[str, Any]]

DECISIONS = {"name": "foreign-decisions"}
CHILD_DECISIONS = {"name": "foreign-child-decisions"}
TARGET_DECISIONS = {"name": "foreign-target-decisions"}
WORK = {"name": "foreign-work"}

#: What `run` must return, whoever the client is.
EXPECTED: dict[str, Any] = {
    "parent": {
        "status": "COMPLETED",
        "seen": [
            "ActivityTaskCompleted",
            "ActivityTaskScheduled",
            "ActivityTaskStarted",
            "ChildWorkflowExecutionCompleted",
            "ChildWorkflowExecutionStarted",
            "DecisionTaskCompleted",
            "DecisionTaskScheduled",
            "DecisionTaskStarted",
            "ExternalWorkflowExecutionCancelRequested",
            "ExternalWorkflowExecutionSignaled",
            "MarkerRecorded",
            "RequestCancelExternalWorkflowExecutionInitiated",
            "SignalExternalWorkflowExecutionInitiated",
            "StartChildWorkflowExecutionInitiated",
            "TimerCanceled",
            "TimerFired",
            "TimerStarted",
            "WorkflowExecutionCompleted",
            "WorkflowExecutionSignaled",
            "WorkflowExecutionStarted",
        ],
        "result": "done",
    },
    "target": {"status": "CANCELED", "signal": "from parent"},
    "terminated": {"status": "TERMINATED", "reason": "enough"},
    "pages_equal_whole": True,
    "reversed_equals_whole": True,
    "faults": {
        "duplicate start": "WorkflowExecutionAlreadyStartedFault",
        "duplicate type": "TypeAlreadyExistsFault",
        "unknown domain": "UnknownResourceFault",
        "unknown type": "UnknownResourceFault",
        "bad value": "ValidationException",
        "closed execution": "UnknownResourceFault",
    },
    "closed_count": 4,
    "heartbeat": False,
}


class Refused(Exception):
    """Raised by a `Call` when the service answers with a fault; the text is the fault's bare name."""


def run(call: Call, domain: str) -> dict[str, Any]:
    """Drives the whole scenario in one thread and returns what `EXPECTED` describes."""
    _register(call, domain)
    parent = _start(call, domain, "parent", DECISIONS, workflow_type="Parent")
    target = _start(call, domain, "target", TARGET_DECISIONS, workflow_type="Parent")
    doomed = _start(call, domain, "doomed", {"name": "nobody"}, workflow_type="Parent")

    _first_decision(call, domain)
    heartbeat = _work(call, domain)
    _decide(call, domain, CHILD_DECISIONS, [_complete("child done")])
    call(
        "SignalWorkflowExecution",
        {"domain": domain, "workflowId": "parent", "signalName": "go", "input": "1"},
    )
    _second_decision(call, domain)
    signal = _cancel_target(call, domain)
    call(
        "TerminateWorkflowExecution",
        {"domain": domain, "workflowId": "doomed", "reason": "enough", "childPolicy": "TERMINATE"},
    )
    _last_decision(call, domain)

    whole = _history(call, domain, parent)
    closing = _history(call, domain, doomed)[-1]
    return {
        "parent": {
            "status": _status(call, domain, parent),
            "seen": sorted({event["eventType"] for event in whole}),
            "result": whole[-1]["workflowExecutionCompletedEventAttributes"]["result"],
        },
        "target": {"status": _status(call, domain, target), "signal": signal},
        "terminated": {
            "status": _status(call, domain, doomed),
            "reason": closing["workflowExecutionTerminatedEventAttributes"]["reason"],
        },
        "pages_equal_whole": _history(call, domain, parent, page=3) == whole,
        "reversed_equals_whole": _history(call, domain, parent, page=4, backwards=True)[::-1] == whole,
        "faults": _faults(call, domain),
        "closed_count": call(
            "CountClosedWorkflowExecutions", {"domain": domain, "startTimeFilter": {"oldestDate": 0}}
        )["count"],
        "heartbeat": heartbeat,
    }


def _register(call: Call, domain: str) -> None:
    call("RegisterDomain", {"name": domain, "workflowExecutionRetentionPeriodInDays": "7"})
    for name in ("Parent", "Child"):
        call(
            "RegisterWorkflowType",
            {
                "domain": domain,
                "name": name,
                "version": "1",
                "defaultTaskList": DECISIONS if name == "Parent" else CHILD_DECISIONS,
                "defaultExecutionStartToCloseTimeout": "600",
                "defaultTaskStartToCloseTimeout": "30",
                "defaultChildPolicy": "TERMINATE",
            },
        )
    call(
        "RegisterActivityType",
        {
            "domain": domain,
            "name": "Work",
            "version": "1",
            "defaultTaskList": WORK,
            "defaultTaskScheduleToStartTimeout": "60",
            "defaultTaskScheduleToCloseTimeout": "120",
            "defaultTaskStartToCloseTimeout": "60",
            "defaultTaskHeartbeatTimeout": "NONE",
        },
    )


def _start(
    call: Call, domain: str, workflow_id: str, task_list: dict[str, str], *, workflow_type: str
) -> dict[str, str]:
    answer = call(
        "StartWorkflowExecution",
        {
            "domain": domain,
            "workflowId": workflow_id,
            "workflowType": {"name": workflow_type, "version": "1"},
            "taskList": task_list,
            "input": "übermäßig ☃",
            "tagList": ["foreign"],
        },
    )
    return {"workflowId": workflow_id, "runId": answer["runId"]}


def _poll(call: Call, domain: str, task_list: dict[str, str]) -> dict[str, Any]:
    """The next decision task with all its pages."""
    request = {"domain": domain, "taskList": task_list, "identity": "foreign", "maximumPageSize": 5}
    task = call("PollForDecisionTask", request)
    assert task.get("taskToken"), f"no decision task on {task_list}"
    page = task
    while page.get("nextPageToken"):
        page = call("PollForDecisionTask", {**request, "nextPageToken": page["nextPageToken"]})
        task["events"] += page["events"]
    return task


def _respond(call: Call, task: dict[str, Any], decisions: list[dict[str, Any]]) -> None:
    call("RespondDecisionTaskCompleted", {"taskToken": task["taskToken"], "decisions": decisions})


def _decide(
    call: Call, domain: str, task_list: dict[str, str], decisions: list[dict[str, Any]]
) -> dict[str, Any]:
    task = _poll(call, domain, task_list)
    _respond(call, task, decisions)
    return task


def _decide_once_seen(call: Call, domain: str, wanted: set[str], decisions: list[dict[str, Any]]) -> None:
    """Answers decision tasks with nothing until the history holds every wanted event, then decides."""
    for _ in range(10):
        task = _poll(call, domain, DECISIONS)
        if wanted <= {event["eventType"] for event in task["events"]}:
            _respond(call, task, decisions)
            return
        _respond(call, task, [])
    raise AssertionError(f"never saw all of {sorted(wanted)}")


def _first_decision(call: Call, domain: str) -> None:
    decisions = [
        _decision("RecordMarker", {"markerName": "began", "details": ""}),
        _decision("StartTimer", {"timerId": "soon", "startToFireTimeout": "0"}),
        _decision("StartTimer", {"timerId": "never", "startToFireTimeout": "500"}),
        _decision("CancelTimer", {"timerId": "never"}),
        _decision(
            "ScheduleActivityTask",
            {"activityId": "a", "activityType": {"name": "Work", "version": "1"}, "input": "7"},
        ),
        _decision(
            "StartChildWorkflowExecution",
            {"workflowId": "child", "workflowType": {"name": "Child", "version": "1"}, "input": "x"},
        ),
    ]
    _decide(call, domain, DECISIONS, decisions)


def _work(call: Call, domain: str) -> bool:
    task = call("PollForActivityTask", {"domain": domain, "taskList": WORK, "identity": "foreign"})
    assert task["input"] == "7"
    answer = call("RecordActivityTaskHeartbeat", {"taskToken": task["taskToken"], "details": "half"})
    call("RespondActivityTaskCompleted", {"taskToken": task["taskToken"], "result": "49"})
    return bool(answer["cancelRequested"])


def _second_decision(call: Call, domain: str) -> None:
    wanted = {
        "ActivityTaskCompleted",
        "ChildWorkflowExecutionCompleted",
        "TimerFired",
        "WorkflowExecutionSignaled",
    }
    decisions = [
        _decision(
            "SignalExternalWorkflowExecution",
            {"workflowId": "target", "signalName": "hello", "input": "from parent"},
        ),
        _decision("RequestCancelExternalWorkflowExecution", {"workflowId": "target"}),
    ]
    _decide_once_seen(call, domain, wanted, decisions)


def _cancel_target(call: Call, domain: str) -> str:
    task = _decide(
        call, domain, TARGET_DECISIONS, [_decision("CancelWorkflowExecution", {"details": "as asked"})]
    )
    signals = [e for e in task["events"] if e["eventType"] == "WorkflowExecutionSignaled"]
    return str(signals[0]["workflowExecutionSignaledEventAttributes"]["input"])


def _last_decision(call: Call, domain: str) -> None:
    wanted = {"ExternalWorkflowExecutionSignaled", "ExternalWorkflowExecutionCancelRequested"}
    _decide_once_seen(call, domain, wanted, [_complete("done")])


def _faults(call: Call, domain: str) -> dict[str, str]:
    start = {"domain": domain, "workflowId": "twice", "workflowType": {"name": "Parent", "version": "1"}}
    call("StartWorkflowExecution", start)
    attempts: dict[str, tuple[str, dict[str, Any]]] = {
        "duplicate start": ("StartWorkflowExecution", start),
        "duplicate type": ("RegisterWorkflowType", {"domain": domain, "name": "Parent", "version": "1"}),
        "unknown domain": ("DescribeDomain", {"name": "nowhere"}),
        "unknown type": (
            "DescribeActivityType",
            {"domain": domain, "activityType": {"name": "Work", "version": "9"}},
        ),
        "bad value": (
            "RegisterDomain",
            {"name": "longer", "workflowExecutionRetentionPeriodInDays": "123456789"},
        ),
        "closed execution": (
            "SignalWorkflowExecution",
            {"domain": domain, "workflowId": "parent", "signalName": "late"},
        ),
    }
    return {what: _fault(call, *attempt) for what, attempt in attempts.items()}


def _fault(call: Call, operation: str, request: dict[str, Any]) -> str:
    try:
        call(operation, request)
    except Refused as refused:
        return str(refused)
    return "none"


def _status(call: Call, domain: str, execution: dict[str, str]) -> str:
    answer = call("DescribeWorkflowExecution", {"domain": domain, "execution": execution})
    return str(answer["executionInfo"]["closeStatus"])


def _history(
    call: Call, domain: str, execution: dict[str, str], page: int = 1000, *, backwards: bool = False
) -> list[dict[str, Any]]:
    request: dict[str, Any] = {
        "domain": domain,
        "execution": execution,
        "maximumPageSize": page,
        "reverseOrder": backwards,
    }
    events: list[dict[str, Any]] = []
    while True:
        answer = call("GetWorkflowExecutionHistory", request)
        events += answer["events"]
        if "nextPageToken" not in answer:
            return events
        request["nextPageToken"] = answer["nextPageToken"]


def _complete(result: str) -> dict[str, Any]:
    return _decision("CompleteWorkflowExecution", {"result": result})


def _decision(kind: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"decisionType": kind, f"{kind[0].lower()}{kind[1:]}DecisionAttributes": attributes}

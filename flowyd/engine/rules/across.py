"""How executions meet: the events on either side of starts, closings, signals and cancel requests.

Functions make drafts; the service finds the execution, opens a block on it and adds them. What is sent to an
execution that has closed meanwhile is dropped there and, where a source waits, reported to the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowyd.engine.rules.block import terminated
from flowyd.engine.rules.effects import (
    CancelExternal,
    ReportToParent,
    SignalExternal,
    StartChild,
    StartNextRun,
)
from flowyd.engine.rules.events import Attributes, Draft, given
from flowyd.engine.rules.state import ExecutionState

#: Members that an execution's first event has from what asked for it.
_OF_START = (
    "childPolicy",
    "executionStartToCloseTimeout",
    "input",
    "lambdaRole",
    "tagList",
    "taskList",
    "taskPriority",
    "taskStartToCloseTimeout",
    "workflowType",
)

#: Closing event of a child: the parent's event, and the members that are copied.
_CHILD_CLOSED = {
    "WorkflowExecutionCompleted": ("ChildWorkflowExecutionCompleted", ("result",)),
    "WorkflowExecutionFailed": ("ChildWorkflowExecutionFailed", ("reason", "details")),
    "WorkflowExecutionCanceled": ("ChildWorkflowExecutionCanceled", ("details",)),
    "WorkflowExecutionTimedOut": ("ChildWorkflowExecutionTimedOut", ("timeoutType",)),
    "WorkflowExecutionTerminated": ("ChildWorkflowExecutionTerminated", ()),
}


def root_started(values: Mapping[str, Any]) -> Draft:
    """First event of a run that the API started; `values` are resolved."""
    return ("WorkflowExecutionStarted", {**given(values, *_OF_START), "parentInitiatedEventId": 0})


def child_started(start: StartChild) -> Draft:
    """First event of a child."""
    attributes: Attributes = {
        **given(start.initiated, *_OF_START),
        "parentInitiatedEventId": start.initiated_event_id,
        "parentWorkflowExecution": start.parent,
    }
    return ("WorkflowExecutionStarted", attributes)


def next_run_started(start: StartNextRun) -> Draft:
    """First event of a continued run; under a parent it stays that parent's child."""
    attributes: Attributes = {
        **given(start.continued, *_OF_START),
        "continuedExecutionRunId": start.continued_run_id,
        "parentInitiatedEventId": start.parent_initiated_event_id,
    }
    if start.parent is not None:
        attributes["parentWorkflowExecution"] = start.parent
    return ("WorkflowExecutionStarted", attributes)


def parent_learns_of_start(start: StartChild, *, run_id: str) -> Draft:
    """ChildWorkflowExecutionStarted in the parent."""
    attributes: Attributes = {
        "initiatedEventId": start.initiated_event_id,
        "workflowExecution": {"runId": run_id, "workflowId": start.initiated["workflowId"]},
        "workflowType": start.initiated["workflowType"],
    }
    return ("ChildWorkflowExecutionStarted", attributes)


def parent_learns_of_failed_start(start: StartChild, *, cause: str) -> Draft:
    """StartChildWorkflowExecutionFailed of an initiated start; both ids are set (SWF API Reference)."""
    attributes: Attributes = {
        **given(start.initiated, "control", "decisionTaskCompletedEventId", "workflowId", "workflowType"),
        "cause": cause,
        "initiatedEventId": start.initiated_event_id,
    }
    return ("StartChildWorkflowExecutionFailed", attributes)


def parent_learns_of_close(report: ReportToParent, *, started_event_id: int) -> Draft:
    """The parent's event for its child's closing, with the child's result, reason or details."""
    event_type, copied = _CHILD_CLOSED[report.event_type]
    attributes: Attributes = {
        **given(report.attributes, *copied),
        "initiatedEventId": report.initiated_event_id,
        "startedEventId": started_event_id,
        "workflowExecution": report.child,
        "workflowType": report.workflow_type,
    }
    return (event_type, attributes)


def child_policy_event(child: ExecutionState, policy: str) -> Draft | None:
    """What an open child gets when its parent is terminated or times out."""
    if policy == "TERMINATE":
        return terminated(child, cause="CHILD_POLICY_APPLIED")
    if policy == "REQUEST_CANCEL":
        attributes: Attributes = {"cause": "CHILD_POLICY_APPLIED", "externalInitiatedEventId": 0}
        return ("WorkflowExecutionCancelRequested", attributes)
    return None


def signaled(signal: SignalExternal) -> Draft:
    """WorkflowExecutionSignaled in the target."""
    attributes: Attributes = {
        **given(signal.initiated, "signalName", "input"),
        "externalInitiatedEventId": signal.initiated_event_id,
        "externalWorkflowExecution": signal.source,
    }
    return ("WorkflowExecutionSignaled", attributes)


def cancel_requested(request: CancelExternal) -> Draft:
    """WorkflowExecutionCancelRequested in the target."""
    attributes: Attributes = {
        "externalInitiatedEventId": request.initiated_event_id,
        "externalWorkflowExecution": request.source,
    }
    return ("WorkflowExecutionCancelRequested", attributes)


def source_learns(sent: SignalExternal | CancelExternal, *, target: Mapping[str, Any]) -> Draft:
    """The source's event for what was delivered; the target's run id is resolved."""
    event_type = (
        "ExternalWorkflowExecutionSignaled"
        if isinstance(sent, SignalExternal)
        else "ExternalWorkflowExecutionCancelRequested"
    )
    return (event_type, {"initiatedEventId": sent.initiated_event_id, "workflowExecution": dict(target)})


def source_learns_of_failure(sent: SignalExternal | CancelExternal) -> Draft:
    """The source's event when no such execution is open."""
    event_type = (
        "SignalExternalWorkflowExecutionFailed"
        if isinstance(sent, SignalExternal)
        else "RequestCancelExternalWorkflowExecutionFailed"
    )
    attributes: Attributes = {
        **given(sent.initiated, "control", "decisionTaskCompletedEventId", "runId", "workflowId"),
        "cause": "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
        "initiatedEventId": sent.initiated_event_id,
    }
    return (event_type, attributes)

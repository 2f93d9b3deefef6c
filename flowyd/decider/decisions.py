"""Decisions in SWF's wire form (SWF API Reference, Decision). Pure translation, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowyd.decider.outcomes import Decision
from flowyd.sdk.settings import TaskSettings
from flowyd.swf.durations import to_wire


def _decision(decision_type: str, **attributes: Any) -> Decision:
    member = f"{decision_type[0].lower()}{decision_type[1:]}DecisionAttributes"
    given = {key: value for key, value in attributes.items() if value is not None}
    return {"decisionType": decision_type, member: given}


def _seconds(value: int | None) -> str | None:
    return None if value is None else to_wire(value)


def _task_list(name: str | None) -> dict[str, str] | None:
    return None if name is None else {"name": name}


def schedule_activity(
    *, activity_id: str, name: str, version: str, input_text: str, settings: TaskSettings
) -> Decision:
    """ScheduleActivityTask; what is None stays as registered."""
    return _decision(
        "ScheduleActivityTask",
        activityId=activity_id,
        activityType={"name": name, "version": version},
        input=input_text,
        heartbeatTimeout=_seconds(settings.heartbeat),
        scheduleToCloseTimeout=_seconds(settings.schedule_to_close),
        scheduleToStartTimeout=_seconds(settings.schedule_to_start),
        startToCloseTimeout=_seconds(settings.start_to_close),
        taskList=_task_list(settings.task_list),
        taskPriority=None if settings.priority is None else str(settings.priority),
    )


def start_child(
    *, workflow_id: str, name: str, version: str, input_text: str, settings: TaskSettings
) -> Decision:
    """StartChildWorkflowExecution; what is None stays as registered."""
    return _decision(
        "StartChildWorkflowExecution",
        workflowId=workflow_id,
        workflowType={"name": name, "version": version},
        input=input_text,
        executionStartToCloseTimeout=_seconds(settings.workflow_duration),
        taskStartToCloseTimeout=_seconds(settings.decision_duration),
        taskList=_task_list(settings.task_list),
        taskPriority=None if settings.priority is None else str(settings.priority),
        tagList=list(settings.tags) or None,
    )


def start_timer(timer_id: str, seconds: int) -> Decision:
    """StartTimer."""
    return _decision("StartTimer", timerId=timer_id, startToFireTimeout=to_wire(seconds))


def cancel_timer(timer_id: str) -> Decision:
    """CancelTimer."""
    return _decision("CancelTimer", timerId=timer_id)


def request_cancel_activity(activity_id: str) -> Decision:
    """RequestCancelActivityTask."""
    return _decision("RequestCancelActivityTask", activityId=activity_id)


def signal_external(
    *, control: str, workflow_id: str, run_id: str | None, name: str, input_text: str
) -> Decision:
    """SignalExternalWorkflowExecution."""
    return _decision(
        "SignalExternalWorkflowExecution",
        workflowId=workflow_id,
        runId=run_id,
        signalName=name,
        input=input_text,
        control=control,
    )


def request_cancel_external(*, control: str, workflow_id: str, run_id: str | None) -> Decision:
    """RequestCancelExternalWorkflowExecution."""
    return _decision(
        "RequestCancelExternalWorkflowExecution", workflowId=workflow_id, runId=run_id, control=control
    )


def record_marker(name: str, details: str | None) -> Decision:
    """RecordMarker."""
    return _decision("RecordMarker", markerName=name, details=details)


def complete_execution(result: str) -> Decision:
    """CompleteWorkflowExecution."""
    return _decision("CompleteWorkflowExecution", result=result)


def fail_execution(reason: str, details: str) -> Decision:
    """FailWorkflowExecution."""
    return _decision("FailWorkflowExecution", reason=reason, details=details)


def cancel_execution(details: str | None = None) -> Decision:
    """CancelWorkflowExecution."""
    return _decision("CancelWorkflowExecution", details=details)


#: What a new run takes over from the run it continues: the service itself would take the type's defaults.
_INHERITED = (
    "childPolicy",
    "executionStartToCloseTimeout",
    "lambdaRole",
    "tagList",
    "taskList",
    "taskPriority",
    "taskStartToCloseTimeout",
)


def continue_as_new(*, started: Mapping[str, Any], overlay: Mapping[str, Any], input_text: str) -> Decision:
    """ContinueAsNewWorkflowExecution with the settings of the run that ends, as far as not overridden."""
    attributes = {member: started.get(member) for member in _INHERITED}
    chosen = {
        "executionStartToCloseTimeout": _seconds(overlay.get("workflow_duration")),
        "taskStartToCloseTimeout": _seconds(overlay.get("decision_duration")),
        "taskList": _task_list(overlay.get("task_list")),
        "taskPriority": None if overlay.get("priority") is None else str(overlay["priority"]),
        "tagList": list(overlay["tags"]) if overlay.get("tags") else None,
    }
    attributes.update({member: value for member, value in chosen.items() if value is not None})
    return _decision(
        "ContinueAsNewWorkflowExecution",
        input=input_text,
        workflowTypeVersion=started["workflowType"]["version"],
        **attributes,
    )

"""Registering a test's types with its engine, with the defaults their decorators name."""

from __future__ import annotations

from flowyd.sdk.registry import ActivityRegistration, WorkflowRegistration
from flowyd.swf.client import SwfClient
from flowyd.swf.durations import to_wire


def register_activity(client: SwfClient, domain: str, activity: ActivityRegistration) -> None:
    """RegisterActivityType."""
    client.call(
        "RegisterActivityType",
        {
            "domain": domain,
            "name": activity.name,
            "version": activity.version,
            "defaultTaskList": {"name": activity.task_list},
            "defaultTaskHeartbeatTimeout": to_wire(activity.heartbeat),
            "defaultTaskScheduleToCloseTimeout": to_wire(activity.schedule_to_close),
            "defaultTaskScheduleToStartTimeout": to_wire(activity.schedule_to_start),
            "defaultTaskStartToCloseTimeout": to_wire(activity.start_to_close),
        },
    )


def register_workflow(client: SwfClient, domain: str, workflow: WorkflowRegistration) -> None:
    """RegisterWorkflowType; the child policy is TERMINATE."""
    client.call(
        "RegisterWorkflowType",
        {
            "domain": domain,
            "name": workflow.name,
            "version": workflow.version,
            "defaultTaskList": {"name": workflow.task_list},
            "defaultExecutionStartToCloseTimeout": to_wire(workflow.workflow_duration),
            "defaultTaskStartToCloseTimeout": to_wire(workflow.decision_duration),
            "defaultChildPolicy": "TERMINATE",
        },
    )

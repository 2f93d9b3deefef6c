"""DescribeWorkflowExecution's answer, from the state.

Recorded: only scheduled decision tasks are counted, children from their start on, and the counts of a closed
execution stay what they were. cancelRequested is true while the execution is open and false once it is
closed (recorded for closed ones; a choice for open ones).
"""

from __future__ import annotations

from typing import Any

from flowyd.engine.rules.state import ExecutionState


def describe(state: ExecutionState) -> dict[str, Any]:
    """The whole answer in wire form."""
    answer: dict[str, Any] = {
        "executionConfiguration": _configuration(state),
        "executionInfo": execution_info(state),
        "openCounts": {
            "openActivityTasks": len(state.activities),
            "openChildWorkflowExecutions": sum(
                child.started_event_id > 0 for child in state.children.values()
            ),
            "openDecisionTasks": int(state.scheduled_decision is not None),
            "openLambdaFunctions": len(state.lambdas),
            "openTimers": len(state.timers),
        },
    }
    if state.latest_activity_at is not None:
        answer["latestActivityTaskTimestamp"] = state.latest_activity_at
    if state.latest_context is not None:
        answer["latestExecutionContext"] = state.latest_context
    return answer


def execution_info(state: ExecutionState) -> dict[str, Any]:
    """WorkflowExecutionInfo, as lists and descriptions show it."""
    info: dict[str, Any] = {
        "cancelRequested": state.cancel_requested and state.is_open,
        "execution": state.execution,
        "executionStatus": "OPEN" if state.is_open else "CLOSED",
        "startTimestamp": state.started_at,
        "workflowType": state.workflow_type,
    }
    if state.tag_list is not None:
        info["tagList"] = state.tag_list
    if state.parent is not None:
        info["parent"] = state.parent
    if not state.is_open:
        info["closeStatus"] = state.close_status
        info["closeTimestamp"] = state.closed_at
    return info


def _configuration(state: ExecutionState) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        "childPolicy": state.child_policy,
        "executionStartToCloseTimeout": state.execution_start_to_close,
        "taskList": {"name": state.task_list},
        "taskStartToCloseTimeout": state.task_start_to_close,
    }
    if state.task_priority is not None:
        configuration["taskPriority"] = state.task_priority
    if state.lambda_role is not None:
        configuration["lambdaRole"] = state.lambda_role
    return configuration

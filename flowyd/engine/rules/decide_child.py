"""StartChildWorkflowExecution: what can be refused at once.

Whether the workflow id is free shows only at the start (`across`). Nothing comes from the parent: values are
the decision's or the child type's defaults.
"""

from __future__ import annotations

from flowyd.engine.rules.effects import StartChild
from flowyd.engine.rules.events import Attributes, given
from flowyd.engine.rules.outcome import Circumstances, Outcome, happened
from flowyd.engine.rules.resolution import Undefined, resolve_execution
from flowyd.engine.rules.state import ExecutionState


def decide_start_child(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """StartChildWorkflowExecutionInitiated and the start itself as an effect, or the failure."""
    registered = at.around.workflow_type(decision["workflowType"])
    if registered is None:
        return _not_started("WORKFLOW_TYPE_DOES_NOT_EXIST", decision, at)
    if registered.status != "REGISTERED":
        return _not_started("WORKFLOW_TYPE_DEPRECATED", decision, at)
    if len(state.children) >= at.around.quotas.open_children:
        return _not_started("OPEN_CHILDREN_LIMIT_EXCEEDED", decision, at)
    about_to_start = sum(not child.started_event_id for child in state.children.values())
    if at.around.open_executions() + about_to_start >= at.around.quotas.open_executions:
        return _not_started("OPEN_WORKFLOWS_LIMIT_EXCEEDED", decision, at)
    resolved = resolve_execution(decision, registered.configuration)
    if isinstance(resolved, Undefined):
        return _not_started(resolved.value.cause, decision, at)
    initiated: Attributes = {
        **given(decision, "workflowId", "workflowType", "input", "control", "tagList"),
        **resolved,
        "decisionTaskCompletedEventId": at.completed_event_id,
    }
    start = StartChild(parent=state.execution, initiated=initiated, initiated_event_id=state.next_event_id)
    return Outcome(drafts=(("StartChildWorkflowExecutionInitiated", initiated),), effects=(start,))


def _not_started(cause: str, decision: Attributes, at: Circumstances) -> Outcome:
    return happened(
        "StartChildWorkflowExecutionFailed",
        {
            **given(decision, "workflowId", "workflowType", "control"),
            "cause": cause,
            "decisionTaskCompletedEventId": at.completed_event_id,
            "initiatedEventId": 0,
        },
    )

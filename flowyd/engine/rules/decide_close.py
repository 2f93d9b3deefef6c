"""CompleteWorkflowExecution, FailWorkflowExecution, CancelWorkflowExecution, ContinueAsNewWorkflowExecution.

A run may be closed with activities, timers or children open (recorded). It may not while something happened
that the decider has not seen: then a decision task is scheduled already, and the cause is UNHANDLED_DECISION.
Values of a next run come from the decision or the type of the new version; nothing is inherited but the
workflow id and the type's name.
"""

from __future__ import annotations

from flowyd.engine.rules.effects import StartNextRun
from flowyd.engine.rules.events import Attributes, given
from flowyd.engine.rules.outcome import Circumstances, Outcome, happened
from flowyd.engine.rules.resolution import Undefined, resolve_execution
from flowyd.engine.rules.state import ExecutionState


def decide_complete(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """WorkflowExecutionCompleted with the result."""
    return _close(state, "Complete", ("WorkflowExecutionCompleted", given(decision, "result")), at)


def decide_fail(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """WorkflowExecutionFailed with reason and details."""
    return _close(state, "Fail", ("WorkflowExecutionFailed", given(decision, "reason", "details")), at)


def decide_cancel(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """WorkflowExecutionCanceled; it needs no cancel request before it."""
    return _close(state, "Cancel", ("WorkflowExecutionCanceled", given(decision, "details")), at)


def decide_continue_as_new(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """WorkflowExecutionContinuedAsNew, and the start of the next run as an effect."""
    if state.scheduled_decision is not None:
        return _not_closed("ContinueAsNew", "UNHANDLED_DECISION", at)
    version = decision.get("workflowTypeVersion") or state.workflow_type["version"]
    workflow_type = {"name": state.workflow_type["name"], "version": version}
    registered = at.around.workflow_type(workflow_type)
    if registered is None:
        return _not_closed("ContinueAsNew", "WORKFLOW_TYPE_DOES_NOT_EXIST", at)
    if registered.status != "REGISTERED":
        return _not_closed("ContinueAsNew", "WORKFLOW_TYPE_DEPRECATED", at)
    resolved = resolve_execution(decision, registered.configuration)
    if isinstance(resolved, Undefined):
        return _not_closed("ContinueAsNew", resolved.value.cause, at)
    continued: Attributes = {
        **given(decision, "input", "tagList"),
        **resolved,
        "decisionTaskCompletedEventId": at.completed_event_id,
        "newExecutionRunId": at.around.new_run_id(),
        "workflowType": workflow_type,
    }
    start = StartNextRun(
        workflow_id=state.workflow_id,
        continued=continued,
        continued_run_id=state.run_id,
        parent=state.parent,
        parent_initiated_event_id=state.parent_initiated_event_id,
    )
    return Outcome(drafts=(("WorkflowExecutionContinuedAsNew", continued),), effects=(start,))


def _close(state: ExecutionState, verb: str, closing: tuple[str, Attributes], at: Circumstances) -> Outcome:
    if state.scheduled_decision is not None:
        return _not_closed(verb, "UNHANDLED_DECISION", at)
    event_type, attributes = closing
    return happened(event_type, {**attributes, "decisionTaskCompletedEventId": at.completed_event_id})


def _not_closed(verb: str, cause: str, at: Circumstances) -> Outcome:
    attributes: Attributes = {"cause": cause, "decisionTaskCompletedEventId": at.completed_event_id}
    return happened(f"{verb}WorkflowExecutionFailed", attributes)

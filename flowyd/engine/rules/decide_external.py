"""SignalExternalWorkflowExecution and RequestCancelExternalWorkflowExecution, as far as the source goes.

Whether the target exists shows when the signal or request is delivered (`across`).
"""

from __future__ import annotations

from flowyd.engine.rules.effects import CancelExternal, SignalExternal
from flowyd.engine.rules.events import Attributes, given
from flowyd.engine.rules.outcome import Circumstances, Outcome
from flowyd.engine.rules.state import ExecutionState


def decide_signal(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """SignalExternalWorkflowExecutionInitiated; an execution may signal itself."""
    initiated: Attributes = {
        **given(decision, "workflowId", "signalName", "input", "control"),
        **_run(decision),
        "decisionTaskCompletedEventId": at.completed_event_id,
    }
    deliver = SignalExternal(
        source=state.execution, initiated=initiated, initiated_event_id=state.next_event_id
    )
    return Outcome(drafts=(("SignalExternalWorkflowExecutionInitiated", initiated),), effects=(deliver,))


def decide_cancel(state: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """RequestCancelExternalWorkflowExecutionInitiated."""
    initiated: Attributes = {
        **given(decision, "workflowId", "control"),
        **_run(decision),
        "decisionTaskCompletedEventId": at.completed_event_id,
    }
    deliver = CancelExternal(
        source=state.execution, initiated=initiated, initiated_event_id=state.next_event_id
    )
    return Outcome(
        drafts=(("RequestCancelExternalWorkflowExecutionInitiated", initiated),), effects=(deliver,)
    )


def _run(decision: Attributes) -> Attributes:
    """An empty run id means that none is given."""
    return {"runId": decision["runId"]} if decision.get("runId") else {}

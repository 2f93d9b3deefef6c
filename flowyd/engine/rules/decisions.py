"""The table of decision types, and how a whole decision list is carried out.

After DecisionTaskCompleted come the events of the decisions, in list order and with one timestamp; nothing
stands between them (recorded). Each decision succeeds or fails by itself. Effects are carried out after the
whole block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowyd.engine.rules import (
    decide_activity,
    decide_child,
    decide_close,
    decide_external,
    decide_lambda,
    decide_timer,
)
from flowyd.engine.rules.block import Block
from flowyd.engine.rules.events import Attributes, given
from flowyd.engine.rules.outcome import Circumstances, Outcome, Surroundings
from flowyd.engine.rules.state import ExecutionState
from flowyd.swf.actions import DECIDE_AFTER

Decide = Callable[[ExecutionState, Attributes, Circumstances], Outcome]

#: Decision type: the function that decides it.
DECIDE: dict[str, Decide] = {
    "ScheduleActivityTask": decide_activity.decide_schedule,
    "RequestCancelActivityTask": decide_activity.decide_request_cancel,
    "StartTimer": decide_timer.decide_start,
    "CancelTimer": decide_timer.decide_cancel,
    "RecordMarker": decide_timer.decide_marker,
    "StartChildWorkflowExecution": decide_child.decide_start_child,
    "SignalExternalWorkflowExecution": decide_external.decide_signal,
    "RequestCancelExternalWorkflowExecution": decide_external.decide_cancel,
    "ScheduleLambdaFunction": decide_lambda.decide_lambda,
    "CompleteWorkflowExecution": decide_close.decide_complete,
    "FailWorkflowExecution": decide_close.decide_fail,
    "CancelWorkflowExecution": decide_close.decide_cancel,
    "ContinueAsNewWorkflowExecution": decide_close.decide_continue_as_new,
}

#: Name of the attributes member of each decision type.
DECISION_MEMBER = {name: name[0].lower() + name[1:] + "DecisionAttributes" for name in DECIDE}


def complete_decision_task(block: Block, request: dict[str, Any], around: Surroundings) -> None:
    """Closes the started decision task and carries out its decisions, which `checks` has passed."""
    task = block.state.started_decision
    assert task is not None, "only a started decision task can be completed"
    completed_event_id = block.add(
        (
            "DecisionTaskCompleted",
            {
                **given(request, "executionContext", "taskList", "taskListScheduleToStartTimeout"),
                "scheduledEventId": task.scheduled_event_id,
                "startedEventId": task.started_event_id,
            },
        )
    )
    at = Circumstances(completed_event_id=completed_event_id, around=around)
    for decision in request.get("decisions") or ():
        decision_type = decision["decisionType"]
        outcome = DECIDE[decision_type](block.state, decision.get(DECISION_MEMBER[decision_type]) or {}, at)
        for draft in outcome.drafts:
            block.add(draft)
        block.effects += outcome.effects
    block.decide_after(request.get(DECIDE_AFTER))

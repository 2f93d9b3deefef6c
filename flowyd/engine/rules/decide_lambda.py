"""ScheduleLambdaFunction: accepted, and failed as in a region where AWS Lambda is not available.

This is the one place that decides so. The state and the deadlines know Lambda functions all the same, so a
history in which some ran can be folded. Source: SWF API Reference, ScheduleLambdaFunctionFailed.
"""

from __future__ import annotations

from flowyd.engine.rules.events import Attributes, given
from flowyd.engine.rules.outcome import Circumstances, Outcome, happened
from flowyd.engine.rules.state import ExecutionState


def decide_lambda(_: ExecutionState, decision: Attributes, at: Circumstances) -> Outcome:
    """ScheduleLambdaFunctionFailed, cause LAMBDA_SERVICE_NOT_AVAILABLE_IN_REGION."""
    return happened(
        "ScheduleLambdaFunctionFailed",
        {
            **given(decision, "id", "name"),
            "cause": "LAMBDA_SERVICE_NOT_AVAILABLE_IN_REGION",
            "decisionTaskCompletedEventId": at.completed_event_id,
        },
    )

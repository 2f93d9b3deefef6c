"""What a decision list must fulfil as a whole, before anything of it is carried out.

Members and their constraints are checked before, by the request's shape. Source: messages reported by
authors of emulators who asked the service; the pages only say that a close decision comes last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowyd.engine.rules.decisions import DECISION_MEMBER
from flowyd.swf.faults import ValidationException

CLOSE_DECISIONS = frozenset(
    {
        "CompleteWorkflowExecution",
        "FailWorkflowExecution",
        "CancelWorkflowExecution",
        "ContinueAsNewWorkflowExecution",
    }
)
#: Not together with a close decision; the service's whole list is not known.
INCOMPATIBLE_WITH_CLOSE = frozenset({"ScheduleActivityTask", "StartTimer"})
#: Close decisions whose attributes have no required member: they may be left out altogether.
_ALL_OPTIONAL = CLOSE_DECISIONS


def check_decisions(decisions: Sequence[dict[str, Any]]) -> None:
    """Passes a list that can be carried out decision by decision.

    Raises:
        ValidationException: attributes are missing, a close decision is not last, or what stands beside
            it does not go with it.
    """
    violations = [
        f"Value null at 'decisions.{number}.member.{DECISION_MEMBER[decision['decisionType']]}' "
        "failed to satisfy constraint: Member must not be null"
        for number, decision in enumerate(decisions, start=1)
        if decision["decisionType"] not in _ALL_OPTIONAL
        and decision.get(DECISION_MEMBER[decision["decisionType"]]) is None
    ]
    if violations:
        noun = "error" if len(violations) == 1 else "errors"
        raise ValidationException(f"{len(violations)} validation {noun} detected: " + "; ".join(violations))
    types = [decision["decisionType"] for decision in decisions]
    if any(name in CLOSE_DECISIONS for name in types[:-1]):
        raise ValidationException("Close must be last decision in list")
    if types and types[-1] in CLOSE_DECISIONS and INCOMPATIBLE_WITH_CLOSE.intersection(types):
        raise ValidationException("Specified decision is incompatible with close decision")

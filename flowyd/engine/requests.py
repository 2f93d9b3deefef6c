"""From the bytes of a request to a checked dict: JSON, the table of requests, the rules for decision lists.

Whatever comes in, what goes out is a request that holds only known members of the right type within their
bounds, or one of SWF's faults. Optional run ids, version filters, page tokens and timeouts that are empty
strings count as not given.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from flowyd.engine.request_shapes import Violation
from flowyd.engine.request_table import OPERATIONS, attributes_member
from flowyd.swf.faults import SerializationException, UnknownOperationException, ValidationException

#: Decisions that close the execution.
CLOSE_DECISIONS = frozenset(
    {
        "CompleteWorkflowExecution",
        "FailWorkflowExecution",
        "CancelWorkflowExecution",
        "ContinueAsNewWorkflowExecution",
    }
)
#: Decisions that cannot stand beside one that closes (reported; all others can).
_NOT_WITH_CLOSE = frozenset({"ScheduleActivityTask", "StartTimer"})

_decoder = msgspec.json.Decoder()


def read(body: bytes) -> object:
    """The JSON value of a request's body; an empty body is an empty object.

    Raises:
        SerializationException: it is no JSON, or nested too deeply.
    """
    if not body:
        return {}
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise SerializationException(f"The request is no valid JSON: {error}") from error


def check(action: str, members: object) -> dict[str, Any]:
    """The request as the service goes on with it.

    Raises:
        UnknownOperationException: SWF has no such operation.
        SerializationException: a member has the wrong JSON type.
        ValidationException: constraints are broken; the message lists them all.
    """
    shape = OPERATIONS.get(action)
    if shape is None:
        raise UnknownOperationException(f"Unknown operation: {action}")
    found: list[Violation] = []
    checked = cast("dict[str, Any]", shape.check(members, "", found))
    decisions = checked.get("decisions")
    if decisions:
        _check_attributes(decisions, found)
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
        raise ValidationException(count + "; ".join(map(str, found)))
    if decisions:
        _check_close(decisions)
    return checked


def _check_attributes(decisions: list[dict[str, Any]], found: list[Violation]) -> None:
    """Each decision has the attributes of its own type."""
    if found:
        return
    for number, decision in enumerate(decisions, 1):
        member = attributes_member(decision["decisionType"])
        if member not in decision:
            path = f"decisions.{number}.member.{member}"
            found.append(Violation(value=None, path=path, constraint="Member must not be null"))


def _check_close(decisions: list[dict[str, Any]]) -> None:
    """A decision that closes is the last one and has none beside it that it excludes."""
    types = [decision["decisionType"] for decision in decisions]
    if not CLOSE_DECISIONS.isdisjoint(types[:-1]):
        raise ValidationException("Close must be last decision in list")
    if types[-1] in CLOSE_DECISIONS and not _NOT_WITH_CLOSE.isdisjoint(types):
        raise ValidationException("Specified decision is incompatible with close decision")

"""From the bytes of a request to a checked dict: JSON, the table of requests, the rules for decision lists.

Whatever comes in, what goes out is a request that holds only known members of the right type within their
bounds, or one of SWF's faults. Optional run ids, version filters, page tokens and timeouts that are empty
strings count as not given.
"""

from __future__ import annotations

import functools
from typing import Any, Literal, cast

import msgspec

from flowyd.engine.request_shapes import Violation
from flowyd.engine.request_table import DECISION_ATTRIBUTES, OPERATIONS, attributes_member
from flowyd.engine.request_types import decoder
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

#: Workers send the same poll again and again: the last of them, and how large they may be to be kept.
_POLLS_KEPT = 1_024
_MOST_KEPT_BYTES = 4_096

_decoder = msgspec.json.Decoder()


#: Decision type: the member with its attributes.
_ATTRIBUTES = {name: attributes_member(name) for name in DECISION_ATTRIBUTES}


def checked(action: str, body: bytes) -> dict[str, Any]:
    """The request of a known operation from its bytes: what `read` and `check` give, mostly in one go.

    Raises:
        SerializationException, ValidationException: as `read` and `check`.
    """
    try:
        request = decoder(action).decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return check(action, read(body))
    decisions = request.get("decisions")
    if not decisions:
        return request
    if not all(_ATTRIBUTES[decision["decisionType"]] in decision for decision in decisions):
        return check(action, read(body))
    _check_close(decisions)
    return request


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
    request = cast("dict[str, Any]", shape.check(members, "", found))
    decisions = request.get("decisions")
    if decisions:
        _check_attributes(decisions, found)
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
        raise ValidationException(count + "; ".join(map(str, found)))
    if decisions:
        _check_close(decisions)
    return request


def poll(action: str, body: bytes) -> dict[str, Any]:
    """The checked request of a poll; not to be changed, since the next poll like it gets the same.

    Raises:
        SerializationException, ValidationException: as `read` and `check`.
    """
    return (_kept_poll if len(body) <= _MOST_KEPT_BYTES else checked)(action, body)


def next_poll(named: bytes) -> tuple[str, dict[str, Any], int]:
    """Action, checked request and most tasks of a poll that came with an answer; not to be changed either.

    It is `{"action": …, "request": …}`, and may have `"tasks"`, how many it takes at most.

    Raises:
        SerializationException, ValidationException: it is no such object, or its request is wrong.
    """
    return (_kept_next_poll if len(named) <= _MOST_KEPT_BYTES else _checked_next_poll)(named)


class _NextPoll(msgspec.Struct):
    action: Literal["PollForActivityTask", "PollForDecisionTask"]
    request: msgspec.Raw
    tasks: int = 1


_next_poll = msgspec.json.Decoder(_NextPoll)


def _checked_next_poll(named: bytes) -> tuple[str, dict[str, Any], int]:
    try:
        both = _next_poll.decode(named)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise SerializationException(f"The next poll is no poll: {error}") from error
    return both.action, checked(both.action, bytes(both.request)), both.tasks


_kept_poll = functools.lru_cache(_POLLS_KEPT)(checked)
_kept_next_poll = functools.lru_cache(_POLLS_KEPT)(_checked_next_poll)


def _check_attributes(decisions: list[dict[str, Any]], found: list[Violation]) -> None:
    """Each decision has the attributes of its own type."""
    if found:
        return
    for number, decision in enumerate(decisions, 1):
        member = _ATTRIBUTES[decision["decisionType"]]
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

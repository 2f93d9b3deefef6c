"""Requests: JSON, messages of violations, and the rules for decision lists."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowyd.engine import requests
from flowyd.engine.request_shapes import (
    Choice,
    Flag,
    ListOf,
    Moment,
    NumberText,
    Shape,
    Structure,
    Whole,
)
from flowyd.engine.request_table import DECISION_ATTRIBUTES, OPERATIONS, attributes_member
from flowyd.swf.faults import (
    SerializationException,
    SwfFault,
    UnknownOperationException,
    ValidationException,
)

TASK_LIST = {"domain": "d", "taskList": {"name": "list"}}
COMPLETE = {"decisionType": "CompleteWorkflowExecution", "completeWorkflowExecutionDecisionAttributes": {}}
TIMER = {
    "decisionType": "StartTimer",
    "startTimerDecisionAttributes": {"timerId": "t", "startToFireTimeout": "1"},
}
MARKER = {"decisionType": "RecordMarker", "recordMarkerDecisionAttributes": {"markerName": "m"}}


def respond(*decisions: Any) -> dict[str, Any]:
    return {"taskToken": "token", "decisions": list(decisions)}


VIOLATIONS = {
    "missing": (
        "PollForActivityTask",
        {"domain": "d"},
        "1 validation error detected: Value null at 'taskList' failed to satisfy constraint: "
        "Member must not be null",
    ),
    "several": (
        "DescribeWorkflowType",
        {"domain": "", "workflowType": {"name": "n"}},
        "2 validation errors detected: Value '' at 'domain' failed to satisfy constraint: Member must have "
        "length greater than or equal to 1; Value null at 'workflowType.version' failed to satisfy "
        "constraint: Member must not be null",
    ),
    "too long": (
        "RespondActivityTaskFailed",
        {"taskToken": "t", "reason": "x" * 257},
        f"1 validation error detected: Value '{'x' * 257}' at 'reason' failed to satisfy constraint: "
        "Member must have length less than or equal to 256",
    ),
    "number": (
        "ListDomains",
        {"registrationStatus": "REGISTERED", "maximumPageSize": 1001},
        "1 validation error detected: Value '1001' at 'maximumPageSize' failed to satisfy constraint: "
        "Member must have value less than or equal to 1000",
    ),
    "negative": (
        "ListDomains",
        {"registrationStatus": "REGISTERED", "maximumPageSize": -1},
        "1 validation error detected: Value '-1' at 'maximumPageSize' failed to satisfy constraint: "
        "Member must have value greater than or equal to 0",
    ),
    "enum": (
        "ListDomains",
        {"registrationStatus": "NEW"},
        "1 validation error detected: Value 'NEW' at 'registrationStatus' failed to satisfy constraint: "
        "Member must satisfy enum value set: [REGISTERED, DEPRECATED]",
    ),
    "in a decision": (
        "RespondDecisionTaskCompleted",
        respond(MARKER, {"decisionType": "StartTimer", "startTimerDecisionAttributes": {"timerId": "t"}}),
        "1 validation error detected: Value null at "
        "'decisions.2.member.startTimerDecisionAttributes.startToFireTimeout' failed to satisfy constraint: "
        "Member must not be null",
    ),
    "attributes of another type": (
        "RespondDecisionTaskCompleted",
        respond({"decisionType": "CancelTimer", **{k: v for k, v in TIMER.items() if k != "decisionType"}}),
        "1 validation error detected: Value null at 'decisions.1.member.cancelTimerDecisionAttributes' "
        "failed to satisfy constraint: Member must not be null",
    ),
    "too many tags": (
        "StartWorkflowExecution",
        {
            "domain": "d",
            "workflowId": "w",
            "workflowType": {"name": "n", "version": "1"},
            "tagList": ["a", "b", "c", "d", "e", "f"],
        },
        "1 validation error detected: Value '[a, b, c, d, e, f]' at 'tagList' failed to satisfy constraint: "
        "Member must have length less than or equal to 5",
    ),
    "a year and more": (
        "RespondDecisionTaskCompleted",
        {"taskToken": "t", "taskListScheduleToStartTimeout": "31536001"},
        "1 validation error detected: Value '31536001' at 'taskListScheduleToStartTimeout' failed to satisfy "
        "constraint: Member must have value less than or equal to 31536000",
    ),
    "retention": (
        "RegisterDomain",
        {"name": "d", "workflowExecutionRetentionPeriodInDays": "91"},
        "1 validation error detected: Value '91' at 'workflowExecutionRetentionPeriodInDays' failed to "
        "satisfy constraint: Member must have value less than or equal to 90",
    ),
    "close not last": (
        "RespondDecisionTaskCompleted",
        respond(COMPLETE, MARKER),
        "Close must be last decision in list",
    ),
    "close beside a timer": (
        "RespondDecisionTaskCompleted",
        respond(TIMER, COMPLETE),
        "Specified decision is incompatible with close decision",
    ),
}


@pytest.mark.parametrize(("action", "members", "message"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_violations_have_the_services_words(action: str, members: Any, message: str) -> None:
    with pytest.raises(ValidationException) as raised:
        requests.check(action, members)

    assert raised.value.message == message


WRONG_TYPES = {
    "no object": ("ListDomains", []),
    "number for text": ("DescribeDomain", {"name": 1}),
    "text for number": ("ListDomains", {"registrationStatus": "REGISTERED", "maximumPageSize": "10"}),
    "truth for number": ("ListDomains", {"registrationStatus": "REGISTERED", "maximumPageSize": True}),
    "fraction": ("ListDomains", {"registrationStatus": "REGISTERED", "maximumPageSize": 1.5}),
    "text for truth": ("ListDomains", {"registrationStatus": "REGISTERED", "reverseOrder": "true"}),
    "text for object": ("PollForActivityTask", {"domain": "d", "taskList": "list"}),
    "object for list": ("RespondDecisionTaskCompleted", {"taskToken": "t", "decisions": {}}),
    "date no clock shows": (
        "CountOpenWorkflowExecutions",
        {"domain": "d", "startTimeFilter": {"oldestDate": 10**30}},
    ),
    "text for date": ("CountOpenWorkflowExecutions", {"domain": "d", "startTimeFilter": {"oldestDate": "0"}}),
}


@pytest.mark.parametrize(("action", "members"), WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_wrong_json_types_cannot_be_read(action: str, members: Any) -> None:
    with pytest.raises(SerializationException):
        requests.check(action, members)


BAD_NAMES = ["a:b", "a/b", "a|b", "a\nb", "a\x85b", "arn", " a", "a ", "\u2003a"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_are_refused_that_the_reference_forbids(name: str) -> None:
    with pytest.raises(ValidationException, match="pattern"):
        requests.check("DescribeDomain", {"name": name})


@pytest.mark.parametrize("name", ["a:b", "a/b", "x arn y", "arn:b", "ä"])
def test_workflow_ids_may_hold_what_recordings_show(name: str) -> None:
    members = {"domain": "d", "workflowId": name}

    assert requests.check("TerminateWorkflowExecution", members) == members


def test_unknown_members_are_left_out() -> None:
    assert requests.check("PollForActivityTask", {**TASK_LIST, "new": 1}) == TASK_LIST


def test_null_counts_as_not_given() -> None:
    assert requests.check("PollForActivityTask", {**TASK_LIST, "identity": None}) == TASK_LIST


def test_empty_optional_ids_count_as_not_given() -> None:
    members = {"domain": "d", "workflowId": "w", "runId": "", "reason": ""}

    checked = requests.check("TerminateWorkflowExecution", members)

    assert checked == {"domain": "d", "workflowId": "w", "reason": ""}


def test_null_among_tags_is_kept() -> None:
    members = {
        "domain": "d",
        "workflowId": "w",
        "workflowType": {"name": "n", "version": "1"},
        "tagList": [None],
    }

    assert requests.check("StartWorkflowExecution", members)["tagList"] == [None]


def test_a_marker_beside_a_close_decision_is_fine() -> None:
    assert requests.check("RespondDecisionTaskCompleted", respond(MARKER, COMPLETE))


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(UnknownOperationException):
        requests.check("StartEverything", {})


def test_an_answer_lists_no_more_violations_than_are_of_use() -> None:
    with pytest.raises(ValidationException) as raised:
        requests.check("RespondDecisionTaskCompleted", respond(*[None] * 100_000))

    assert len(raised.value.message) < 20_000


BAD_JSON = [
    b"{",
    b"\xff",
    b'{"a":1}x',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"a":"\\ud800"}',
    b'{"a":NaN}',
    b'{"a":1e999}',
    b'{"a":' + b"9" * 100_000 + b"}",
]


@pytest.mark.parametrize("body", BAD_JSON, ids=[body[:12] for body in BAD_JSON])
def test_what_is_no_json_is_the_callers_fault(body: bytes) -> None:
    with pytest.raises(SerializationException):
        requests.read(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "domain", "decisions", "decisionType", "taskToken"]), inner
        )
    ),
    max_leaves=10,
)


@given(action=st.sampled_from(sorted(OPERATIONS)), members=json_values)
def test_any_json_gives_a_request_or_a_fault(action: str, members: Any) -> None:
    with contextlib.suppress(SerializationException, ValidationException):
        assert isinstance(requests.check(action, members), dict)


@given(st.binary(max_size=50))
def test_any_bytes_are_json_or_the_callers_fault(body: bytes) -> None:
    with contextlib.suppress(SerializationException):
        requests.read(body)


NO_NEXT_POLLS = [
    b"PollForActivityTask",
    b"[]",
    b"\xff",
    b'{"action":"PollForActivityTask"}',
    b'{"request":{}}',
    b'{"action":"StartWorkflowExecution","request":{}}',
    b'{"action":"PollForActivityTask","request":{}',
    b'{"action":"PollForActivityTask","request":[]}',
    b'{"action":"PollForActivityTask","request":' + b"[" * 15_000,
    b"[" * 15_000,
    b'{"x":' * 3_000,
]


@pytest.mark.parametrize("named", NO_NEXT_POLLS, ids=[named[-30:] for named in NO_NEXT_POLLS])
def test_what_is_no_next_poll_is_the_callers_fault(named: bytes) -> None:
    with pytest.raises(SerializationException):
        requests.next_poll(named)


def test_the_request_of_a_next_poll_is_checked_as_any_other() -> None:
    with pytest.raises(ValidationException, match="'domain' failed"):
        requests.next_poll(b'{"action":"PollForActivityTask","request":{"taskList":{"name":"list"}}}')


def test_a_next_poll_is_read_as_the_same_poll_alone() -> None:
    body = json.dumps(TASK_LIST).encode()

    action, request, most_tasks = requests.next_poll(b'{"request":%b,"action":"PollForDecisionTask"}' % body)

    assert (action, request) == ("PollForDecisionTask", requests.poll("PollForDecisionTask", body))
    assert most_tasks == 1


_TEXTS = (
    "w",
    "a/b",
    "a|b",
    "arn",
    "",
    " a",
    "a\n",
    "\n",
    "é" * 64,
    "x" * 256,
    "x" * 257,
    "x" * 32_769,
    "\U0001f600",
)
_NUMBERS = (
    "NONE",
    "0",
    "1",
    "14",
    "90",
    "899",
    "900",
    "999",
    "300",
    "-1",
    "+7",
    "31536000",
    "31536001",
    "٣",
    "1\n",
)


def _values(shape: Shape) -> st.SearchStrategy[Any]:
    """What clients may send where the shape is asked for: mostly right, often at a bound, sometimes wrong."""
    return st.one_of(_right(shape), _right(shape), st.sampled_from([None, 1, 0.0, 2.5, "1", True, [], {}]))


def _right(shape: Shape) -> st.SearchStrategy[Any]:
    match shape:
        case Structure() if "decisionType*" in shape.members:
            return st.sampled_from(sorted(DECISION_ATTRIBUTES)).flatmap(_decision)
        case Structure():
            required = {n[:-1]: _values(each) for n, each in shape.members.items() if n.endswith("*")}
            optional = {n: _values(each) for n, each in shape.members.items() if not n.endswith("*")}
            optional["unknown"] = st.just("x")
            return st.fixed_dictionaries(required, optional=optional)
        case ListOf():
            return st.lists(_values(shape.item), max_size=6)
        case Choice():
            return st.sampled_from([*shape.values, "NONE"])
        case Whole():
            return st.sampled_from([shape.lowest - 1, shape.lowest, shape.highest, shape.highest + 1, 3.0])
        case Flag():
            return st.booleans()
        case Moment():
            return st.sampled_from([0, 1.5, 1_700_000_000])
        case NumberText():
            return st.sampled_from(_NUMBERS)
    return st.sampled_from(_TEXTS)


def _decision(decision_type: str) -> st.SearchStrategy[Any]:
    attributes = {attributes_member(decision_type): _right(DECISION_ATTRIBUTES[decision_type])}
    return st.fixed_dictionaries({"decisionType": st.just(decision_type)}, optional=attributes)


def _outcome(check: Callable[[], dict[str, Any]]) -> object:
    try:
        return check()
    except SwfFault as fault:
        return type(fault), fault.message


@pytest.mark.parametrize("action", sorted(OPERATIONS))
@given(data=st.data())
def test_a_request_read_in_one_go_is_the_one_that_the_table_gives(action: str, data: st.DataObject) -> None:
    body = json.dumps(data.draw(_right(OPERATIONS[action]))).encode()

    in_one_go = _outcome(lambda: requests.checked(action, body))

    assert in_one_go == _outcome(lambda: requests.check(action, requests.read(body)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"taskToken":"t","taskToken":1}',
        b'{"taskToken":1,"taskToken":"t"}',
        b'{"taskToken":"\\ud800"}',
        b'{"taskToken":"\xff"}',
        b'{"taskToken":"t"} x',
    ],
)
def test_odd_bytes_are_what_the_table_says(body: bytes) -> None:
    action = "RespondActivityTaskCompleted"

    in_one_go = _outcome(lambda: requests.checked(action, body))

    assert in_one_go == _outcome(lambda: requests.check(action, requests.read(body)))

"""What the fuzzer sends: noise, mutations, requests shaped by the table, calls in any order with real tokens.

Everything comes from one seeded generator, so a run can be repeated. Names are few, so that requests meet:
most of them are about things that exist, and many about things that have just ended.
"""

from __future__ import annotations

import json
import random
import string
from collections import deque
from collections.abc import Callable
from typing import Any

from flowyd.engine.request_shapes import Choice, Flag, ListOf, Moment, NumberText, Shape, Structure, Whole
from flowyd.engine.request_table import DECISION_ATTRIBUTES, OPERATIONS, attributes_member
from flowyd.swf.actions import ACTIONS
from tests.contract.wire import message

DOMAIN = "fuzz"
#: Some are known, some break a rule, some are as long as they may be.
TEXTS = (
    *("w", "a", "1", "list", "other", "", "a/b", "a|b", "arn", "\n", "\0", "é" * 64, "x" * 256, "x" * 300),
    *("NONE", "0", "1", "300", "-1", "99999999", "\ud800", "\U0001f600", "REGISTERED", "y" * 40_000),
)
_NAMES = {
    "domain": (DOMAIN,) * 20 + ("unknown", ""),
    "workflowId": tuple(f"w-{number}" for number in range(40)),
    "activityId": tuple(f"a-{number}" for number in range(6)),
    "timerId": ("t-0", "t-1", "t-2"),
    "name": ("list", "list", "list", "type", "other"),
    "version": ("1", "1", "1", "2"),
    "startToFireTimeout": ("0", "1", "1", "3600"),
    "childPolicy": ("TERMINATE", "REQUEST_CANCEL", "ABANDON"),
}
_TIMEOUTS = ("1", "2", "60", "60", "NONE")


class Inputs:
    """Makes requests, and learns ids and tokens from the answers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        #: Tokens and runs of late, among them some that have ended.
        self._tokens: dict[str, deque[str]] = {
            kind: deque(maxlen=30) for kind in ("decision", "activity", "page")
        }
        self._runs: deque[dict[str, str]] = deque(maxlen=60)

    def learn(self, action: str, answer: dict[str, Any]) -> None:
        """Notes what later requests may name."""
        if token := answer.get("taskToken"):
            self._tokens["decision" if "Decision" in action else "activity"].append(token)
        if token := answer.get("nextPageToken"):
            self._tokens["page"].append(token)
        if action == "StartWorkflowExecution" and "runId" in answer:
            self._runs.append({"runId": answer["runId"]})
        if execution := answer.get("workflowExecution"):
            self._runs.append(execution)
        for info in answer.get("executionInfos", [])[:3]:
            self._runs.append(info["execution"])

    def noise(self) -> bytes:
        """Random bytes, some of them after a proper beginning."""
        noise = self.random.randbytes(self.random.randrange(400))
        start = self.random.choice(
            (b"", b"POST / HTTP/1.1\r\n", b"GET /", b"\x16\x03\x01", b"POST / HTTP/1.1\r\nContent-Length: ")
        )
        return start + noise + self.random.choice((b"", b"\r\n\r\n"))

    def mutation(self) -> bytes:
        """A proper request with some bytes changed, left out, doubled or cut off."""
        sent = bytearray(message(*self.call()))
        for _ in range(self.random.randint(1, 6)):
            place = self.random.randrange(len(sent)) if sent else 0
            match self.random.randrange(5):
                case 0 if sent:
                    sent[place] = self.random.randrange(256)
                case 1:
                    del sent[place : place + self.random.randint(1, 20)]
                case 2:
                    sent[place:place] = self.random.randbytes(self.random.randint(1, 20))
                case 3:
                    sent[place:place] = sent[place : place + self.random.randint(1, 300)]
                case _ if self.random.random() < 0.2:
                    del sent[place:]
        return bytes(sent)

    def shaped(self) -> tuple[str, object]:
        """An operation and members that are those of the table, or nearly."""
        action = self.random.choice(ACTIONS_IN_ORDER)
        return action, self._near(OPERATIONS[action], action)

    def call(self) -> tuple[str, dict[str, Any]]:
        """An operation that makes sense, with ids and tokens that exist or have existed."""
        action, make = self.random.choice(_CALLS)
        return action, make(self)

    # Members near the table

    def _near(self, shape: Shape, name: str) -> object:
        chance = self.random.random()
        if chance < 0.02:
            return self._anything(3)
        if name in ("taskToken", "nextPageToken") and chance < 0.7:
            return self._token(self.random.choice(("decision", "activity", "page")))
        if name in _NAMES and chance < 0.8:
            return self.random.choice(_NAMES[name])
        match shape:
            case Structure():
                return self._near_structure(shape)
            case ListOf():
                return [self._near(shape.item, name) for _ in range(self.random.choice((0, 1, 1, 2, 7)))]
            case Choice():
                return self.random.choice((*shape.values, *shape.values, "NEITHER"))
            case Flag():
                return self.random.random() < 0.5
            case Whole():
                return self.random.choice((0, 1, 2, 1000, 1001, -1, 2**63, 1.0, 1.5))
            case Moment():
                return self.random.choice((0, 0, 1e9, 2e9, -1, 1e300, 2**70, 1.5))
            case NumberText() if chance < 0.9:
                return self.random.choice(_TIMEOUTS)
            case _:
                return self.random.choice(TEXTS)

    def _near_structure(self, shape: Structure) -> object:
        found = {}
        for key, inner in shape.members.items():
            name = key.removesuffix("*")
            if self.random.random() < (0.4 if name == key else 0.97):
                found[name] = self._near(inner, name)
        return found

    def _anything(self, depth: int) -> object:
        match self.random.randrange(8 if depth else 6):
            case 0:
                return None
            case 1:
                return self.random.random() < 0.5
            case 2:
                return self.random.choice((0, -1, 2**31, 2**64, 10**400))
            case 3:
                return self.random.choice((0.0, -1.5, 1e308))
            case 4 | 5:
                return self.random.choice((*TEXTS[:-1], "".join(self.random.choices(string.printable, k=5))))
            case 6:
                return [self._anything(depth - 1) for _ in range(self.random.randrange(4))]
            case _:
                return {self.random.choice(TEXTS[:8]): self._anything(depth - 1) for _ in range(3)}

    # Calls that make sense

    def _token(self, kind: str) -> str:
        known = self._tokens[kind]
        if not known:
            return "bm8gdG9rZW4="
        # The newest is most likely still good.
        token = known[-1] if self.random.random() < 0.7 else self.random.choice(known)
        if self.random.random() < 0.03:
            place = self.random.randrange(len(token))
            token = token[:place] + self.random.choice(string.ascii_letters) + token[place + 1 :]
        return token

    def name(self, member: str) -> str:
        return self.random.choice(_NAMES[member])

    def run(self) -> dict[str, str]:
        known = self.random.choice(self._runs) if self._runs else {}
        return {"workflowId": self.name("workflowId"), "runId": "unknown", **known}

    def external(self) -> dict[str, str]:
        return self.run() if self.random.random() < 0.3 else {"workflowId": self.name("workflowId")}

    def payload(self) -> str:
        return self.random.choice(("", "0", "x" * 100, "é\U0001f600\0", "y" * 5_000))

    def type(self) -> dict[str, str]:
        return {"name": "type", "version": self.random.choice("1112")}

    def list(self) -> dict[str, Any]:
        return {"domain": DOMAIN, "taskList": {"name": self.random.choice(("list", "list", "other"))}}

    def start(self) -> dict[str, Any]:
        return {
            "domain": DOMAIN,
            "workflowId": self.name("workflowId"),
            "workflowType": self.type(),
            "taskList": {"name": "list"},
            "childPolicy": self.name("childPolicy"),
            "executionStartToCloseTimeout": self.random.choice(("5", "30", "3600")),
            "taskStartToCloseTimeout": self.random.choice(("2", "20", "NONE")),
            "tagList": self.random.sample(("a", "b", "c", "d", "e"), self.random.randrange(6)),
            "input": self.payload(),
        }

    def decisions(self) -> list[dict[str, Any]]:
        found = []
        for _ in range(self.random.choice((0, 1, 1, 2, 5))):
            kind = self.random.choice((*DECISION_ATTRIBUTES, "ScheduleActivityTask", "StartTimer"))
            attributes = self._near(DECISION_ATTRIBUTES[kind], kind)
            if isinstance(attributes, dict):
                attributes = {**attributes, **_LIKELY.get(kind, dict)()}
            found.append({"decisionType": kind, attributes_member(kind): attributes})
        return found

    def completed(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"taskToken": self._token("decision"), "decisions": self.decisions()}
        if self.random.random() < 0.2:
            answer |= {"taskList": {"name": "other"}, "taskListScheduleToStartTimeout": "1"}
        return answer

    def filtered(self) -> dict[str, Any]:
        request: dict[str, Any] = {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
        request |= self.random.choice(
            (
                {},
                {"tagFilter": {"tag": "a"}},
                {"typeFilter": self.type()},
                {"executionFilter": {"workflowId": self.name("workflowId")}},
            )
        )
        return request

    def paged(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.random.random() < 0.3:
            request |= {"nextPageToken": self._token("page")}
        return request | {"maximumPageSize": self.random.choice((1, 3, 100))}

    def answered(self, **members: Any) -> dict[str, Any]:
        return {"taskToken": self._token("activity"), **members}


#: Members that make most decisions of a kind succeed.
_LIKELY: dict[str, Callable[[], dict[str, Any]]] = {
    "ScheduleActivityTask": lambda: {
        "activityType": {"name": "type", "version": "1"},
        "taskList": {"name": "list"},
        "scheduleToStartTimeout": "5",
        "scheduleToCloseTimeout": "20",
        "startToCloseTimeout": "2",
        "heartbeatTimeout": "NONE",
    },
    "StartChildWorkflowExecution": lambda: {
        "workflowType": {"name": "type", "version": "1"},
        "taskList": {"name": "list"},
        "childPolicy": "TERMINATE",
        "executionStartToCloseTimeout": "30",
        "taskStartToCloseTimeout": "5",
    },
    "ContinueAsNewWorkflowExecution": lambda: {
        "taskList": {"name": "list"},
        "childPolicy": "TERMINATE",
        "executionStartToCloseTimeout": "30",
        "taskStartToCloseTimeout": "5",
    },
}

ACTIONS_IN_ORDER = sorted(ACTIONS)
_SECOND_TYPE = {"domain": DOMAIN, "workflowType": {"name": "type", "version": "2"}}
_Make = Callable[[Inputs], dict[str, Any]]
_CALLS: tuple[tuple[str, _Make], ...] = (
    *((("StartWorkflowExecution", Inputs.start),) * 4),
    *((("PollForDecisionTask", lambda i: i.paged(i.list())),) * 6),
    *((("RespondDecisionTaskCompleted", Inputs.completed),) * 8),
    *((("PollForActivityTask", Inputs.list),) * 4),
    *((("RespondActivityTaskCompleted", lambda i: i.answered(result=i.payload())),) * 3),
    ("RespondActivityTaskFailed", lambda i: i.answered(reason="r", details=i.payload())),
    ("RespondActivityTaskCanceled", lambda i: i.answered(details=i.payload())),
    ("RecordActivityTaskHeartbeat", lambda i: i.answered(details="half")),
    ("SignalWorkflowExecution", lambda i: {"domain": DOMAIN, "signalName": "s", **i.external()}),
    ("RequestCancelWorkflowExecution", lambda i: {"domain": DOMAIN, **i.external()}),
    ("TerminateWorkflowExecution", lambda i: {"domain": DOMAIN, **i.external()}),
    ("DescribeWorkflowExecution", lambda i: {"domain": DOMAIN, "execution": i.run()}),
    ("GetWorkflowExecutionHistory", lambda i: i.paged({"domain": DOMAIN, "execution": i.run()})),
    ("ListOpenWorkflowExecutions", lambda i: i.paged(i.filtered())),
    ("ListClosedWorkflowExecutions", lambda i: i.paged(i.filtered())),
    ("CountOpenWorkflowExecutions", Inputs.filtered),
    ("CountClosedWorkflowExecutions", Inputs.filtered),
    ("CountPendingActivityTasks", Inputs.list),
    ("CountPendingDecisionTasks", Inputs.list),
    ("DeprecateWorkflowType", lambda _: _SECOND_TYPE),
    ("UndeprecateWorkflowType", lambda _: _SECOND_TYPE),
    ("DeleteWorkflowType", lambda _: _SECOND_TYPE),
    ("RegisterWorkflowType", lambda _: {"domain": DOMAIN, "name": "type", "version": "2"}),
    ("ListTagsForResource", lambda _: {"resourceArn": f"arn:aws:swf:local:000000000000:/domain/{DOMAIN}"}),
)


def body_of(members: object) -> bytes:
    """JSON of any members; lone surrogates go as escapes."""
    return json.dumps(members).encode()

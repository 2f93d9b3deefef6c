"""Fills an engine's database with executions, through the engine's own service, without sockets.

Durability is normal while filling: what is filled is thrown away after the measurement, and a thousand calls
share a turn.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from flowyd.config.records import Durability
from flowyd.engine.calls import Answered, Call
from flowyd.engine.clock import SystemClock
from flowyd.engine.opening import open_service
from flowyd.engine.service import Service
from flowyd.swf.faults import SwfFault

DOMAIN = "bench"
_TURN = 1_000
_LIST = {"name": "filled"}
_TYPE = {"name": "filled", "version": "1"}
_COMPLETE = [
    {
        "decisionType": "CompleteWorkflowExecution",
        "completeWorkflowExecutionDecisionAttributes": {"result": "null"},
    }
]
_decode = msgspec.json.Decoder().decode


def fill_open(database: Path, count: int) -> None:
    """So many open executions, each with a decision task on a list that nobody polls."""
    service = _opened(database)
    for _ in _started(service, count):
        pass
    service.close()


def fill_closed(database: Path, count: int) -> None:
    """So many completed executions of five events."""
    service = _opened(database)
    for size in _started(service, count):
        poll = {"domain": DOMAIN, "taskList": _LIST, "maximumPageSize": 1}
        answers = _turn(service, (Call(action="PollForDecisionTask", request=poll) for _ in range(size)))
        tokens = [_decode(one.result)["taskToken"] for one in answers if isinstance(one.result, bytes)]
        _turn(
            service,
            (
                Call(
                    action="RespondDecisionTaskCompleted",
                    request={"taskToken": token, "decisions": _COMPLETE},
                )
                for token in tokens
            ),
        )
    service.close()


def _opened(database: Path) -> Service:
    service = open_service(database=database, clock=SystemClock(), durability=Durability.NORMAL)
    _turn(service, [_call("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays="90")])
    _turn(
        service,
        [
            _call(
                "RegisterWorkflowType",
                domain=DOMAIN,
                **_TYPE,
                defaultTaskList=_LIST,
                defaultTaskStartToCloseTimeout="NONE",
                defaultExecutionStartToCloseTimeout="86400",
                defaultChildPolicy="TERMINATE",
            )
        ],
    )
    return service


def _started(service: Service, count: int) -> Iterator[int]:
    """Starts executions turn by turn; the number of each turn, after it."""
    numbers = iter(range(count))
    while chunk := list(itertools.islice(numbers, _TURN)):
        _turn(
            service,
            (
                _call(
                    "StartWorkflowExecution",
                    domain=DOMAIN,
                    workflowId=f"filled-{number}",
                    workflowType=_TYPE,
                )
                for number in chunk
            ),
        )
        yield len(chunk)


def _call(action: str, **request: Any) -> Call:
    return Call(action=action, request=request)


def _turn(service: Service, calls: Iterable[Call]) -> list[Answered]:
    answers = service.turn(list(calls))
    for answered in answers:
        if isinstance(answered.result, SwfFault):
            raise answered.result
    return answers

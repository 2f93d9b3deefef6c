"""Result objects: what they give, and what they refuse."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest

from flowyd import (
    Error,
    Placeholder,
    PlaceholderError,
    Result,
    ResultObject,
    SuspendTask,
    TaskError,
    TaskTimedout,
    Timeout,
    first,
    gather,
)
from flowyd.errors import FlowydError

OBJECTS = [
    Placeholder(call="c-0"),
    Result(3, call="c-0"),
    Error(TaskError("bad"), call="c-0"),
    Timeout(TaskTimedout(), call="c-0"),
]

USES: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "if not": operator.not_,
    "iteration": list,
    "len": len,
    "index": lambda x: x[0],
    "in": lambda x: 1 in x,
    "add": lambda x: x + 1,
    "radd": lambda x: 1 + x,
    "sum": lambda x: sum([x]),
    "multiply": lambda x: x * 2,
    "power": lambda x: 2**x,
    "negation": operator.neg,
    "less": lambda x: x < 1,
    "sorting": lambda x: sorted([x, 1]),
    "equality": lambda x: x == 3,
    "inequality": lambda x: x != 3,
    "text": str,
    "format": lambda x: f"{x}",
    "number": int,
    "range": range,
    "call": lambda x: x(),
    "with": lambda x: x.__enter__(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("result", OBJECTS, ids=lambda result: type(result).__name__)
def test_use_as_the_value_is_refused_finished_or_not(
    result: ResultObject[Any], use: Callable[[Any], Any]
) -> None:
    with pytest.raises(PlaceholderError, match=r"c-0.*use \.result\(\)"):
        use(result)


@pytest.mark.parametrize("result", OBJECTS, ids=lambda result: type(result).__name__)
def test_attributes_of_the_value_are_refused_with_advice(result: ResultObject[Any]) -> None:
    with pytest.raises(AttributeError, match=r"c-0 has no attribute 'upper'.*use \.result\(\)"):
        result.upper()  # type: ignore[attr-defined]  # what the test is about


def test_identity_and_hash_work() -> None:
    one, other = Result(1), Result(1)

    assert one == one  # identity is the point
    assert one != other
    assert len({one, other, one}) == 2
    assert repr(Result(1, call="c-0")) == "<Result c-0>"


def test_a_placeholder_suspends() -> None:
    with pytest.raises(SuspendTask):
        Placeholder().result()


def test_suspend_passes_through_except_exception() -> None:
    assert not issubclass(SuspendTask, Exception)


def test_an_error_raises_its_task_error_each_time() -> None:
    error: Error[int] = Error(TaskError("bad"))

    for _ in range(2):
        with pytest.raises(TaskError, match="bad"):
            error.result()


def test_a_timeout_is_an_error_too() -> None:
    timeout: Timeout[int] = Timeout(TaskTimedout(kind="HEARTBEAT"))

    assert isinstance(timeout, Error)
    with pytest.raises(TaskTimedout, match=r"A job has timed out\."):
        timeout.result()


def test_task_errors_are_of_flowyds_family() -> None:
    assert issubclass(TaskTimedout, TaskError)
    assert issubclass(TaskError, FlowydError)


def test_first_of_nothing_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nothing to wait for"):
        first()


def test_coroutines_cannot_be_combined() -> None:
    async def branch() -> None: ...

    coroutine = branch()
    with pytest.raises(FlowydError, match="coroutines cannot be combined"):
        gather(coroutine)
    coroutine.close()

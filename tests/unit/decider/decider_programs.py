"""Random workflow programs as data, the workflow that interprets them, and activities to call.

A program is a list of statements `[verb, operands, more]`; each adds one value, to which later statements
refer by its number. It travels as the workflow's input, so that one class runs them all. Values that end in
an error only go where errors are handled, one at a time: then the result depends on no order of arrival.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from flowyd import (
    ActivityProxy,
    RetryPolicy,
    TaskError,
    Workflow,
    WorkflowProxy,
    activity,
    gather,
    parallel_reduce,
    workflow,
)

TASK_LIST = "t"

#: Verbs whose value is an error in the end.
_FAILING = ("fail", "again")
_PLAIN = ("add", "slow", "gather", "reduce")
_ALL = (*_PLAIN, *_FAILING, "passes", "read", "sleep", "child")


def _flat(values: Any) -> list[int]:
    if isinstance(values, (list, tuple)):
        return [number for value in values for number in _flat(value)]
    return [values] if isinstance(values, int) else [len(values)]


@activity("add", 1, TASK_LIST)
def add(*numbers: Any) -> int:
    return sum(_flat(numbers)) + 1


@activity("plus", 1, TASK_LIST)
def plus(one: Any, other: Any) -> int:
    return sum(_flat([one, other]))


@activity("fail", 1, TASK_LIST)
def fail(*numbers: Any) -> int:
    raise ValueError(f"will not add {sum(_flat(numbers))}")


@workflow("program", 1, TASK_LIST, workflow_duration=10_000_000)
class Program(Workflow):
    """Interprets a program."""

    add = ActivityProxy("add", 1)
    slow = ActivityProxy("add", 1, delay=7)
    plus = ActivityProxy("plus", 1)
    fail = ActivityProxy("fail", 1, error_handling=True)
    again = ActivityProxy(
        "fail", 1, error_handling=True, retry_policy=RetryPolicy(maximum_attempts=2, first_interval_s=3)
    )
    passes = ActivityProxy("add", 1, error_handling=True)
    child = WorkflowProxy("program", 1)

    def run(self, program: list[Any]) -> Any:
        values: list[Any] = []
        for verb, operands, more in program:
            values.append(self._step(verb, [values[n] for n in operands], more))
        return [self._read(value) for value in values]

    def _step(self, verb: str, operands: list[Any], more: Any) -> Any:
        if verb == "read":
            return [self._read(operand) for operand in operands]
        if verb == "sleep":
            self.sleep(more)
            return more
        if verb == "gather":
            return gather(operands)
        if verb == "reduce":
            return parallel_reduce(self.plus, operands, 0)
        if verb == "child":
            return self.child(more)
        return getattr(self, verb)(*operands, more)

    def _read(self, value: Any) -> Any:
        try:
            return value.result() if hasattr(value, "result") else value
        except TaskError as error:
            return error.reason


@st.composite
def programs(draw: st.DrawFn, *, children: bool = True) -> list[Any]:
    """A program of up to eight statements; children hold programs of their own."""
    statements: list[Any] = []
    sound: list[int] = []
    unsound: list[int] = []
    for number in range(draw(st.integers(1, 8))):
        verb = draw(st.sampled_from(_ALL if children else _ALL[:-1]))
        operands = draw(st.lists(st.sampled_from(sound), max_size=3)) if sound else []
        if verb in ("passes", "read") and unsound and draw(st.booleans()):
            operands = [*operands, draw(st.sampled_from(unsound))]
        more: Any = draw(st.integers(0, 9))
        if verb == "child":
            more = draw(programs(children=False))
        statements.append([verb, operands, more])
        fails = verb in _FAILING or (verb == "passes" and bool(set(operands) & set(unsound)))
        (unsound if fails else sound).append(number)
    return statements


SOURCES = [Program, add, plus, fail]

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
    CancelRequested,
    RetryPolicy,
    TaskError,
    Workflow,
    WorkflowProxy,
    activity,
    first,
    gather,
    parallel_reduce,
    wait,
    workflow,
)

TASK_LIST = "t"

#: What a program comes to whose cancellation was requested in time.
CLEANED = "cleaned up"

#: Verbs whose value is an error in the end.
_FAILING = ("fail", "again")
_PLAIN = ("add", "slow", "gather", "reduce", "steady", "first", "abandon", "watch")
_ALL = (*_PLAIN, *_FAILING, "passes", "read", "sleep", "child", "signal")
#: What also children do.
_INNER = tuple(verb for verb in _ALL if verb not in ("child", "signal"))


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


@activity("steady", 1, TASK_LIST)
def steady(*numbers: Any) -> int:
    return sum(_flat(numbers)) + 2


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
    steady = ActivityProxy(
        "steady", 1, retry_policy=RetryPolicy(maximum_attempts=6, first_interval_s=2, jitter=0.5)
    )
    passes = ActivityProxy("add", 1, error_handling=True)
    child = WorkflowProxy("program", 1)

    def run(self, program: list[Any]) -> Any:
        try:
            return self._run(program)
        except CancelRequested:
            self.add(0).result()
            return CLEANED

    def _run(self, program: list[Any]) -> Any:
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
        if verb == "signal":
            return self.signal("told").result()
        if verb == "first":
            return first(operands, self.add(more)) is not None
        if verb == "abandon":
            return self._abandon(self.slow(operands, more), more)
        if verb == "watch":
            watch = self.timer(more)
            first(watch, self.add(operands))
            return self._abandon(watch, more)
        return getattr(self, verb)(*operands, more)

    def _abandon(self, result: Any, more: int) -> int:
        """Whether it is canceled or was finished before depends on time; the value does not."""
        result.cancel()
        wait(result)
        return more

    def _read(self, value: Any) -> Any:
        try:
            return value.result() if hasattr(value, "result") else value
        except TaskError as error:
            return error.reason


@st.composite
def programs(draw: st.DrawFn, *, children: bool = True) -> list[Any]:
    """A program of up to eight statements; children hold programs of their own, which neither have."""
    statements: list[Any] = []
    sound: list[int] = []
    unsound: list[int] = []
    for number in range(draw(st.integers(1, 8))):
        verb = draw(st.sampled_from(_ALL if children else _INNER))
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


def signals_of(program: list[Any]) -> list[int]:
    """The values of the signals a program waits for."""
    return list(range(sum(verb == "signal" for verb, _, _ in program)))


SOURCES = [Program, add, plus, fail, steady]

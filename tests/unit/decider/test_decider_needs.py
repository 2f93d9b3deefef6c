"""What a run that waits says of the completions to come: which of them need a decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowyd import (
    ActivityProxy,
    RetryPolicy,
    Workflow,
    WorkflowProxy,
    finish_order,
    first,
    gather,
    parallel_reduce,
    wait,
    workflow,
)
from flowyd.decider import Suspended, needs
from flowyd.decider.outcomes import DecideAfter
from tests.unit.decider.decider_script import Script


@pytest.fixture
def _small_programs_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "WIDE", 2)


pytestmark = pytest.mark.usefixtures("_small_programs_count")


class Calls(Workflow):
    a = ActivityProxy("a", 1)
    late = ActivityProxy("a", 1, delay=5)
    again = ActivityProxy("a", 1, retry_policy=RetryPolicy(first_interval_s=5, jitter=0))
    child = WorkflowProxy("child", 1)


def begun(run: Callable[[Any], Any]) -> Script:
    """The script of a workflow with this `run`, after its first decision."""
    script = Script(workflow("w", 1, "l")(type("W", (Calls,), {"run": run})))
    script.decides()
    return script


def said(script: Script) -> DecideAfter | None:
    assert isinstance(script.outcome, Suspended)
    return script.outcome.decide_after


def together(*groups: str, queued: int = 0) -> DecideAfter:
    return DecideAfter(together=[tuple(group.split()) for group in groups], queued=queued)


def _wait(self: Any) -> None:
    wait(self.a(), [self.a()])


def _gather(self: Any) -> None:
    gather(self.a(), self.a()).result()


def _argument(self: Any) -> Any:
    return self.a(self.a(), [self.a()])


def _returned(self: Any) -> str:
    self.a(), self.a()
    return "done"


def _first_of_pairs(self: Any) -> None:
    first(gather(self.a(), self.a()), gather(self.a(), self.a()))


def _read_one_by_one(self: Any) -> None:
    for result in [self.a(), self.a()]:
        result.result()


def _gathered_gathers(self: Any) -> None:
    wait(gather(gather(self.a(), self.a()), self.a()))


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (_wait, together("a-0-0 a-1-0")),
        (_gather, together("a-0-0 a-1-0")),
        (_argument, together("a-0-0 a-1-0")),
        (_returned, together("a-0-0 a-1-0")),
        (_first_of_pairs, together("a-0-0 a-1-0", "a-2-0 a-3-0")),
        (_read_one_by_one, together("a-0-0")),
        (_gathered_gathers, together("a-0-0 a-1-0", "a-0-0 a-1-0 a-2-0")),
    ],
)
def test_activities_that_are_waited_for_together_are_named(
    run: Callable[[Any], Any], expected: DecideAfter
) -> None:
    assert said(begun(run)) == expected


def _one(self: Any) -> None:
    self.a().result()


def _first(self: Any) -> None:
    first(self.a(), self.a())


def _finish_order(self: Any) -> None:
    list(finish_order(self.a(), self.a()))


def _one_each(self: Any) -> None:
    wait([self.a(self.a()) for _ in range(3)])


def _reduce(self: Any) -> None:
    parallel_reduce(self.a, [self.a(), self.a(), self.a()]).result()


@pytest.mark.parametrize("run", [_one, _first, _finish_order, _one_each, _reduce])
def test_nothing_is_said_where_each_completion_counts(run: Callable[[Any], Any]) -> None:
    assert said(begun(run)) is None


def _with_a_timer(self: Any) -> None:
    wait(self.a(), self.a(), self.timer(60))


def _with_a_signal(self: Any) -> None:
    self.a(), self.a()
    self.signal("go").result()


def _with_a_child(self: Any) -> None:
    wait(self.a(), self.a(), self.child())


def _with_a_delay(self: Any) -> None:
    wait(self.a(), self.a(), self.late())


def _with_a_blocked_call(self: Any) -> None:
    wait(self.a(), self.a(), self.a(self.child()))


@pytest.mark.parametrize(
    "run", [_with_a_timer, _with_a_signal, _with_a_child, _with_a_delay, _with_a_blocked_call]
)
def test_where_something_else_must_come_first_no_completion_counts(run: Callable[[Any], Any]) -> None:
    assert said(begun(run)) == together()


def test_what_else_had_to_come_has_come() -> None:
    script = begun(_with_a_timer)
    script.fires("timer-0")
    script.decides()

    assert said(script) == together("a-0-0 a-1-0")


def test_what_has_completed_is_named_no_more() -> None:
    script = begun(lambda self: wait([self.a() for _ in range(3)]))
    script.completes("a-1-0")
    script.decides()

    assert said(script) == together("a-0-0 a-2-0")


def test_a_call_that_is_tried_again_is_named_once_its_pause_is_over() -> None:
    script = begun(lambda self: wait(self.a(), self.a(), self.again()))
    script.fails("again-0-0")
    script.decides()
    assert said(script) == together()

    script.fires("again-0-1-retry")
    script.decides()

    assert said(script) == together("a-0-0 a-1-0 again-0-1")


@pytest.mark.parametrize(("width", "is_said"), [(9, False), (10, True)])
def test_only_wide_programs_say_it(monkeypatch: pytest.MonkeyPatch, width: int, is_said: bool) -> None:
    monkeypatch.undo()

    script = begun(lambda self: wait([self.a() for _ in range(width)]))

    assert (said(script) is not None) is is_said


def test_while_calls_wait_for_room_half_of_it_may_be_used_up() -> None:
    script = begun(lambda self: wait([self.a() for _ in range(65)]))

    assert said(script) == together(queued=32)


def test_who_has_too_many_calls_that_wait_for_arguments_hears_of_every_completion() -> None:
    script = begun(lambda self: [self.a(self.a(), self.a()) for _ in range(101)])

    assert said(script) is None

"""Restarts with `restart_at`: rounds in one run, a new run when the history is long enough."""

from __future__ import annotations

from typing import Any

import pytest

from flowyd import ActivityProxy, CancelRequested, Workflow, activity, restart, wait, workflow
from flowyd.testing import ExecutionFailed, LocalEngine, check_history, run_workflow
from flowyd.testing.engine import START_AT


@activity("add", 1, "l")
def add(one: int, other: int) -> int:
    return one + other


@workflow("sum", 1, "l", restart_at=40)
class Sum(Workflow):
    add = ActivityProxy("add", 1)

    def __init__(self, scheduler: Any = None) -> None:
        super().__init__(scheduler)
        self.fresh = True

    def run(self, number: int, total: int = 0) -> Any:
        assert self.fresh, "each round has a workflow object of its own"
        self.fresh = False
        if number == 0:
            return total
        return restart(number - 1, self.add(total, number))


@workflow("tally", 1, "l", restart_at=25)
class Tally(Workflow):
    def run(self, total: int = 0) -> Any:
        told = self.signal("tell").result()
        return total if told is None else restart(total + told)


@workflow("endless", 1, "l", restart_at=1_000)
class Endless(Workflow):
    add = ActivityProxy("add", 1)

    def run(self) -> Any:
        try:
            self.sleep(10)
        except CancelRequested:
            return "stopped"
        return restart()


@workflow("idle", 1, "l", restart_at=1_000)
class Idle(Workflow):
    def run(self, number: int) -> Any:
        return restart(number - 1) if number else "done"


def runs(engine: LocalEngine) -> int:
    request = {"domain": "test", "startTimeFilter": {"oldestDate": 0}}
    return len(engine.client.pages("ListClosedWorkflowExecutions", request, "executionInfos"))


def test_a_restart_goes_on_in_the_same_run_until_the_history_is_long() -> None:
    with LocalEngine([Sum, add]) as engine:
        assert engine.run(Sum, 20) == 210

        # Six events a round: 40 of them after 7 rounds.
        assert runs(engine) == 3


def test_every_run_of_a_workflow_with_rounds_can_be_replayed() -> None:
    with LocalEngine([Sum, add]) as engine:
        execution = engine.start(Sum, 10)
        execution.result()

        check_history(Sum, execution.history(), run_id=execution.run_id)


def test_rounds_end_as_plain_python_does() -> None:
    assert run_workflow(Sum, 20, activities=[add]) == 210


def test_a_round_may_read_signals_only() -> None:
    with LocalEngine([Tally]) as engine:
        execution = engine.start(Tally)
        for told in [*range(10), None]:
            execution.signal("tell", told)
            engine.settle()

        assert execution.engine.open_executions() == []
        assert runs(engine) == 2


def test_a_cancel_request_reaches_the_round_that_waits() -> None:
    with LocalEngine([Endless]) as engine:
        execution = engine.start(Endless)
        engine.skip(55)
        execution.request_cancel()

        assert execution.result() == "stopped"
        assert runs(engine) == 1


def test_a_round_that_does_nothing_begins_a_new_run() -> None:
    with LocalEngine([Idle]) as engine:
        assert engine.run(Idle, 3) == "done"

        assert runs(engine) == 4


def test_restart_at_must_come_before_the_end_of_the_service() -> None:
    with pytest.raises(ValueError, match="restart_at must be between"):
        workflow("w", 1, "l", restart_at=25_000)


@workflow("unmade", 1, "l")
class Unmade(Workflow):
    def __init__(self, scheduler: Any = None) -> None:
        super().__init__(scheduler)
        raise LookupError("not today")

    def run(self) -> None:
        """Never reached."""


def test_an_exception_in_the_constructor_is_the_authors_failure() -> None:
    with LocalEngine([Unmade]) as engine, pytest.raises(ExecutionFailed, match="not today"):
        engine.run(Unmade)


@workflow("waker", 1, "l")
class Waker(Workflow):
    add = ActivityProxy("add", 1)

    def run(self) -> Any:
        timers = [self.timer(1_000 + number) for number in range(100)]
        total = self.add(1, 2).result()
        timers[-1].result()
        return [total, len(timers)]


def test_many_timers_of_the_author_do_not_hold_up_activities() -> None:
    with LocalEngine([Waker, add]) as engine:
        execution = engine.start(Waker)
        engine.settle()

        done = [event["eventType"] for event in execution.history()]
        assert done.count("TimerStarted") == 100
        assert "ActivityTaskCompleted" in done
        assert execution.result() == [3, 100]
        check_history(Waker, execution.history(), run_id=execution.run_id)


@workflow("impatient", 1, "l")
class Impatient(Workflow):
    delayed = ActivityProxy("add", 1, delay=1_000, error_handling=True)

    def run(self, waits: bool) -> Any:
        late = self.delayed(1, 2)
        late.cancel()
        if waits:
            wait(late)
        return "gone on"


@pytest.mark.parametrize("waits", [True, False])
def test_a_run_goes_on_after_it_canceled_the_timer_it_needs(waits: bool) -> None:
    with LocalEngine([Impatient, add]) as engine:
        execution = engine.start(Impatient, waits)
        engine.settle()

        assert execution.result() == "gone on"
        assert len([e for e in execution.history() if e["eventType"] == "TimerStarted"]) == 2
        assert engine.clock.now() < START_AT + 10
        check_history(Impatient, execution.history(), run_id=execution.run_id)

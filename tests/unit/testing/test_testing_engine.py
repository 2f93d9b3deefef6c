"""flowyd.testing as authors use it: plain runs, the engine in process, faults, stored histories."""

from __future__ import annotations

import pytest

from flowyd import (
    Activity,
    ActivityProxy,
    CancelRequested,
    RetryPolicy,
    SuspendTask,
    TaskError,
    TaskTimedout,
    Workflow,
    WorkflowProxy,
    activity,
    first,
    workflow,
)
from flowyd.errors import ProgramError
from flowyd.testing import (
    ExecutionFailed,
    HistoryMismatch,
    LocalEngine,
    Raises,
    TimesOut,
    WorkerDies,
    WorkflowFailed,
    check_history,
    run_workflow,
)
from flowyd.testing.fixtures import StartEngine


@activity("double", 1, "numbers")
class Double(Activity):
    def run(self, number: int) -> int:
        return 2 * number


@activity("later", 1, "numbers")
class Later(Activity):
    tokens: list[str] = []  # noqa: RUF012  # how a real one would hand its token on

    def run(self) -> None:
        self.tokens.append(self.token)
        raise SuspendTask


@activity("slow", 1, "numbers")
async def slow(number: int) -> int:
    return number


@workflow("doubles", 1, "w")
class Doubles(Workflow):
    double = ActivityProxy.to(Double)

    def run(self, number: int):
        return self.double(self.double(number))


@workflow("parent", 1, "w")
class Parent(Workflow):
    child = WorkflowProxy.to(Doubles)
    slow = ActivityProxy("slow", 1)

    async def run(self, number: int):
        return await self.child(number) + await self.slow(1)


@workflow("yearly", 1, "w", workflow_duration=31_536_000)
class Yearly(Workflow):
    double = ActivityProxy("double", 1)

    def run(self) -> int:
        months = 0
        while months < 12:
            self.sleep(30 * 86_400)
            months = self.double(months).result() // 2 + 1
        return months


@workflow("handles", 1, "w")
class Handles(Workflow):
    double = ActivityProxy("double", 1, error_handling=True, retry=0)

    def run(self) -> str:
        try:
            return str(self.double(1).result())
        except TaskTimedout as error:
            return f"timed out: {error.kind}"
        except TaskError as error:
            return f"{error.error_type}: {error.reason}"


@workflow("approval", 1, "w")
class Approval(Workflow):
    double = ActivityProxy("double", 1)

    def run(self):
        approved, late = self.signal("approve"), self.timer(3_000)
        try:
            return self.double(approved).result() if first(approved, late) is approved else "late"
        except CancelRequested:
            return self.double(-1)


@workflow("counts", 1, "w")
class Counts(Workflow):
    def run(self, number: int):
        if number < 3:
            self.restart(number + 1)
        return number


@workflow("waits", 1, "w")
class Waits(Workflow):
    later = ActivityProxy("later", 1)

    def run(self):
        return self.later()


@workflow("policy", 1, "w")
class Policy(Workflow):
    double = ActivityProxy("double", 1, retry_policy=RetryPolicy(first_interval_s=100, jitter=0.5))

    def run(self):
        return self.double(4)


ALL = [Double, Later, slow, Doubles, Parent, Yearly, Handles, Approval, Counts, Waits, Policy]


@pytest.fixture
def engine(local_engine: StartEngine) -> LocalEngine:
    return local_engine(*ALL)


def test_a_plain_run_calls_the_activities() -> None:
    assert run_workflow(Doubles, 3, activities=[Double]) == 12


def test_a_plain_run_runs_children_and_coroutines() -> None:
    assert run_workflow(Parent, 3, activities=ALL) == 13


def test_a_plain_run_is_sent_signals() -> None:
    assert run_workflow(Approval, activities=ALL, signals={"approve": [5]}) == 10


def test_a_plain_run_says_what_it_lacks() -> None:
    with pytest.raises(ProgramError, match="no activity double 1"):
        run_workflow(Doubles, 3)


def test_a_plain_run_of_a_failing_workflow_fails() -> None:
    @activity("double", 1, "numbers")
    def broken(number: int) -> int:
        raise ValueError(f"no {number}")

    with pytest.raises(WorkflowFailed, match="no 3") as caught:
        run_workflow(Doubles, 3, activities=[broken])
    assert isinstance(caught.value.__cause__, TaskError)


def test_the_engine_gives_the_result(engine: LocalEngine) -> None:
    assert engine.run(Doubles, 3) == 12


def test_children_and_async_activities_run_on_the_engine(engine: LocalEngine) -> None:
    assert engine.run(Parent, 3) == 13


def test_a_year_of_timers_is_skipped(engine: LocalEngine) -> None:
    began = engine.clock.now()

    assert engine.run(Yearly) == 12
    assert engine.clock.now() - began >= 12 * 30 * 86_400


def test_an_injected_exception_reaches_the_workflow(engine: LocalEngine) -> None:
    engine.inject("double", Raises(KeyError("gone")))

    assert engine.run(Handles) == "KeyError: 'gone'"


@pytest.mark.parametrize("fault", [WorkerDies(), TimesOut()], ids=["dead worker", "lost answer"])
def test_a_task_that_nobody_answers_times_out(engine: LocalEngine, fault: WorkerDies | TimesOut) -> None:
    engine.inject("double", fault)

    assert engine.run(Handles) == "timed out: START_TO_CLOSE"


def test_dead_workers_are_survived_by_retries(engine: LocalEngine) -> None:
    engine.inject("double", WorkerDies(), WorkerDies(), WorkerDies())

    assert engine.run(Doubles, 3) == 12


def test_failures_are_survived_by_a_policy_after_its_pauses(engine: LocalEngine) -> None:
    engine.inject("double", Raises(OSError("a")), Raises(OSError("b")))
    began = engine.clock.now()

    assert engine.run(Policy) == 8
    assert engine.clock.now() - began > 225


def test_a_signal_arrives(engine: LocalEngine) -> None:
    execution = engine.start(Approval)
    engine.settle()
    execution.signal("approve", 21)

    assert execution.result() == 42


def test_a_timer_wins_when_no_signal_arrives(engine: LocalEngine) -> None:
    assert engine.run(Approval) == "late"


def test_clean_up_runs_when_cancellation_is_requested(engine: LocalEngine) -> None:
    execution = engine.start(Approval)
    engine.settle()
    execution.request_cancel()

    assert execution.result() == -2


def test_a_cancellation_that_is_let_through_closes_as_canceled(engine: LocalEngine) -> None:
    execution = engine.start(Yearly)
    engine.settle()
    execution.request_cancel()

    with pytest.raises(ExecutionFailed, match="CANCELED"):
        execution.result()


def test_a_restart_is_followed_to_its_last_run(engine: LocalEngine) -> None:
    assert engine.run(Counts, 0) == 3


def test_a_task_left_open_is_finished_by_its_token(engine: LocalEngine) -> None:
    execution = engine.start(Waits)
    engine.settle()
    engine.complete(Later.tokens.pop(), {"by": "hand"})

    assert execution.result() == {"by": "hand"}


def test_the_history_of_a_run_fits_its_code(engine: LocalEngine) -> None:
    for cls, arguments in ((Parent, [3]), (Approval, []), (Handles, [])):
        execution = engine.start(cls, *arguments)
        execution.result()

        check_history(cls, execution.history(), run_id=execution.run_id)


def test_other_code_does_not_fit_a_history(engine: LocalEngine) -> None:
    @workflow("doubles", 1, "w")
    class Once(Workflow):
        double = ActivityProxy("double", 1)

        def run(self, number: int):
            return self.double(number)

    execution = engine.start(Doubles, 3)
    execution.result()

    with pytest.raises(HistoryMismatch, match="but the history holds"):
        check_history(Once, execution.history())

"""Whatever the program, whatever the order of arrival: the same decisions, and the result of plain Python.

Runs on the real engine, in process. Hypothesis chooses what happens next: a decision, the start or the end
of an activity, its failure, a dead worker, a signal, a cancel request, a lost decision, a lost cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowyd.decider import Broken, HistoryIndex, Run, Suspended, decide, needs
from flowyd.testing import ExecutionFailed, LocalEngine, Raises, check_history, run_workflow
from flowyd.testing.engine import ActivityTask, DecisionTask, Execution
from tests.unit.decider.decider_programs import CLEANED, SOURCES, Program, programs, signals_of
from tests.unit.decider.decider_script import registered

#: Dead workers per run: fewer than the attempts of one call.
_DEATHS = 3


class World:
    """An engine on which hypothesis is what happens."""

    def __init__(
        self, engine: LocalEngine, data: st.DataObject, *, signals: list[int], cancels: bool = False
    ) -> None:
        self._engine = engine
        self._draw = data.draw
        self._held: list[ActivityTask] = []
        self._deaths = 0
        self._lost = 0
        self._failures = 0
        self._signals = signals
        self._cancels = cancels
        #: Kept from decision to decision, by run id.
        self._runs: dict[str, Run] = {}

    def run_to_end(self, execution: Execution) -> Any:
        for _ in range(2_000):
            moves = [self._decide, self._start, *([self._end, self._end] if self._held else [])]
            moves += [lambda: self._tell(execution)] * bool(self._signals)
            moves += [lambda: self._cancel(execution)] * self._cancels
            move = self._draw(st.sampled_from(moves))
            if not move() and not any(other() for other in moves):
                if not self._engine.open_executions():
                    return execution.result()
                self._engine.clock.advance(1_000.0 if self._deaths + self._lost else 10.0)
        raise AssertionError("the program does not end")

    def _decide(self) -> bool:
        task = self._engine.take_decision()
        if task is None:
            return False
        outcome = self._outcome(task)
        if self._lost < 2 and self._draw(st.integers(0, 19)) == 0:
            self._lost += 1
            self._runs.pop(task.index.run_id).close()
            return True
        self._engine.answer_decision(task, outcome)
        return True

    def _outcome(self, task: DecisionTask) -> Any:
        """The outcome, the same from kept code, a kept index, all events at once, and events by and by."""
        warm = self._engine.decide(task)
        assert self._kept(task).decide() == warm
        cut = self._draw(st.integers(0, len(task.events)))
        for pieces in ([task.events], [task.events[:cut], task.events]):
            index = HistoryIndex(workflow_id=task.index.workflow_id, run_id=task.index.run_id)
            for piece in pieces:
                index.extend(piece)
            assert decide(registered(Program), index) == warm  # every call the long way
            assert decide(registered(Program), index) == warm  # known calls the short way
        return warm

    def _kept(self, task: DecisionTask) -> Run:
        """The run of the decision before, if that was not lost, with all events."""
        index = HistoryIndex(workflow_id=task.index.workflow_id, run_id=task.index.run_id)
        run = self._runs.setdefault(task.index.run_id, Run(registered(Program), index))
        run.index.extend(task.events)
        return run

    def _start(self) -> bool:
        task = self._engine.take_activity()
        if task is None:
            return False
        if self._deaths < _DEATHS and self._draw(st.integers(0, 9)) == 0:
            self._deaths += 1
        else:
            self._held.append(task)
        return True

    def _end(self) -> bool:
        if not self._held:
            return False
        task = self._held.pop(self._draw(st.integers(0, len(self._held) - 1)))
        if task.registration.name == "steady" and self._failures < 4 and self._draw(st.booleans()):
            self._failures += 1
            self._engine.inject("steady", Raises(OSError("not now")))
        self._engine.answer_activity(task)
        return True

    def _tell(self, execution: Execution) -> bool:
        value = self._signals.pop(0)
        if self._engine.open_executions():
            execution.signal("told", value)
        return True

    def _cancel(self, execution: Execution) -> bool:
        self._cancels = False
        if self._engine.open_executions():
            execution.request_cancel()
        return True


@pytest.fixture(autouse=True)
def _kept_runs_never_fail(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [record for record in caplog.records if record.name == "flowyd.decider.run"]


@pytest.fixture(params=[needs.WIDE, 2], ids=["each completion counts", "it says which count"], autouse=True)
def _programs_count_as_wide_from(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(needs, "WIDE", request.param)
        yield


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs(), data=st.data())
def test_every_order_of_arrival_gives_the_result_of_plain_python(
    program: list[Any], data: st.DataObject
) -> None:
    signals = signals_of(program)
    expected = run_workflow(Program, program, activities=SOURCES, signals={"told": signals})

    with LocalEngine(SOURCES) as engine:
        execution = engine.start(Program, program)
        result = World(engine, data, signals=signals).run_to_end(execution)

        assert result == expected
        check_history(Program, execution.history(), run_id=execution.run_id)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs(), data=st.data())
def test_a_cancel_request_at_any_time_is_cleaned_up_after_or_comes_too_late(
    program: list[Any], data: st.DataObject
) -> None:
    signals = signals_of(program)
    expected = run_workflow(Program, program, activities=SOURCES, signals={"told": signals})

    with LocalEngine(SOURCES) as engine:
        execution = engine.start(Program, program)
        try:
            result = World(engine, data, signals=signals, cancels=True).run_to_end(execution)
        except ExecutionFailed as ended:
            result = ended.close_status

        # Canceled: the request came when `run` had returned and the execution only waited for the rest.
        assert result in (expected, CLEANED, "CANCELED")
        check_history(Program, execution.history(), run_id=execution.run_id)


@settings(max_examples=15, deadline=None)
@given(program=programs(children=False), cuts=st.lists(st.integers(1, 200), max_size=4))
def test_an_index_extended_in_any_pieces_decides_as_one_made_at_once(
    program: list[Any], cuts: list[int]
) -> None:
    events = _history(program)
    whole = HistoryIndex(workflow_id="w", run_id="r")
    whole.extend(events)
    pieces = HistoryIndex(workflow_id="w", run_id="r")

    for cut in sorted(cuts):
        pieces.extend(events[:cut])
    pieces.extend(events)

    outcome = decide(registered(Program), pieces)
    assert outcome == decide(registered(Program), whole)
    assert not isinstance(outcome, Broken)
    assert isinstance(outcome, Suspended) or outcome.decisions


def _history(program: list[Any]) -> list[dict[str, Any]]:
    """The program's history up to its second decision task."""
    with LocalEngine(SOURCES) as engine:
        execution = engine.start(Program, program)
        engine.decide_next()
        engine.perform_next()
        task = engine.take_decision()
        return task.events if task else execution.history()[:3]

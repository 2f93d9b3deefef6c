"""A kept run goes on where its code waits, and begins from the top wherever that might not be the same."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flowyd import ActivityProxy, Workflow, activity, wait, workflow
from flowyd.decider import Completed, Failed, HistoryIndex, Run
from flowyd.testing import LocalEngine
from flowyd.testing.engine import DecisionTask, Execution
from tests.unit.decider.decider_script import registered

#: What the code under test tells of itself.
told: list[Any] = []


@activity("same", 1, "l")
def same(value: Any) -> Any:
    return value


class ReadingProxy(ActivityProxy[Any]):
    """Tells of each result that is read from its text."""

    @staticmethod
    def _deserialize_result(text: str) -> Any:
        told.append(f"read {text}")
        return ActivityProxy._deserialize_result(text)


@workflow("w", 1, "l")
class Chain(Workflow):
    same = ReadingProxy("same", 1)

    def run(self, length: int) -> list[int]:
        told.append("begins")
        return [self.same(number).result() for number in range(length)]


@workflow("w", 1, "l")
class AsyncChain(Workflow):
    same = ReadingProxy("same", 1)

    async def run(self, length: int) -> list[int]:
        told.append("begins")
        return [await self.same(number) for number in range(length)]


@workflow("w", 1, "l")
class FanOut(Workflow):
    same = ReadingProxy("same", 1)

    def run(self, width: int) -> int:
        told.append("begins")
        return sum(result.result() for result in [self.same(number) for number in range(width)])


@pytest.fixture(autouse=True)
def _nothing_told() -> None:
    told.clear()


class Keeper:
    """One execution on an engine, decided by one kept run."""

    def __init__(self, engine: LocalEngine, cls: type[Workflow], *arguments: Any) -> None:
        self.engine = engine
        self.execution: Execution = engine.start(cls, *arguments)
        index = HistoryIndex(workflow_id=self.execution.workflow_id, run_id=self.execution.run_id)
        self.run = Run(registered(cls), index)

    def task(self) -> DecisionTask:
        task = self.engine.take_decision()
        assert task is not None
        self.run.index.extend(task.events)
        return task

    def decides(self) -> Any:
        task = self.task()
        outcome = self.run.decide()
        self.engine.answer_decision(task, outcome)
        return outcome

    def ends(self) -> Any:
        """Decides and performs in turn to the end; the outcome of the last decision."""
        while not isinstance(outcome := self.decides(), (Completed, Failed)):
            assert self.engine.perform_next()
        return outcome


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    with LocalEngine([Chain, same]) as engine:
        yield engine


@pytest.mark.parametrize("cls", [Chain, AsyncChain, FanOut])
def test_code_begins_once_and_reads_each_result_once(engine: LocalEngine, cls: type[Workflow]) -> None:
    keeper = Keeper(engine, cls, 100)

    keeper.ends()

    assert told == ["begins", *(f"read {number}" for number in range(100))]


def test_a_closed_run_begins_from_the_top(engine: LocalEngine) -> None:
    keeper = Keeper(engine, Chain, 2)
    keeper.decides()
    engine.perform_next()

    keeper.run.close()

    assert keeper.ends().result == "[0, 1]"
    assert told.count("begins") == 2


def test_a_run_that_missed_a_decision_begins_from_the_top(engine: LocalEngine) -> None:
    keeper = Keeper(engine, Chain, 3)
    keeper.decides()
    engine.perform_next()
    task = keeper.task()
    engine.answer_decision(task, engine.decide(task))
    engine.perform_next()
    told.clear()

    outcome = keeper.ends()

    assert outcome.result == "[0, 1, 2]"
    assert told.count("begins") == 1


def test_what_code_does_to_arguments_of_a_call_that_waits_is_nothing_to_the_call(engine: LocalEngine) -> None:
    @workflow("w", 1, "l")
    class Changing(Workflow):
        same = ActivityProxy("same", 1)

        def run(self) -> Any:
            given: list[Any] = [self.same("first")]
            waits = self.same(given)
            given.append("never sent")
            return waits.result()

    keeper = Keeper(engine, Changing)

    assert keeper.ends().result == '["first"]'


def test_a_call_whose_arguments_cannot_be_copied_is_made_from_the_top(engine: LocalEngine) -> None:
    class Uncopyable(list):  # type: ignore[type-arg]
        def __deepcopy__(self, memo: object) -> Any:
            raise TypeError("there is only one of me")

    @workflow("w", 1, "l")
    class Holding(Workflow):
        same = ActivityProxy("same", 1)

        def run(self) -> Any:
            told.append("begins")
            return self.same([self.same("first")], Uncopyable([1])[0], given=Uncopyable()).result()

    keeper = Keeper(engine, Holding)
    keeper.decides()
    engine.perform_next()
    keeper.decides()

    assert told.count("begins") == 2


def test_clean_up_runs_when_the_run_is_closed_and_can_ask_for_nothing(engine: LocalEngine) -> None:
    @workflow("w", 1, "l")
    class Cleaning(Workflow):
        same = ActivityProxy("same", 1)

        def run(self) -> Any:
            try:
                return self.same(1).result()
            finally:
                told.append("cleans up")
                self.same(2)
                told.append("never comes here")

    keeper = Keeper(engine, Cleaning)
    keeper.decides()
    assert told == []

    warnings = keeper.run.close()

    assert told == ["cleans up"]
    assert warnings == ()


def test_waiting_in_another_thread_is_the_authors_mistake(engine: LocalEngine) -> None:
    @workflow("w", 1, "l")
    class Threaded(Workflow):
        same = ActivityProxy("same", 1)

        def run(self) -> str:
            caught: list[BaseException] = []

            def waits() -> None:
                try:
                    self.same(1).result()
                except Exception as error:
                    caught.append(error)

            thread = threading.Thread(target=waits)
            thread.start()
            thread.join()
            raise caught[0]

    outcome = Keeper(engine, Threaded).decides()

    assert isinstance(outcome, Failed)
    assert outcome.reason == "results can be waited for only where `run` itself runs, in no other thread"


def test_a_run_that_was_interrupted_can_be_closed(engine: LocalEngine) -> None:
    @workflow("w", 1, "l")
    class Interrupted(Workflow):
        def run(self) -> None:
            raise KeyboardInterrupt

    keeper = Keeper(engine, Interrupted)
    with pytest.raises(KeyboardInterrupt):
        keeper.decides()

    assert keeper.run.close() == ()


@pytest.mark.parametrize(
    "decide", [pytest.param(Keeper.decides, id="that waits"), pytest.param(Keeper.ends, id="that is over")]
)
def test_what_the_code_of_a_closed_run_has_held_is_freed_at_once(
    engine: LocalEngine, decide: Callable[[Keeper], object]
) -> None:
    class Held:
        pass

    seen: list[weakref.ref[Held]] = []

    @workflow("w", 1, "l")
    class Holds(Workflow):
        same = ActivityProxy("same", 1)

        def run(self) -> None:
            self.held = Held()
            seen.append(weakref.ref(self.held))
            both = [self.same(1), self.same(2)]
            wait(both)
            self.same(both).result()

    keeper = Keeper(engine, Holds)
    decide(keeper)
    [held] = seen

    gc.disable()
    try:
        keeper.run.close()

        assert held() is None
    finally:
        gc.enable()

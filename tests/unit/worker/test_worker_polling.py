"""A worker answers its task and polls for the next: in one message, before it or after it, never twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from flowyd.control.reports import TaskInHand
from flowyd.errors import FlowydError
from flowyd.swf.client import Answer, Readable, Request
from flowyd.swf.faults import UnknownResourceFault, ValidationException
from flowyd.swf.lean import LeanClient
from flowyd.swf.lean_answers import PendingAnswer
from flowyd.worker.answers import Settled
from flowyd.worker.polling import Poll, Poller
from flowyd.worker.reporting import Reporter
from flowyd.worker.stopping import StopSignal
from tests.unit.worker.scripted_engine import (
    CARRIED_OUT,
    ScriptedEngine,
    Step,
    answer,
    fault,
    hang_up,
    told,
    waits,
)

ANSWER = "RespondActivityTaskCompleted"
POLL = "PollForActivityTask"
BOTH = f"{ANSWER}+{POLL}"
SHARED, OWN = (
    Poll(action=POLL, request={"domain": "d", "taskList": {"name": name}, "identity": "i"})
    for name in ("shared", "own")
)


def task(number: int) -> Answer:
    """What a poll is answered with."""
    return {"taskToken": f"t{number}", "startedEventId": number}


class PollsAhead:
    """A client that begins polls and cannot send them with an answer, as that for Amazon SWF."""

    def __init__(self, lean: LeanClient) -> None:
        self.call = lean.call
        self.poll = lean.poll
        self.close = lean.close
        self.begin_poll: Callable[..., PendingAnswer] = lean.begin_poll
        self.new_poll_id = lean.new_poll_id


class OnlyCalls:
    """A client that has one thing under way."""

    def __init__(self, lean: LeanClient) -> None:
        self._lean = lean

    def call(self, action: str, request: Request) -> Answer:
        return self._lean.call(action, request)

    def poll(self, action: str, request: Request, *, withdraw: Readable) -> Answer | None:
        return self._lean.poll(action, request, withdraw=withdraw)

    def close(self) -> None:
        self._lean.close()


class Worker:
    """A poller and what it needs, over a scripted engine."""

    def __init__(
        self, engine: ScriptedEngine, *polls: Poll, client: Callable[[LeanClient], Any] = lambda lean: lean
    ) -> None:
        self.stop = StopSignal()
        self.reporter = Reporter(None)
        self.poller = Poller(
            client(LeanClient(engine.endpoint)),
            polls or (SHARED,),
            stop=self.stop,
            reporter=self.reporter,
            title="worker",
        )
        self.poller.polls_ahead = True

    def take(self) -> str:
        """The next task's token; empty: none is left."""
        found = self.poller.next_tasks()
        if found is None:
            return ""
        [polled] = found[1]
        token = str(polled["taskToken"])
        self.reporter.running(in_hand(token), limit_s=None)
        return token

    def answer(self, token: str) -> None:
        self.poller.answer(ANSWER, {"taskToken": token}, within_s=10)

    def answer_all(self, answers: Sequence[Request], *, and_poll: bool = True) -> list[FlowydError | None]:
        """What became of the answers, as far as it is known now."""
        outcomes: list[FlowydError | None] = []
        self.poller.answer_all(ANSWER, answers, within_s=10, settled=outcomes.extend, and_poll=and_poll)
        return outcomes


def in_hand(token: str) -> TaskInHand:
    return TaskInHand(
        kind="activity",
        task_token=token,
        type_name="a",
        type_version="1",
        workflow_id="w",
        run_id="r",
        activity_id="a",
        started_event_id=1,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.sock"


def test_the_next_task_comes_with_the_answer(path: Path) -> None:
    with ScriptedEngine(path, answer(task(1)), answer(task(2))) as engine:
        worker = Worker(engine)
        worker.answer(worker.take())

        assert worker.take() == "t2"

    assert engine.actions == [POLL, BOTH]


@pytest.mark.parametrize("before", [b"", CARRIED_OUT], ids=["alone", "behind 102"])
def test_a_task_that_is_here_already_is_not_waited_for(path: Path, before: bytes) -> None:
    with ScriptedEngine(path, answer(task(1)), answer(task(2), before=before), answer()) as engine:
        worker = Worker(engine)
        worker.answer(worker.take())

        assert worker.take() == "t2"
        worker.stop.request()
        worker.answer("t2")
        assert worker.take() == ""

    assert engine.actions == [POLL, BOTH, ANSWER]


def test_each_poll_has_an_id_of_its_own_once_its_answer_was_read(path: Path) -> None:
    with ScriptedEngine(path, *(answer(task(number)) for number in range(1, 4))) as engine:
        worker = Worker(engine)
        for _ in range(2):
            worker.answer(worker.take())

    assert len({sent.poll_id for sent in engine.sent}) == 3


def test_a_refused_answer_is_the_callers_and_the_poll_goes_on_alone(path: Path) -> None:
    with ScriptedEngine(path, answer(task(1)), fault("UnknownResourceFault"), answer(task(2))) as engine:
        worker = Worker(engine)
        token = worker.take()

        with pytest.raises(UnknownResourceFault):
            worker.answer(token)
        assert worker.take() == "t2"

    assert engine.actions == [POLL, BOTH, POLL]


def test_another_answer_after_a_refused_one_takes_the_poll_again(path: Path) -> None:
    """As an activity whose result is refused is failed."""
    with ScriptedEngine(path, answer(task(1)), fault("ValidationException"), answer(task(2))) as engine:
        worker = Worker(engine)
        token = worker.take()

        with pytest.raises(ValidationException):
            worker.answer(token)
        worker.answer(token)
        assert worker.take() == "t2"

    assert engine.actions == [POLL, BOTH, BOTH]
    assert engine.sent[1].poll_id == engine.sent[2].poll_id


PASSING: dict[str, Step] = {
    "throttled": fault("ThrottlingException"),
    "failing": fault("InternalFailure"),
    "hangs up": hang_up,
}


@pytest.mark.parametrize("step", PASSING.values(), ids=PASSING)
def test_an_answer_that_may_succeed_a_moment_later_is_sent_until_it_does(path: Path, step: Step) -> None:
    with ScriptedEngine(path, answer(task(1)), step, step, answer(), answer(task(2))) as engine:
        worker = Worker(engine)

        worker.answer(worker.take())
        assert worker.take() == "t2"

    assert engine.actions == [POLL, BOTH, ANSWER, ANSWER, POLL]
    assert engine.sent[1].poll_id == engine.sent[4].poll_id


def test_a_fault_of_the_poll_leaves_the_answer_as_taken(path: Path) -> None:
    refused = CARRIED_OUT + (fault("LimitExceededFault")() or b"")
    with ScriptedEngine(path, answer(task(1)), lambda: refused, answer(task(2))) as engine:
        worker = Worker(engine)

        worker.answer(worker.take())
        assert worker.take() == "t2"

    assert engine.actions == [POLL, BOTH, POLL]
    assert engine.sent[1].poll_id == engine.sent[2].poll_id


def test_a_service_that_takes_the_answer_alone_is_polled_next(path: Path) -> None:
    with ScriptedEngine(path, answer(task(1)), answer(), answer(task(2))) as engine:
        worker = Worker(engine)

        worker.answer(worker.take())
        assert not worker.poller._pending
        assert worker.take() == "t2"

    assert engine.actions == [POLL, BOTH, POLL]


# Several lists.


def test_other_polls_stay_out_while_a_task_is_answered(path: Path) -> None:
    with ScriptedEngine(path, answer(task(1)), waits, answer(task(2))) as engine:
        worker = Worker(engine, SHARED, OWN)
        token = worker.take()
        engine.wait_for(2)
        worker.answer(token)

        assert worker.take() == "t2"
        worker.stop.request()
        assert worker.take() == ""

    lists = [sent.members.get("taskList", {}).get("name", "") for sent in engine.sent]
    assert (engine.actions, lists) == ([POLL, POLL, BOTH], ["shared", "own", ""])


# A stop.


def test_a_stop_while_the_answer_is_under_way_takes_the_poll_back(path: Path) -> None:
    def stopping() -> bytes:
        worker.stop.request()
        return told()

    with ScriptedEngine(path, answer(task(1)), stopping) as engine:
        worker = Worker(engine)
        worker.answer(worker.take())

        assert worker.take() == ""

    assert engine.actions == [POLL, BOTH]


def test_a_task_that_came_with_the_answer_before_a_stop_is_still_run(path: Path) -> None:
    def stopping() -> bytes | None:
        worker.stop.request()
        return answer(task(2))()

    with ScriptedEngine(path, answer(task(1)), stopping, answer()) as engine:
        worker = Worker(engine)
        worker.answer(worker.take())

        assert worker.take() == "t2"
        worker.answer("t2")
        assert worker.take() == ""

    assert engine.actions == [POLL, BOTH, ANSWER]


def test_after_a_stop_nothing_is_polled_for(path: Path) -> None:
    with ScriptedEngine(path, answer(task(1)), answer()) as engine:
        worker = Worker(engine)
        token = worker.take()
        worker.stop.request()
        worker.answer(token)

        assert worker.take() == ""

    assert engine.actions == [POLL, ANSWER]


# Clients that can do less.


def test_a_client_that_begins_polls_does_so_before_it_answers(path: Path) -> None:
    with ScriptedEngine(path, answer(task(1)), waits, answer()) as engine:
        worker = Worker(engine, client=PollsAhead)
        worker.answer(worker.take())
        worker.stop.request()

        assert worker.take() == ""

    assert engine.actions == [POLL, POLL, ANSWER]


def test_a_client_that_only_calls_answers_and_then_polls(path: Path) -> None:
    with ScriptedEngine(path, answer(task(1)), answer(), answer(task(2))) as engine:
        worker = Worker(engine, client=OnlyCalls)
        worker.answer(worker.take())

        assert worker.take() == "t2"

    assert engine.actions == [POLL, ANSWER, POLL]


SEVERAL = {"tasks": [task(1), task(2), task(3)]}


def take_three(worker: Worker) -> list[dict[str, str]]:
    """Takes three tasks at once; their answers."""
    worker.poller.most_tasks = 3
    found = worker.poller.next_tasks()
    assert found is not None
    tokens = [str(each["taskToken"]) for each in found[1]]
    held = tuple(in_hand(token) for token in tokens)
    worker.reporter.running(held[0], limit_s=None, together=held)
    return [{"taskToken": token} for token in tokens]


def names(outcomes: Sequence[Exception | None]) -> list[str]:
    return ["" if each is None else type(each).__name__ for each in outcomes]


def test_tasks_that_came_together_are_answered_together_with_the_next_poll(path: Path) -> None:
    with ScriptedEngine(path, answer(SEVERAL), answer(), answer(), answer(task(4))) as engine:
        worker = Worker(engine)
        answers = take_three(worker)

        assert worker.answer_all(answers) == [None] * 3
        assert worker.take() == "t4"

    assert engine.actions == [POLL, ANSWER, ANSWER, BOTH]
    assert engine.sent[0].headers["x-flowyd-tasks"] == "3"
    assert json.loads(engine.sent[-1].headers["x-flowyd-next-poll"])["tasks"] == 3


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_each_answer_of_several_has_its_own_fate(path: Path, refused: int) -> None:
    steps: list[Step] = [answer(), answer(), told]
    steps[refused] = fault("UnknownResourceFault")
    with ScriptedEngine(path, answer(SEVERAL), *steps) as engine:
        worker = Worker(engine)
        outcomes = worker.answer_all(take_three(worker))

    expected = [""] * 3
    expected[refused] = "UnknownResourceFault"
    assert names(outcomes) == expected


def test_answers_whose_fate_a_broken_connection_hides_are_sent_again_alone(path: Path) -> None:
    repeated = [fault("UnknownResourceFault"), answer()]
    with ScriptedEngine(path, answer(SEVERAL), answer(), hang_up, *repeated) as engine:
        worker = Worker(engine)
        outcomes = worker.answer_all(take_three(worker))

    assert names(outcomes) == ["", "AnsweredBefore", ""]
    assert [each.members.get("taskToken") for each in engine.sent[1:]] == ["t1", "t2", "t2", "t3"]


def test_answers_that_others_will_follow_take_no_poll_with_them(path: Path) -> None:
    with ScriptedEngine(path, answer(SEVERAL), answer(), fault("UnknownResourceFault")) as engine:
        worker = Worker(engine)
        outcomes = worker.answer_all(take_three(worker)[:2], and_poll=False)

    assert names(outcomes) == ["", "UnknownResourceFault"]
    assert engine.actions == [POLL, ANSWER, ANSWER]


class Later:
    """Acknowledges an answer when it is told to."""

    def __init__(self, step: Step) -> None:
        self.told = threading.Event()
        self._step = step

    def __call__(self) -> bytes | None:
        assert self.told.wait(60)
        return self._step()


def answer_three_beside_another(engine: ScriptedEngine, worker: Worker, settled: Settled) -> None:
    """Answers the three tasks of one list while the other poll has been answered, too."""
    answers = take_three(worker)
    engine.wait_until_answered(2)
    worker.poller.answer_all(ANSWER, answers, within_s=10, settled=settled)


ACKNOWLEDGED = {
    "with the next task": ([answer(), answer(), answer(task(5))], ["", "", ""]),
    "alone": ([answer(), answer(), told], ["", "", ""]),
    "with a fault": ([answer(), answer(), fault("UnknownResourceFault")], ["", "", "UnknownResourceFault"]),
    "not at all": (
        [answer(), hang_up, fault("UnknownResourceFault"), answer()],
        ["", "AnsweredBefore", ""],
    ),
}


@pytest.mark.parametrize(("steps", "expected"), ACKNOWLEDGED.values(), ids=ACKNOWLEDGED)
def test_a_task_of_another_list_does_not_wait_for_acknowledgements(
    path: Path, steps: list[Step], expected: list[str]
) -> None:
    acknowledged = Later(steps[0])
    with ScriptedEngine(path, answer(SEVERAL), answer(task(4)), acknowledged, *steps[1:]) as engine:
        worker = Worker(engine, SHARED, OWN)
        outcomes: list[FlowydError | None] = []
        answer_three_beside_another(engine, worker, outcomes.extend)

        assert worker.take() == "t4"
        assert outcomes == []
        acknowledged.told.set()
        worker.poller.settle()
        assert names(outcomes) == expected


def test_what_became_of_answers_is_told_while_the_next_task_is_waited_for(path: Path) -> None:
    acknowledged = Later(told)
    steps = [answer(), answer(), acknowledged, told]
    with ScriptedEngine(path, answer(SEVERAL), answer(task(4)), *steps) as engine:
        worker = Worker(engine, SHARED, OWN)
        answer_three_beside_another(engine, worker, lambda _: worker.stop.request())
        assert worker.take() == "t4"
        acknowledged.told.set()
        worker.answer_all([{"taskToken": "t4"}])

        # Both polls wait; only what is told ends it.
        assert worker.take() == ""


def test_a_stop_waits_for_what_became_of_answers(path: Path) -> None:
    acknowledged = Later(answer())
    steps = [acknowledged, answer(), told, answer()]
    with ScriptedEngine(path, answer(SEVERAL), answer(task(4)), *steps) as engine:
        worker = Worker(engine, SHARED, OWN)
        outcomes: list[FlowydError | None] = []
        answer_three_beside_another(engine, worker, outcomes.extend)
        assert worker.take() == "t4"
        worker.stop.request()
        acknowledged.told.set()
        worker.answer_all([{"taskToken": "t4"}])
        assert worker.take() == ""
        assert names(outcomes) == [""] * 3

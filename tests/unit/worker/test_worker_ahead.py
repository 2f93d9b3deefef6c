"""Answers of activity tasks that came together: sent one by one, and each seen to exactly once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flowyd.errors import FlowydError
from flowyd.swf.actions import BEGIN_BEFORE, LEASE_S
from flowyd.swf.lean import LeanClient
from flowyd.worker.ahead import Ahead
from flowyd.worker.answers import SentAhead
from tests.unit.worker.scripted_engine import (
    CARRIED_OUT,
    ScriptedEngine,
    Step,
    answer,
    fault,
    hang_up,
    several,
    told,
    waits,
)
from tests.unit.worker.test_worker_polling import ANSWER, BOTH, POLL, Worker, task

#: When the lease of the tasks is over, by the clock of the test.
OVER = 100.0
SEVERAL = {"tasks": [task(1), task(2), task(3)], BEGIN_BEFORE: OVER}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.sock"


class Refusals(dict[str, FlowydError]):
    """Why answers sent ahead were not taken, by token."""

    def of(self, token: str) -> Callable[[FlowydError], None]:
        def refused(why: FlowydError) -> None:
            assert token not in self, "told once"
            self[token] = why

        return refused

    @property
    def names(self) -> dict[str, str]:
        return {token: type(why).__name__ for token, why in self.items()}


def take_three(worker: Worker) -> None:
    worker.poller.most_tasks = 3
    found = worker.poller.next_tasks()
    assert found is not None
    assert [each["taskToken"] for each in found[1]] == ["t1", "t2", "t3"]


def send(worker: Worker, refusals: Refusals, *tokens: str) -> None:
    """Sends answers ahead."""
    for token in tokens:
        assert worker.poller.ahead is not None
        sent = SentAhead(action=ANSWER, request={"taskToken": token}, refused=refusals.of(token))
        worker.poller.ahead.send(sent)


def tokens(engine: ScriptedEngine) -> list[str]:
    return [each.members["taskToken"] for each in engine.sent if "taskToken" in each.members]


def test_answers_go_ahead_by_the_tasks_connection_without_being_waited_for(path: Path) -> None:
    """The engine of this script acknowledges none before the last, so waiting would last for ever."""
    all_told = several(answer(), answer(), answer(task(4)))
    with ScriptedEngine(path, answer(SEVERAL), waits, waits, all_told) as engine:
        worker, refusals = Worker(engine), Refusals()
        take_three(worker)

        send(worker, refusals, "t1", "t2")
        worker.answer("t3")
        assert worker.take() == "t4"

    assert engine.actions == [POLL, ANSWER, ANSWER, BOTH]
    assert tokens(engine) == ["t1", "t2", "t3"]
    assert {each.connection for each in engine.sent} == {1}
    assert refusals == {}


def test_a_single_task_is_answered_as_ever(path: Path) -> None:
    with ScriptedEngine(path, answer(task(1)), answer(task(2))) as engine:
        worker = Worker(engine)
        worker.answer(worker.take())

        assert worker.poller.ahead is None

    assert engine.actions == [POLL, BOTH]


@pytest.mark.parametrize("last", ["with a poll", "alone", "none"])
def test_who_sent_a_refused_answer_ahead_is_told(path: Path, last: str) -> None:
    refused = [answer(), fault("UnknownResourceFault")]
    ending = {"with a poll": several(*refused, told), "alone": several(*refused, answer()), "none": waits}
    steps: list[Step] = [waits, ending[last]] if last != "none" else [waits, several(*refused)]
    if last != "none":
        steps.insert(1, waits)
    with ScriptedEngine(path, answer(SEVERAL), *steps) as engine:
        worker, refusals = Worker(engine), Refusals()
        take_three(worker)
        send(worker, refusals, "t1", "t2")
        if last == "alone":
            worker.stop.request()
        if last == "none":
            worker.poller.end_ahead(within_s=10)
        else:
            worker.answer("t3")

    assert refusals.names == {"t2": "UnknownResourceFault"}
    assert tokens(engine) == ["t1", "t2", "t3"][: 2 if last == "none" else 3]


def test_an_answer_refused_for_the_moment_is_sent_again_alone(path: Path) -> None:
    all_told = several(fault("ThrottlingException"), answer(), told)
    with ScriptedEngine(path, answer(SEVERAL), waits, waits, all_told, answer()) as engine:
        worker, refusals = Worker(engine), Refusals()
        take_three(worker)
        send(worker, refusals, "t1", "t2")
        worker.answer("t3")

    assert tokens(engine) == ["t1", "t2", "t3", "t1"]
    assert refusals == {}


def test_answers_whose_fate_a_broken_connection_hides_are_sent_again_once_each(path: Path) -> None:
    """The first was acknowledged; what became of the others is not known."""
    repeated = [fault("UnknownResourceFault"), answer()]
    with ScriptedEngine(path, answer(SEVERAL), answer(), waits, hang_up, *repeated) as engine:
        worker, refusals = Worker(engine), Refusals()
        take_three(worker)
        send(worker, refusals, "t1", "t2")
        worker.answer("t3")

    assert tokens(engine) == ["t1", "t2", "t3", "t2", "t3"]
    assert refusals.names == {"t2": "AnsweredBefore"}


@pytest.mark.parametrize("ahead", [("t1",), ("t1", "t2")], ids=["of two sent one broke", "all broke"])
def test_answers_that_cannot_be_sent_ahead_are_sent_alone_later(path: Path, ahead: tuple[str, ...]) -> None:
    """The engine is another one by then."""
    with ScriptedEngine(path, several(answer(SEVERAL)), hang_up, *[answer()] * len(ahead)) as engine:
        worker, refusals = Worker(engine), Refusals()
        take_three(worker)
        stream = worker.poller.ahead.stream if worker.poller.ahead else None
        send(worker, refusals, "t1")
        while stream is not None and stream.connection.stands():
            pass
        send(worker, refusals, *ahead[1:])
        assert stream is not None
        assert stream.is_whole == (len(ahead) == 1)

        worker.poller.end_ahead(within_s=10)

    assert tokens(engine) == ["t1", *ahead]
    assert refusals == {}


def test_what_was_sent_ahead_is_seen_to_once(path: Path) -> None:
    with ScriptedEngine(path, answer(SEVERAL), answer(), answer(), answer()) as engine:
        worker, refusals = Worker(engine), Refusals()
        take_three(worker)
        send(worker, refusals, "t1", "t2")
        worker.poller.end_ahead(within_s=10)
        worker.poller.end_ahead(within_s=10)
        worker.stop.request()
        worker.answer("t3")

    assert tokens(engine) == ["t1", "t2", "t3"]


def test_a_batch_without_an_answer_leaves_its_connection_for_the_next_call(path: Path) -> None:
    """As when the first task is left open."""
    with ScriptedEngine(path, answer(SEVERAL), answer()) as engine:
        worker = Worker(engine)
        take_three(worker)
        worker.poller.end_ahead(within_s=10)
        worker.stop.request()
        worker.answer("t1")

    assert [each.connection for each in engine.sent] == [1, 1]


def test_other_calls_go_by_other_connections_meanwhile(path: Path) -> None:
    """Such as heartbeats; what they are answered is not mistaken for an acknowledgement."""
    beat = answer({"cancelRequested": True})
    with ScriptedEngine(path, answer(SEVERAL), waits, beat, several(answer(), told)) as engine:
        client: list[LeanClient] = []

        def keep(lean: LeanClient) -> LeanClient:
            client.append(lean)
            return lean

        worker, refusals = Worker(engine, client=keep), Refusals()
        take_three(worker)
        send(worker, refusals, "t1")
        assert client[0].call("RecordActivityTaskHeartbeat", {"taskToken": "t2"}) == {"cancelRequested": True}
        worker.answer("t2")

    assert [each.connection for each in engine.sent] == [1, 1, 2, 1]


def test_tasks_of_a_poll_that_is_taken_back_cannot_be_answered_ahead(path: Path) -> None:
    """Its connection takes no more; the tasks came just before."""
    with ScriptedEngine(path, answer(task(0)), answer(SEVERAL, before=CARRIED_OUT)) as engine:
        worker = Worker(engine)
        worker.answer(worker.take())
        first = worker.poller.came_with
        worker.stop.request()
        take_three(worker)

        assert worker.poller.ahead is None

    assert [first, worker.poller.came_with] == [each.poll_id for each in engine.sent]


def may_begin(path: Path, number: int, now: float, sent: int) -> bool:
    """Whether the task may be begun that `number` came before, after so many answers."""
    with ScriptedEngine(path, answer(SEVERAL), *[answer()] * sent) as engine:
        worker = Worker(engine)
        take_three(worker)
        send(worker, Refusals(), *["t1", "t1", "t1"][:sent])
        ahead = worker.poller.ahead
        assert isinstance(ahead, Ahead)
        may = ahead.may_begin(number, now)
        worker.poller.end_ahead(within_s=10)
    return may


@pytest.mark.parametrize(
    ("number", "now", "sent", "may"),
    [
        (1, OVER - LEASE_S, 1, True),
        (1, OVER - 0.000_01, 1, True),
        (1, OVER, 1, False),
        (1, OVER + 1, 1, False),
        (1, OVER - LEASE_S - 0.000_01, 1, False),
        (1, OVER - LEASE_S, 0, False),
        (1, OVER - LEASE_S, 2, False),
        (2, OVER - LEASE_S, 2, True),
    ],
    ids=[
        "answered at once",
        "just before the end",
        "at the end",
        "past it",
        "by another clock",
        "the one before is left open",
        "the one before was answered twice",
        "two answered",
    ],
)
def test_a_task_is_begun_only_on_lease_and_behind_answers(
    path: Path, number: int, now: float, sent: int, may: bool
) -> None:
    assert may_begin(path, number, now, sent) is may


def test_no_task_is_begun_behind_an_answer_that_did_not_leave(path: Path) -> None:
    with ScriptedEngine(path, answer(SEVERAL), hang_up, answer(), answer()) as engine:
        worker, refusals = Worker(engine), Refusals()
        take_three(worker)
        ahead = worker.poller.ahead
        assert ahead is not None
        send(worker, refusals, "t1")
        while ahead.stream.connection.stands():
            pass
        send(worker, refusals, "t2")

        assert not ahead.may_begin(2, OVER - LEASE_S)
        worker.poller.end_ahead(within_s=10)

"""An activity worker with several tasks of one poll: run in order, on lease, the rest given back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from flowyd import Activity, activity
from flowyd.control.in_hand import ANSWERS_AT, InHand, decode_answers, decode_in_hand
from flowyd.control.quarantine import encode_keys, key_of
from flowyd.sdk.failures import SuspendTask
from flowyd.sdk.registry import ActivityRegistration, registration_of
from flowyd.swf.actions import BEGIN_BEFORE, LEASE_S
from flowyd.swf.client import Answer
from flowyd.swf.lean import LeanClient
from flowyd.worker.activity_worker import ActivityWorker
from flowyd.worker.hand import Hand
from flowyd.worker.pace import MOST
from flowyd.worker.quarantined import QuarantineKeys
from flowyd.worker.reporting import Reporter
from flowyd.worker.stopping import StopSignal
from tests.unit.worker.scripted_engine import (
    CARRIED_OUT,
    ScriptedEngine,
    Sent,
    Step,
    answer,
    fault,
    hang_up,
    several,
    waits,
)

POLL = "PollForActivityTask"
COMPLETED, FAILED = "RespondActivityTaskCompleted", "RespondActivityTaskFailed"
NOT_BEGUN = "x-flowyd-not-begun"


def task(name: str, type_name: str = "activity") -> Answer:
    """The task of that name: what it does is its input, its token says so too."""
    return {
        "taskToken": name,
        "activityId": name,
        "activityType": {"name": type_name, "version": "1"},
        "workflowExecution": {"workflowId": "w", "runId": "r"},
        "startedEventId": 1,
        "input": json.dumps([[name], {}]),
    }


class Clock:
    """Stands still but for what activities take."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """An activity worker of one type, whose tasks do what they are named after, over a scripted engine."""

    def __init__(self, engine: ScriptedEngine, folder: Path | None = None, held: Sequence[str] = ()) -> None:
        self.engine = engine
        self.clock = Clock()
        self.stop = StopSignal()
        #: What was begun, in order; what was known to have been sent by then; what the file said.
        self.ran: list[str] = []
        self.sent_before: list[list[str]] = []
        self.files: list[InHand | None] = []
        self._file = folder / "hand" if folder else None
        self.reporter = Reporter(None, self._hand())
        self.worker = ActivityWorker(
            LeanClient(engine.endpoint),
            {("activity", "1"): self._registration()},
            domain="d",
            task_list="activities",
            identity="i",
            title="worker",
            why_not={},
            reporter=self.reporter,
            stop=self.stop,
            quarantine=_quarantine(folder, held),
            now=self.clock,
        )

    def _hand(self) -> Hand | None:
        if self._file is None:
            return None
        owner = InHand(pid=1, pool="p", kind="activity", slot=0, task_list="activities")
        return Hand(owner, _opened(self._file))

    def _registration(self) -> ActivityRegistration:
        outer = self

        @activity("activity", 1, "activities")
        class Named(Activity):
            def run(self, name: str) -> str:
                outer.ran.append(name)
                if outer._file is not None:
                    outer.files.append(decode_in_hand(outer._file.read_bytes()))
                kind = name.rstrip("0123456789")
                if kind == "slow":
                    outer.clock.now += LEASE_S
                elif kind == "stop":
                    outer.stop.request()
                elif kind == "open":
                    raise SuspendTask
                elif kind == "twice":
                    assert self.scheduler is not None
                    self.scheduler.complete(self.token, "first")
                elif kind == "beat":
                    assert self.heartbeat()
                elif kind == "bad":
                    raise ValueError("bad")
                elif kind == "exit":
                    raise SystemExit(1)
                return name

        class NamedAsync(Activity):
            async def run(self, name: str) -> str:
                outer.ran.append(name)
                return name

        registration = registration_of(Named)
        assert isinstance(registration, ActivityRegistration)

        def factory(*, input: str | None, scheduler: Any, token: str) -> Activity:  # noqa: A002
            made = NamedAsync if token.startswith("async") else Named
            return made(input=input, scheduler=scheduler, token=token)

        return ActivityRegistration(
            **{
                **{name: getattr(registration, name) for name in registration.__slots__},
                "factory": factory,
            }
        )

    def together(self, *names: str, lease_s: float = LEASE_S) -> Step:
        """The answer to a poll, with so long a lease."""
        tasks = [task(name) for name in names]
        return lambda: answer({"tasks": tasks, BEGIN_BEFORE: self.clock.now + lease_s})()

    def ends(self, *before: Step, reply: Step = waits) -> Step:
        """The worker is told to stop with what is answered now; its poll is not answered any more."""

        def stopping() -> bytes | None:
            self.stop.request()
            return several(*before, reply)()

        return stopping


def carried_out() -> bytes:
    return CARRIED_OUT


def _opened(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)


def _quarantine(folder: Path | None, held: Sequence[str]) -> QuarantineKeys | None:
    if not held or folder is None:
        return None
    keys = {
        key_of(workflow_id="w", type_name="activity", type_version="1", input_text=task(name)["input"]): None
        for name in held
    }
    (folder / "keys").write_text(encode_keys(keys))
    return QuarantineKeys(folder / "keys")


def play(
    path: Path,
    script: Callable[[Worker], Sequence[Step]],
    *,
    held: Sequence[str] = (),
    most: int | None = None,
) -> Worker:
    """A worker that has played the script to its end."""
    steps: list[Step] = []
    with ScriptedEngine(path / "engine.sock") as engine:
        worker = Worker(engine, path, held)
        steps += script(worker)
        engine.play(*steps)
        worker.worker.run(most_tasks=most)
    return worker


def told(sent: Sequence[Sent]) -> list[str]:
    """What was sent, in order."""
    return [_name(each) for each in sent]


def _name(sent: Sent) -> str:
    token = sent.members.get("taskToken", "")
    if NOT_BEGUN in sent.headers:
        return f"back {token}"
    short = {COMPLETED: "done", FAILED: "failed", POLL: "poll", "RecordActivityTaskHeartbeat": "beat"}
    text = f"{short[sent.action]} {token}".strip()
    return f"{text} + poll" if sent.next_poll else text


def test_tasks_are_run_in_order_and_each_is_answered_before_the_next(tmp_path: Path) -> None:
    """None is acknowledged before the last was sent."""
    worker = play(
        tmp_path,
        lambda w: [w.together("a", "b", "c"), waits, waits, w.ends(answer(), answer(), reply=carried_out)],
    )

    assert worker.ran == ["a", "b", "c"]
    assert told(worker.engine.sent) == ["poll", "done a", "done b", "done c + poll"]
    assert {each.connection for each in worker.engine.sent} == {1}
    assert worker.reporter.tasks_done == 3


def test_a_task_is_begun_after_the_answer_before_it_has_left(tmp_path: Path) -> None:
    """The engine has all that was sent before a task is begun: each task waits here until it came."""

    def script(worker: Worker) -> list[Step]:
        run, ran = worker.engine.wait_for, worker.ran

        class Waiting(list[str]):
            def append(self, name: str) -> None:
                run(1 + len(ran))
                super().append(name)

        worker.ran = ran = Waiting()
        return [
            worker.together("a", "b", "c"),
            waits,
            waits,
            worker.ends(answer(), answer(), reply=carried_out),
        ]

    assert play(tmp_path, script).ran == ["a", "b", "c"]


def test_the_file_says_which_task_was_begun_before_it_is(tmp_path: Path) -> None:
    worker = play(
        tmp_path,
        lambda w: [w.together("a", "b", "c"), waits, waits, w.ends(answer(), answer(), reply=carried_out)],
    )

    said = [file and (file.came_with, [each.activity_id for each in file.running]) for file in worker.files]
    came_with = worker.engine.sent[0].poll_id
    assert said == [(came_with, ["a"]), (came_with, ["b"]), (came_with, ["c"])]


#: What ends a batch: the tasks that come together, how many are begun, and what is answered of these.
ENDS = {
    "the first takes as long as the lease": (["slow", "b", "c"], 1, ["done slow"]),
    "the second does": (["a", "slow", "c"], 2, ["done a", "done slow"]),
    "a stop is asked for": (["stop", "b", "c"], 1, ["done stop"]),
    "a stop is asked for in the second": (["a", "stop", "c"], 2, ["done a", "done stop"]),
    "the first is left open": (["open", "b", "c"], 1, []),
    "the second is left open": (["a", "open", "c"], 2, ["done a"]),
    "the first is answered twice": (["twice", "b", "c"], 1, ["done twice", "done twice"]),
    "the first is quarantined": (["held", "b", "c"], 0, []),
    "the second is quarantined": (["a", "held", "c"], 1, ["done a"]),
}


@pytest.mark.parametrize(("names", "begun", "answered"), ENDS.values(), ids=ENDS)
def test_what_may_not_be_begun_is_given_back(
    tmp_path: Path, names: list[str], begun: int, answered: list[str]
) -> None:
    rest = names[names.index("held") + 1 if "held" in names else begun :]
    back = [answer()] * len(rest)

    def script(worker: Worker) -> list[Step]:
        # With a stop in it no poll follows.
        last = [] if "stop" in names else [worker.ends()]
        return [worker.together(*names), *[answer()] * len(answered), *back, *last]

    worker = play(tmp_path, script, held=["held"])

    sent = worker.engine.sent
    assert worker.ran == names[:begun]
    assert told(sent) == [
        "poll",
        *answered,
        *(f"back {name}" for name in rest),
        *(["poll"] * (sent[-1].action == POLL)),
    ]
    assert {each.headers[NOT_BEGUN] for each in sent if NOT_BEGUN in each.headers} == {sent[0].poll_id}
    assert worker.reporter.tasks_done == begun


def test_of_a_lease_by_another_clock_only_the_first_is_begun(tmp_path: Path) -> None:
    worker = play(
        tmp_path,
        lambda w: [w.together("a", "b", lease_s=LEASE_S + 0.001), answer(), answer(), w.ends()],
    )

    assert worker.ran == ["a"]
    assert told(worker.engine.sent) == ["poll", "done a", "back b", "poll"]


def test_a_type_that_is_not_served_is_not_refused_behind_others(tmp_path: Path) -> None:
    """Whoever is handed it alone may hold it back for newer modules, as long as that takes."""

    def script(worker: Worker) -> list[Step]:
        tasks = [task("a"), task("b", "unknown"), task("c")]
        first = answer({"tasks": tasks, BEGIN_BEFORE: worker.clock.now + LEASE_S})
        return [first, answer(), answer(), answer(), worker.ends()]

    worker = play(tmp_path, script)

    assert told(worker.engine.sent) == ["poll", "done a", "back b", "back c", "poll"]


def test_behind_an_answer_that_cannot_be_sent_none_is_begun(tmp_path: Path) -> None:
    """The engine has gone: the answers are sent again, the rest is given back, by new connections."""

    def script(worker: Worker) -> list[Step]:
        class Slower(list[str]):
            def append(self, name: str) -> None:
                super().append(name)
                ahead = worker.worker._poller.ahead
                while name == "b" and ahead is not None and ahead.stream.connection.stands():
                    pass

        worker.ran = Slower()
        again = [fault("UnknownResourceFault"), answer()]
        return [worker.together("a", "b", "c", "d"), hang_up, *again, answer(), answer(), worker.ends()]

    worker = play(tmp_path, script)

    assert worker.ran == ["a", "b"]
    assert told(worker.engine.sent) == ["poll", "done a", "done a", "done b", "back c", "back d", "poll"]


def test_a_result_refused_after_it_was_sent_ahead_fails_its_task(tmp_path: Path) -> None:
    refused = [fault("ValidationException"), answer()]
    worker = play(
        tmp_path,
        lambda w: [w.together("a", "b", "c"), waits, waits, several(*refused, carried_out), w.ends(answer())],
    )

    assert worker.ran == ["a", "b", "c"]
    assert told(worker.engine.sent) == ["poll", "done a", "done b", "done c + poll", "failed a"]
    assert "the result was refused" in worker.engine.sent[-1].members["reason"]


def test_a_result_refused_ahead_of_a_batch_cut_short_fails_its_task(tmp_path: Path) -> None:
    worker = play(
        tmp_path,
        lambda w: [w.together("slow", "b"), fault("ValidationException"), carried_out, w.ends(answer())],
    )

    assert told(worker.engine.sent) == ["poll", "done slow", "failed slow + poll", "back b"]


def test_activities_that_fail_are_answered_ahead_too(tmp_path: Path) -> None:
    worker = play(
        tmp_path,
        lambda w: [
            w.together("bad", "exit", "c"),
            waits,
            waits,
            w.ends(answer(), answer(), reply=carried_out),
        ],
    )

    assert told(worker.engine.sent) == ["poll", "failed bad", "failed exit", "done c + poll"]


def test_an_async_activity_is_one_of_several_like_any_other(tmp_path: Path) -> None:
    worker = play(
        tmp_path,
        lambda w: [
            w.together("async1", "b", "async2"),
            waits,
            waits,
            w.ends(answer(), answer(), reply=carried_out),
        ],
    )

    assert worker.ran == ["async1", "b", "async2"]
    assert told(worker.engine.sent) == ["poll", "done async1", "done b", "done async2 + poll"]


def test_heartbeats_between_answers_go_by_another_connection(tmp_path: Path) -> None:
    beat = answer({"cancelRequested": False})
    worker = play(
        tmp_path,
        lambda w: [w.together("a", "beat"), waits, beat, w.ends(answer(), reply=carried_out)],
    )

    assert told(worker.engine.sent) == ["poll", "done a", "beat beat", "done beat + poll"]
    assert [each.connection for each in worker.engine.sent] == [1, 1, 2, 1]


def test_tasks_that_came_to_a_poll_just_before_a_stop_are_given_back_but_for_the_first(
    tmp_path: Path,
) -> None:
    def script(worker: Worker) -> list[Step]:
        return [
            answer(task("a")),
            worker.ends(carried_out, reply=worker.together("b", "c")),
            answer(),
            answer(),
        ]

    worker = play(tmp_path, script)

    assert worker.ran == ["a", "b"]
    assert told(worker.engine.sent) == ["poll", "done a + poll", "done b", "back c"]
    assert worker.engine.sent[-1].headers[NOT_BEGUN] == worker.engine.sent[1].poll_id


def test_what_may_not_have_been_given_back_is_given_back_again(tmp_path: Path) -> None:
    """The first was, the second is closed, the third was throttled; of the others nothing is known."""
    outcomes = [answer(), fault("UnknownResourceFault"), fault("ThrottlingException"), hang_up]
    worker = play(
        tmp_path,
        lambda w: [w.together("slow", *"bcdef"), answer(), *outcomes, answer(), answer(), answer(), w.ends()],
    )

    first, again = [f"back {name}" for name in "bcde"], [f"back {name}" for name in "def"]
    assert told(worker.engine.sent) == ["poll", "done slow", *first, *again, "poll"]
    assert len({each.headers[NOT_BEGUN] for each in worker.engine.sent if NOT_BEGUN in each.headers}) == 1


# How many are asked for.


def asked_for(sent: Sequence[Sent]) -> list[int]:
    """How many tasks each poll asked for."""
    asked = []
    for each in sent:
        if each.action == POLL:
            asked.append(int(each.headers.get("x-flowyd-tasks", "1")))
        elif each.next_poll:
            asked.append(json.loads(each.headers["x-flowyd-next-poll"]).get("tasks", 1))
    return asked


def quick(tasks: int) -> list[Step]:
    """So many tasks that take no time, one by one; by then as many as can be are asked for."""
    return [answer(task(f"q{number}")) for number in range(tasks)]


def test_behind_quick_tasks_more_are_asked_for_with_the_very_next_poll(tmp_path: Path) -> None:
    worker = play(tmp_path, lambda w: [*quick(12), w.ends(reply=carried_out)])

    asked = asked_for(worker.engine.sent)
    assert asked == sorted(asked)
    assert (asked[0], asked[-1]) == (1, MOST)


def test_who_keeps_no_file_asks_for_one_at_a_time(tmp_path: Path) -> None:
    """Nobody would answer for what it had not begun."""
    with ScriptedEngine(tmp_path / "engine.sock") as engine:
        worker = Worker(engine)
        engine.play(*quick(12), worker.ends(reply=carried_out))
        worker.worker.run()

    assert asked_for(engine.sent) == [1] * len(engine.sent)


def test_the_poll_that_goes_with_a_slow_tasks_answer_asks_for_a_single_one(tmp_path: Path) -> None:
    worker = play(tmp_path, lambda w: [*quick(12), answer(task("slow")), w.ends(reply=carried_out)])

    assert asked_for(worker.engine.sent)[-2:] == [MOST, 1]


def test_a_slow_task_before_others_is_followed_by_a_single_one(tmp_path: Path) -> None:
    """Its answer was sent ahead, and the others were given back."""
    worker = play(
        tmp_path,
        lambda w: [*quick(12), w.together("slow", "b"), answer(), answer(), w.ends()],
    )

    assert told(worker.engine.sent)[-3:] == ["done slow", "back b", "poll"]
    assert asked_for(worker.engine.sent)[-2:] == [MOST, 1]


def test_a_worker_that_gets_to_its_tasks_too_late_asks_for_a_single_one(tmp_path: Path) -> None:
    """As on a machine with too much to do, which giving back would only give more."""
    worker = play(
        tmp_path,
        lambda w: [*quick(12), w.together("a", "b", lease_s=-0.01), answer(), answer(), w.ends()],
    )

    assert told(worker.engine.sent)[-3:] == ["done a", "back b", "poll"]
    assert asked_for(worker.engine.sent)[-2:] == [MOST, 1]


def test_a_worker_for_so_many_tasks_asks_for_one_at_a_time(tmp_path: Path) -> None:
    def script(_: Worker) -> list[Step]:
        return [step for number in range(12) for step in (answer(task(f"q{number}")), answer())]

    worker = play(tmp_path, script, most=12)

    assert told(worker.engine.sent) == [each for n in range(12) for each in ("poll", f"done q{n}")]
    assert set(asked_for(worker.engine.sent)) == {1}


def test_an_answer_is_written_down_before_it_is_sent(tmp_path: Path) -> None:
    written: list[set[str]] = []

    def look_then(worker: Worker, step: Step) -> Step:
        def looking() -> bytes | None:
            assert worker._file is not None
            content = worker._file.read_bytes()[ANSWERS_AT:]
            written.append({given.request["result"] for given in decode_answers(content).values()})
            return step()

        return looking

    play(
        tmp_path,
        lambda w: [
            answer(task("first")),
            look_then(w, w.together("a", "b")),
            look_then(w, answer()),
            look_then(w, w.ends(reply=carried_out)),
        ],
    )

    # The second of two that came together may be there, too, by the time that the first is looked at.
    assert [each & {'"first"'} for each in written[:1]] == [{'"first"'}]
    assert '"a"' in written[1]
    assert {'"a"', '"b"'} <= written[2]

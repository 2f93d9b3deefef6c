"""A decision worker that was handed several tasks at once: what it answers when, and what it says of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from flowyd import Workflow, workflow
from flowyd.control.in_hand import RECORD_BYTES, InHand, decode_in_hand
from flowyd.control.reports import Report, WorkerState, decode_report
from flowyd.sdk.registry import WorkflowRegistration, registration_of
from flowyd.swf.client import Answer
from flowyd.swf.lean import LeanClient
from flowyd.worker.decision_worker import DecisionWorker
from flowyd.worker.hand import Hand
from flowyd.worker.pace import MOST, TOGETHER_S
from flowyd.worker.reporting import Reporter
from flowyd.worker.rolling import Rolling
from flowyd.worker.stopping import HandedOn, StopSignal
from tests.unit.worker.scripted_engine import ScriptedEngine, Step, answer, fault, hang_up, told

ANSWER = "RespondDecisionTaskCompleted"
POLL = "PollForDecisionTask"
HISTORY = "GetWorkflowExecutionHistory"
BOTH = f"{ANSWER}+{POLL}"

Event = dict[str, Any]


def event(number: int, event_type: str, **attributes: Any) -> Event:
    member = event_type[0].lower() + event_type[1:] + "EventAttributes"
    return {"eventId": number, "eventTimestamp": 1.0, "eventType": event_type, member: attributes}


def first_events(name: str) -> list[Event]:
    """Those of an execution up to its first decision task."""
    arguments = json.dumps([[name], {}])
    return [
        event(1, "WorkflowExecutionStarted", input=arguments, workflowType={"name": "t", "version": "1"}),
        event(2, "DecisionTaskScheduled", taskList={"name": "decide"}),
        event(3, "DecisionTaskStarted", scheduledEventId=2),
    ]


def next_events(between: Event) -> list[Event]:
    """What comes after those: `between` has number 5."""
    return [
        event(4, "DecisionTaskCompleted", scheduledEventId=2, startedEventId=3),
        between,
        event(6, "DecisionTaskScheduled", taskList={"name": "decide"}),
        event(7, "DecisionTaskStarted", scheduledEventId=6),
    ]


GO = event(5, "WorkflowExecutionSignaled", signalName="go", input="null")
UNASKED = event(
    5,
    "ActivityTaskScheduled",
    activityId="other",
    activityType={"name": "a", "version": "1"},
    decisionTaskCompletedEventId=4,
)


def task(name: str, *, kind: str = "returns", events: list[Event] | None = None) -> Answer:
    """A decision task of the execution of that name, as a poll is answered."""
    events = events or first_events(name)
    return {
        "taskToken": f"{name}{events[-1]['eventId']}",
        "startedEventId": events[-1]["eventId"],
        "previousStartedEventId": 0,
        "workflowExecution": {"workflowId": name, "runId": name},
        "workflowType": {"name": kind, "version": "1"},
        "events": events,
    }


def together(tasks: Iterable[Answer]) -> Step:
    return answer({"tasks": list(tasks)})


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class Worker:
    """A decision worker over a scripted engine, with a file for its hand and a pipe for its reports."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.stop = StopSignal()
        self.rolling = Rolling()
        #: What happens while the execution of that name is decided.
        self.meanwhile: dict[str, Callable[[], object]] = {}
        #: Those that were decided, in order, and how many answers had been sent before each.
        self.decided: list[tuple[str, int]] = []
        self.engine: ScriptedEngine
        self._folder = folder
        self._file = folder / "hand"
        self._reports, self._reports_end = os.pipe()

    def play(self, *steps: Step) -> ScriptedEngine:
        """Lets it work until a step stops it."""
        owner = InHand(pid=1, pool="p", kind="decision", slot=0, task_list="decide")
        reporter = Reporter(self._reports_end, Hand(owner, os.open(self._file, os.O_RDWR | os.O_CREAT)))
        with ScriptedEngine(self._folder / "engine.sock", *steps) as self.engine:
            DecisionWorker(
                LeanClient(self.engine.endpoint),
                self._registrations(),
                domain="d",
                task_list="decide",
                sticky_list=None,
                identity="i",
                title="worker",
                reporter=reporter,
                stop=self.stop,
                rolling=self.rolling,
                now=self.clock,
            ).run()
        reporter.report(WorkerState.STOPPING, until=None)
        return self.engine

    def stopping(self) -> bytes:
        """A step: the answer was carried out, and a stop comes before the poll's."""
        self.stop.request()
        return told()

    def takes(self, seconds: float) -> Callable[[], object]:
        """That a decision takes so long."""

        def wait() -> None:
            self.clock.at += seconds

        return wait

    def in_hand(self) -> list[str]:
        """The executions whose tasks the file names."""
        found = decode_in_hand(self._file.read_bytes()[:RECORD_BYTES])
        assert found is not None
        return [each.workflow_id for each in found.tasks]

    def reports(self) -> list[Report]:
        """All that came since the last look."""
        return [decode_report(line) for line in os.read(self._reports, 65_536).splitlines()]

    def answers(self) -> list[str]:
        """The tokens that were answered, in the order they were sent."""
        return [str(each.members["taskToken"]) for each in self.engine.sent if each.action == ANSWER]

    def polled_tasks(self) -> list[int]:
        """How many tasks each poll took at most."""
        return [
            int(each.headers.get("x-flowyd-tasks", "1"))
            if each.action == POLL
            else json.loads(each.headers["x-flowyd-next-poll"]).get("tasks", 1)
            for each in self.engine.sent
            if each.action == POLL or each.next_poll
        ]

    def _registrations(self) -> dict[tuple[str, str], WorkflowRegistration]:
        def note(name: str) -> None:
            self.decided.append((name, len(self.answers())))
            self.meanwhile.get(name, lambda: None)()

        @workflow("returns", 1, "decide")
        class Returns(Workflow):
            def run(self, name: str) -> str:
                note(name)
                return name

        @workflow("waits", 1, "decide")
        class Waits(Workflow):
            def run(self, name: str) -> str:
                note(name)
                self.signal("go").result()
                return name

        found = [registration_of(Returns), registration_of(Waits)]
        return {(each.name, each.version): each for each in found if isinstance(each, WorkflowRegistration)}


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


# When answers are sent.


def test_what_is_decided_quickly_is_answered_in_one_message_with_the_next_poll(worker: Worker) -> None:
    engine = worker.play(together(map(task, "abc")), answer(), answer(), worker.stopping)

    assert worker.decided == [("a", 0), ("b", 0), ("c", 0)]
    assert engine.actions == [POLL, ANSWER, ANSWER, BOTH]
    assert worker.answers() == ["a3", "b3", "c3"]


def test_answers_are_sent_before_the_next_decision_once_they_waited_long_enough(worker: Worker) -> None:
    worker.meanwhile = {name: worker.takes(TOGETHER_S * 0.6) for name in "ab"}
    engine = worker.play(together(map(task, "abcd")), answer(), answer(), answer(), worker.stopping)

    assert worker.decided == [("a", 0), ("b", 0), ("c", 2), ("d", 2)]
    assert engine.actions == [POLL, ANSWER, ANSWER, ANSWER, BOTH]


def test_slow_decisions_are_each_answered_before_the_next(worker: Worker) -> None:
    worker.meanwhile = {name: worker.takes(TOGETHER_S * 2) for name in "abc"}
    engine = worker.play(together(map(task, "abc")), answer(), answer(), worker.stopping)

    assert worker.decided == [("a", 0), ("b", 1), ("c", 2)]
    assert engine.actions == [POLL, ANSWER, ANSWER, BOTH]


def test_answers_are_sent_before_a_task_of_an_unknown_type(worker: Worker) -> None:
    tasks = [task("a"), task("b"), task("u", kind="unknown"), task("c")]
    sent_before: list[list[str]] = []
    worker.meanwhile = {"c": lambda: sent_before.append(worker.answers())}
    engine = worker.play(together(tasks), answer(), answer(), worker.stopping)

    assert worker.decided == [("a", 0), ("b", 0), ("c", 2)]
    assert engine.actions == [POLL, ANSWER, ANSWER, BOTH]
    assert worker.answers() == ["a3", "b3", "c3"]


def test_a_worker_replaced_at_a_task_of_an_unknown_type_hands_on_what_it_did_not_answer(
    worker: Worker,
) -> None:
    tasks = [task("a"), task("u", kind="unknown"), task("b")]
    worker.rolling.set(under_way=True)
    worker.meanwhile = {"a": worker.stop.request}

    with pytest.raises(HandedOn):
        worker.play(together(tasks), answer())

    assert worker.answers() == ["a3"]
    assert worker.in_hand() == ["u", "b"]


def test_a_stop_between_decisions_lets_all_that_came_be_decided(worker: Worker) -> None:
    worker.meanwhile = {"a": worker.stop.request}
    engine = worker.play(together(map(task, "abc")), answer(), answer(), answer())

    assert [name for name, _ in worker.decided] == ["a", "b", "c"]
    assert engine.actions == [POLL, ANSWER, ANSWER, ANSWER]


# How many are taken.


def test_the_first_task_is_taken_alone_and_more_once_decisions_are_seen_to_be_quick(worker: Worker) -> None:
    steps = [answer(task(f"w{number}")) for number in range(30)]
    worker.play(*steps, worker.stopping)

    took = worker.polled_tasks()
    assert (took[0], took[-1]) == (1, MOST)
    assert took == sorted(took)


def test_decisions_that_were_answered_before_the_others_count_in_how_many_are_taken(worker: Worker) -> None:
    names = [f"w{number}" for number in range(30)]
    slow_first = [f"{letter}{number}" for number in range(4) for letter in "sq"]
    worker.meanwhile = {name: worker.takes(0.1) for name in slow_first if name.startswith("s")}
    pairs = [together(map(task, slow_first[at : at + 2])) for at in range(0, len(slow_first), 2)]
    steps: list[Step] = [answer(task(name)) for name in names]
    for pair in pairs:
        # The first of each pair is answered alone, the second with the poll for the next pair.
        steps += [pair, answer()]
    worker.play(*steps, worker.stopping)

    assert worker.polled_tasks()[-1] == 1


# What goes wrong with one of them.


def test_code_that_does_not_fit_its_history_touches_no_other_task(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    broken = task("x", kind="waits", events=[*first_events("x"), *next_events(UNASKED)])
    tasks = [task("a"), broken, task("b")]
    worker.play(together(tasks), answer(), worker.stopping)

    assert worker.answers() == ["a3", "b3"]
    assert "of x cannot go on" in caplog.text
    last = worker.reports()[-1]
    assert (last.tasks_done, last.tasks_failed) == (3, 1)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "between", "last"])
def test_only_the_run_whose_answer_was_refused_is_forgotten(
    worker: Worker, caplog: pytest.LogCaptureFixture, place: int
) -> None:
    names = "abc"
    refused = names[place]
    fates = [answer(), answer(), answer()]
    fates[place] = fault("UnknownResourceFault")
    whole = [*first_events(refused), *next_events(GO)]
    go_on = together(task(name, kind="waits", events=next_events(GO)) for name in names)
    worker.play(
        together(task(name, kind="waits") for name in names),
        *fates,
        # The answers that came with no poll leave that to a message of its own.
        go_on,
        answer({"events": whole}),
        answer(),
        answer(),
        worker.stopping,
    )

    [read] = [each for each in worker.engine.sent if each.action == HISTORY]
    assert read.members["execution"]["workflowId"] == refused
    assert worker.answers() == ["a3", "b3", "c3", "a7", "b7", "c7"]
    closings = [each.members["decisions"] for each in worker.engine.sent if each.action == ANSWER][3:]
    assert [len(each) for each in closings] == [1, 1, 1]
    assert caplog.text.count("is left to time out") == 0


def test_answers_that_a_broken_connection_hid_are_sent_again_and_no_decision_is_made_twice(
    worker: Worker,
) -> None:
    steps = [together(map(task, "abc")), answer(), hang_up, fault("UnknownResourceFault"), answer()]
    worker.play(*steps, lambda: (worker.stop.request(), b"")[1])

    assert [name for name, _ in worker.decided] == ["a", "b", "c"]
    assert worker.answers() == ["a3", "b3", "b3", "c3"]


# What is told of it.


def test_a_report_names_what_is_decided_and_the_file_all_that_is_not_answered(worker: Worker) -> None:
    held: list[list[str]] = []
    for name in "abcd":
        worker.meanwhile[name] = lambda: held.append(worker.in_hand())
    slow = worker.takes(TOGETHER_S * 2)
    worker.meanwhile["b"] = lambda: (held.append(worker.in_hand()), slow())
    worker.play(together(map(task, "abcd")), answer(), answer(), answer(), worker.stopping)

    assert held == [list("abcd"), list("abcd"), list("cd"), list("cd")]
    running = [each for each in worker.reports() if each.state is WorkerState.RUNNING]
    assert [each.task.workflow_id for each in running if each.task] == list("abcd")
    assert [each.more_tasks for each in running] == [()] * 4


def test_each_task_of_several_counts(worker: Worker) -> None:
    tasks = [task("a"), task("u", kind="unknown"), task("b"), task("c")]
    fates = [answer(), fault("UnknownResourceFault"), worker.stopping]
    worker.play(together(tasks), *fates)

    last = worker.reports()[-1]
    assert (last.tasks_done, last.tasks_failed) == (4, 2)

"""What holds whatever deciders do that take several tasks at once, in any order, while time passes.

Invariants, looked at after every step:

1. No decision task is in hand of two polls: who is answered with one gets it from the list, or because the
   answer that had it before was not read.
2. A repeated poll is answered with the tasks it was answered with before, those that have closed meanwhile
   and those it takes no more left out; the next engine does the same.
3. No decision task is lost: what is started is in hand of a poll, or the next poll at its list gets it, and
   nobody waits at a list while there is something to be had.
4. The answer to a task is taken if and only if the task is still open; what becomes of it touches no other.
5. Taking several tasks is the same as asking for one after the other in the same turn, to the last event;
   so a poll that takes one sees what it would see if nobody took several.

An engine's end is a copy of the files as they are after the last answer, opened anew.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flowyd.engine.calls import Call
from flowyd.engine.rules.events import CLOSE_STATUS
from flowyd.swf.faults import UnknownResourceFault
from tests.unit.engine_service.engine_service_scene import COMPLETE, DOMAIN, TYPE, Answer, Scene, timer

LISTS = st.sampled_from(["tl", "tl", "sticky"])
MOST = st.sampled_from([1, 2, 3, 5])
#: What a task is answered with.
ANSWERS = st.sampled_from(
    [
        {},
        {"decisions": [COMPLETE]},
        {"decisions": [timer("x", 1)]},
        {"taskList": {"name": "sticky"}, "taskListScheduleToStartTimeout": "2"},
        {"taskList": {"name": "tl"}},
    ]
)

#: A run and the started event of its decision task.
Key = tuple[str, int]


def key_of(task: Answer) -> Key:
    return task["workflowExecution"]["runId"], task["startedEventId"]


def poll_of(poll_id: str, task_list: str, most_tasks: int) -> Call:
    """A poll, not sent yet."""
    call = Scene.make("PollForDecisionTask", domain=DOMAIN, taskList={"name": task_list})
    call.poll_id = poll_id
    call.trust(most_tasks)
    return call


def list_of(poll: Call) -> str:
    return str(poll.request["taskList"]["name"])


def tasks_in(answer: Answer) -> list[Answer]:
    if "tasks" in answer:
        tasks: list[Answer] = answer["tasks"]
        assert len(tasks) > 1
        return tasks
    return [answer] if "taskToken" in answer else []


@dataclass(kw_only=True)
class Unread:
    """An answer that its caller has not read."""

    poll: Call
    tasks: list[Answer]
    #: The engine that gave it is gone: only the repeated poll brings it back.
    is_old: bool = False


class Deciders(RuleBasedStateMachine):
    """Deciders that take several tasks at once, and lose answers, over a service that may end."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.scene = Scene(self.folder / "0.db")
        self.ends = 0
        self.poll_ids = 0
        self.runs: dict[str, dict[str, str]] = {}
        self.waiting: list[Call] = []
        #: Ids and lists of polls that were sent and not answered.
        self.unanswered: list[tuple[str, str]] = []
        self.unread: list[Unread] = []
        self.in_hand: list[Answer] = []
        #: Tasks that nobody else may get.
        self.taken: set[Key] = set()

    def teardown(self) -> None:
        self.scene.service.close()
        shutil.rmtree(self.folder)

    def turn(self, *polls: Call) -> None:
        """One turn with these polls; takes what is answered now."""
        self.waiting += polls
        self.scene.turn(*polls)
        self.collect()

    def collect(self) -> None:
        for poll in [poll for poll in self.waiting if poll in self.scene.answers]:
            self.waiting.remove(poll)
            tasks = tasks_in(self.scene.answer(poll))
            assert len(tasks) <= poll.most_tasks
            for key in map(key_of, tasks):
                assert key not in self.taken, "one poll has it"
                assert self.is_open(key)
                self.taken.add(key)
            if tasks:
                self.unread.append(Unread(poll=poll, tasks=tasks))

    def state_of(self, run_id: str) -> tuple[Key | None, str]:
        """The started and open decision task of a run, and its list."""
        started, task_list = 0, ""
        for event in self.scene.history(self.runs[run_id]):
            event_type = event["eventType"]
            if event_type == "DecisionTaskScheduled":
                task_list = event["decisionTaskScheduledEventAttributes"]["taskList"]["name"]
            if event_type == "DecisionTaskStarted":
                started = event["eventId"]
            elif (
                event_type in ("DecisionTaskCompleted", "DecisionTaskTimedOut") or event_type in CLOSE_STATUS
            ):
                started = 0
        return ((run_id, started) if started else None), task_list

    def is_open(self, key: Key) -> bool:
        return self.state_of(key[0])[0] == key

    # What callers do

    @rule(names=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True))
    def start(self, names: list[str]) -> None:
        """Several at once, as far as they do not run."""
        for name in names:
            listed = {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
            filtered = {**listed, "executionFilter": {"workflowId": name}}
            if not self.scene.call("ListOpenWorkflowExecutions", **filtered)["executionInfos"]:
                run = self.scene.start(name, taskStartToCloseTimeout="5")
                self.runs[run["runId"]] = run
                self.collect()

    @rule(wanted=st.lists(st.tuples(LISTS, MOST, st.booleans()), min_size=1, max_size=4))
    def poll(self, wanted: list[tuple[str, int, bool]]) -> None:
        """Several polls in one turn, some without an id."""
        polls = []
        for task_list, most_tasks, has_id in wanted:
            self.poll_ids += 1
            polls.append(poll_of(f"p{self.poll_ids}" if has_id else "", task_list, most_tasks))
        self.turn(*polls)

    @precondition(lambda self: self.unanswered)
    @rule(most_tasks=MOST)
    def poll_again(self, most_tasks: int) -> None:
        poll_id, task_list = self.unanswered.pop()
        self.turn(poll_of(poll_id, task_list, most_tasks))

    @precondition(lambda self: self.unread)
    @rule(which=st.integers(0, 20))
    def read(self, which: int) -> None:
        answer = self.unread[which % len(self.unread)]
        # What an engine that ended had answered may still be read.
        self.unread.remove(answer)
        self.in_hand += answer.tasks

    @precondition(lambda self: any(answer.poll.poll_id for answer in self.unread))
    @rule(which=st.integers(0, 20), most_tasks=MOST)
    def repeat(self, which: int, most_tasks: int) -> None:
        """The caller lost the answer, and the engine does not know."""
        answers = [answer for answer in self.unread if answer.poll.poll_id]
        answer = answers[which % len(answers)]
        self.unread.remove(answer)
        keys = [key_of(task) for task in answer.tasks]
        still_open = [key for key in keys if self.is_open(key)]
        self.taken.difference_update(keys)
        again = poll_of(answer.poll.poll_id, list_of(answer.poll), most_tasks)
        self.turn(again)
        if still_open:
            found = tasks_in(self.scene.answer(again))
            assert [key_of(task) for task in found] == still_open[:most_tasks]

    @precondition(lambda self: any(not answer.is_old for answer in self.unread))
    @rule(which=st.integers(0, 20))
    def lose(self, which: int) -> None:
        """The engine sees that an answer was not read."""
        answers = [answer for answer in self.unread if not answer.is_old]
        answer = answers[which % len(answers)]
        self.unread.remove(answer)
        self.taken.difference_update(map(key_of, answer.tasks))
        self.scene.service.offer_again(answer.poll)
        if answer.poll.poll_id:
            self.unanswered.append((answer.poll.poll_id, list_of(answer.poll)))
        self.turn()

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 20))
    def withdraw(self, which: int) -> None:
        poll = self.waiting.pop(which % len(self.waiting))
        assert self.scene.service.withdraw(poll)
        if poll.poll_id:
            self.unanswered.append((poll.poll_id, list_of(poll)))

    @precondition(lambda self: self.in_hand)
    @rule(chosen=st.lists(st.tuples(st.integers(0, 20), ANSWERS), min_size=1, max_size=5))
    def answer(self, chosen: list[tuple[int, dict[str, Any]]]) -> None:
        """Some of the tasks in hand, in any order, in one turn."""
        answers: dict[Call, bool] = {}
        for which, members in chosen:
            if self.in_hand:
                task = self.in_hand.pop(which % len(self.in_hand))
                call = Scene.make("RespondDecisionTaskCompleted", taskToken=task["taskToken"], **members)
                answers[call] = self.is_open(key_of(task))
        self.turn_with(answers)

    def turn_with(self, answers: dict[Call, bool]) -> None:
        self.scene.turn(*answers)
        self.collect()
        for call, was_open in answers.items():
            assert isinstance(self.scene.answers[call], UnknownResourceFault) is not was_open

    @rule(which=st.integers(0, 20), ends=st.sampled_from([False, False, True]))
    def tell(self, which: int, ends: bool) -> None:
        if self.runs:
            run = [*self.runs.values()][which % len(self.runs)]
            action = "TerminateWorkflowExecution" if ends else "SignalWorkflowExecution"
            members = {} if ends else {"signalName": "s"}
            self.scene.begin(action, domain=DOMAIN, **run, **members)
            self.collect()

    @rule(seconds=st.sampled_from([0.5, 1.0, 1.0, 2.0, 6.0]))
    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.5)):
            # Less than a decision may take, so what is handed out meanwhile is still open.
            self.scene.pass_time(0.5)
            self.collect()

    @rule(in_order=st.booleans())
    def end_the_engine(self, in_order: bool) -> None:
        self.ends += 1
        copy = self.folder / f"{self.ends}.db"
        if not in_order:
            for end in ("", "-wal", "-redo"):
                shutil.copy(f"{self.scene.database}{end}", f"{copy}{end}")
        self.scene.service.close()
        if not in_order:
            self.scene.database = copy
        self.scene.open_again()
        self.unanswered += [(poll.poll_id, list_of(poll)) for poll in self.waiting if poll.poll_id]
        self.waiting.clear()
        for answer in self.unread:
            answer.is_old = True
        self.turn()

    @rule()
    def take_all_that_is_left(self) -> None:
        """Then all that is started is in somebody's hand."""
        while self.waiting:
            self.withdraw(0)
        for task_list in ("tl", "sticky"):
            for _ in range(len(self.runs) + 1):
                self.poll([(task_list, 3, True)])
                if self.waiting:
                    break
            self.withdraw(0)
        for run_id in self.runs:
            key, _ = self.state_of(run_id)
            assert key is None or key in self.taken, "it is lost"

    # What must hold

    @invariant()
    def nobody_waits_for_what_is_there(self) -> None:
        attended = {list_of(poll) for poll in self.waiting}
        for run_id in self.runs:
            key, task_list = self.state_of(run_id)
            assert key is None or key in self.taken or task_list not in attended
        for task_list in attended:
            waiting = self.scene.call(
                "CountPendingDecisionTasks", domain=DOMAIN, taskList={"name": task_list}
            )
            assert waiting["count"] == 0

    @invariant()
    def each_task_starts_once(self) -> None:
        for run in self.runs.values():
            started = Counter(
                event["decisionTaskStartedEventAttributes"]["scheduledEventId"]
                for event in self.scene.history(run)
                if event["eventType"] == "DecisionTaskStarted"
            )
            assert all(count == 1 for count in started.values())


TestDeciders = Deciders.TestCase
#: A fifth of the profile's examples: 20 by default, 1,200 with `--hypothesis-profile=long`.
TestDeciders.settings = settings(
    max_examples=settings().max_examples // 5, stateful_step_count=30, deadline=None
)


class Sides:
    """The same calls to two services, of which one is asked for each task of several by a poll of its own."""

    def __init__(self, folder: Path) -> None:
        self.several, self.single = Scene(folder / "several.db"), Scene(folder / "single.db")
        self.polls = 0
        #: The polls that wait, and what stands for them on the other side.
        self.waiting: dict[Call, Call] = {}
        #: Tasks in hand, on both sides.
        self.in_hand: list[tuple[Answer, Answer]] = []

    def turn(self, calls: list[tuple[str, dict[str, Any]]], polls: list[tuple[str, int, bool]]) -> None:
        """One turn with these calls and, behind them, polls."""
        self._turn(
            [(Scene.make(action, **each), Scene.make(action, **each)) for action, each in calls], polls
        )

    def answer(self, chosen: list[tuple[int, dict[str, Any]]], polls: list[tuple[str, int, bool]]) -> None:
        """Answers some of the tasks in hand in one turn with polls."""
        calls = []
        for which, members in chosen:
            if self.in_hand:
                pair = self.in_hand.pop(which % len(self.in_hand))
                one, other = (
                    Scene.make("RespondDecisionTaskCompleted", taskToken=task["taskToken"], **members)
                    for task in pair
                )
                calls.append((one, other))
        self._turn(calls, polls)

    def _turn(self, calls: list[tuple[Call, Call]], polls: list[tuple[str, int, bool]]) -> None:
        new: dict[Call, Call] = {}
        for task_list, most_tasks, has_id in polls:
            self.polls += 1
            name = f"p{self.polls}" if has_id else ""
            new[poll_of(name, task_list, most_tasks)] = poll_of(name, task_list, 1)
        self.waiting |= new
        further = [
            (poll, poll_of("", list_of(poll), 1))
            for number in range(1, max((poll.most_tasks for poll in self.waiting), default=0))
            for poll in self.waiting
            if poll.most_tasks > number
        ]
        self.several.turn(*(one for one, _ in calls), *new)
        self.single.turn(*(other for _, other in calls), *new.values(), *(each for _, each in further))
        for one, other in calls:
            assert type(self.several.answers[one]) is type(self.single.answers[other])
        self._compare(further)

    def _compare(self, further: list[tuple[Call, Call]]) -> None:
        for poll, counterpart in [*self.waiting.items()]:
            polls = [counterpart, *(each for of, each in further if of is poll)]
            found = [self.single.answer(each) for each in polls if each in self.single.answers]
            assert (poll in self.several.answers) is bool(found)
            if found:
                del self.waiting[poll]
                tasks = tasks_in(self.several.answer(poll))
                assert list(map(without_token, tasks)) == list(map(without_token, found))
                self.in_hand += zip(tasks, found, strict=True)
        for _, each in further:
            self.single.service.withdraw(each)

    def wait(self, seconds: float) -> None:
        for poll, counterpart in self.waiting.items():
            assert self.several.service.withdraw(poll)
            assert self.single.service.withdraw(counterpart)
        self.waiting.clear()
        for scene in (self.several, self.single):
            scene.pass_time(seconds)

    @staticmethod
    def histories(scene: Scene) -> list[list[dict[str, Any]]]:
        listed = {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
        runs = [
            info["execution"]
            for status in ("Open", "Closed")
            for info in scene.call(f"List{status}WorkflowExecutions", **listed)["executionInfos"]
        ]
        return [scene.history(run) for run in runs]


def without_token(task: Answer) -> Answer:
    return {name: member for name, member in task.items() if name != "taskToken"}


POLLS = st.lists(st.tuples(LISTS, MOST, st.booleans()), max_size=4)
CHOSEN = st.lists(st.tuples(st.integers(0, 20), ANSWERS), min_size=1, max_size=5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.integers(0, 5), POLLS),
        st.tuples(st.just("start"), st.integers(0, 5), POLLS),
        st.tuples(st.just("answer"), CHOSEN, POLLS),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 1.0, 2.0, 6.0]), st.just([])),
    ),
    max_size=15,
)


@settings(max_examples=settings().max_examples // 4, deadline=None)
@given(steps=STEPS)
def test_to_trust_is_to_ask_for_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any, list[tuple[str, int, bool]]]]
) -> None:
    sides = Sides(tmp_path_factory.mktemp("sides"))
    started = 0
    for what, operand, polls in steps:
        if what == "start":
            names = [f"w{number}" for number in range(started, started + operand)]
            started += operand
            common = {"domain": DOMAIN, "workflowType": TYPE, "taskStartToCloseTimeout": "5"}
            sides.turn([("StartWorkflowExecution", {"workflowId": name, **common}) for name in names], polls)
        elif what == "answer":
            sides.answer(operand, polls)
        else:
            sides.wait(operand)

    assert sides.histories(sides.several) == sides.histories(sides.single)
    for scene in (sides.several, sides.single):
        scene.service.close()

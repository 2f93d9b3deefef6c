"""What holds whatever activity workers do that take several tasks at once, and whatever becomes of engines.

Workers begin their tasks in order, send the answer of each before they begin the next, and begin none of the
rest once their lease is over, an answer could not leave, or they are to stop; what they do not begin they
give back, or others do when they are dead. They get stuck anywhere. The engine offers the rest of an answer
again when its lease is over, unless something from that worker is under way or was refused.

1. No activity is begun twice, and none has two ActivityTaskStarted events.
2. None is lost: nobody waits at the list while there is one that nobody has, and in the end all are answered.
3. An answer is taken if and only if its task is open, if the engine can write at all.

An engine's end is a copy of the files as they are after the last answer, opened anew. A full disk takes back
turns: at once, or, where they are held, all of them that are not on disk.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flowyd.config.records import Durability
from flowyd.engine.calls import Call
from flowyd.swf.faults import InternalFailure, SwfFault, UnknownResourceFault
from tests.unit.engine_service.engine_service_scene import DOMAIN, TYPE, Answer, Scene, schedule
from tests.unit.engine_service.no_space import no_file_grows

WHICH = st.integers(0, 20)
MOST = st.sampled_from([1, 2, 3, 5])
ENDINGS = st.sampled_from(["Completed", "Completed", "Failed"])
#: Whether the disk is full meanwhile.
IS_FULL = st.sampled_from([False, False, False, True])

#: A run and an activity of it.
Key = tuple[str, str]


def key_of(task: Answer) -> Key:
    return task["workflowExecution"]["runId"], task["activityId"]


def poll_of(poll_id: str, most_tasks: int) -> Call:
    """A poll, not sent yet."""
    call = Scene.make("PollForActivityTask", domain=DOMAIN, taskList={"name": "tl"})
    call.poll_id = poll_id
    call.trust(most_tasks, shares_clock=True)
    return call


@dataclass(kw_only=True, eq=False)
class Worker:
    """A worker and what it has of its last poll's answer."""

    poll_id: str = ""
    most_tasks: int = 1
    #: Whether its last poll had a fault for an answer, so that the next one is the same.
    repeats: bool = False
    #: Its poll, waiting or answered; None for one that the engine has not or no more.
    poll: Call | None = None
    is_waiting: bool = False
    tasks: list[Answer] = field(default_factory=list)
    #: So many of them were begun, and so many of those have their answer sent.
    begun: int = 0
    answered: int = 0
    #: Whether it may begin the next once it has sent its answer: on lease, over a connection that is whole.
    may_go_on: bool = False
    #: Whether the engine would offer the rest again.
    is_leased: bool = False
    #: Answers and tasks given back that are under way, and those to be sent again.
    under_way: dict[Call, Answer] = field(default_factory=dict)
    refused: list[tuple[str, Answer]] = field(default_factory=list)

    @property
    def is_free(self) -> bool:
        """Whether it has nothing in hand and does not poll."""
        return not (self.is_waiting or self.tasks or self.under_way or self.refused)

    @property
    def not_begun(self) -> list[Answer]:
        return self.tasks[self.begun :]

    @property
    def in_hand(self) -> list[Answer]:
        """What it has not got rid of."""
        return [*self.tasks[self.answered :], *self.under_way.values(), *(task for _, task in self.refused)]


class Workers(RuleBasedStateMachine):
    """Workers over a service that may end."""

    durability = Durability.NORMAL
    #: Whether no answer is under way for longer than a turn. Without an id it would be lost with the engine.
    reads_at_once = True

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.engines = self.polls = self.runs = 0
        self.scene = Scene(self._database(), durability=self.durability)
        self.workers = [Worker() for _ in range(3)]
        #: What dead workers had, and gave back: the tasks are to be failed, or given back for a poll.
        self.errands: list[tuple[Answer, str]] = []
        self.executions: dict[str, dict[str, str]] = {}
        self.open: set[Key] = set()
        self.begun: set[Key] = set()
        #: Whether each turn is waited for.
        self.is_awaited = False
        self.begin_engine()

    def _database(self) -> Path:
        self.engines += 1
        (self.folder / str(self.engines)).mkdir()
        return self.folder / str(self.engines) / "engine.db"

    def begin_engine(self) -> None:
        """What a new engine is told."""

    # The engine

    def turn(self, *calls: Call, is_full: bool = False) -> None:
        self.scene.clock.advance(0.001)
        if is_full:
            with no_file_grows():
                self.note(*calls)
            self.pass_time(2)
        else:
            self.note(*calls)

    def note(self, *calls: Call) -> None:
        self.scene.turn(*calls)
        if self.is_awaited:
            self.scene.note(self.scene.service.durable(wait=True))
        self.collect()

    def call(self, action: str, **request: object) -> Answer:
        """A call that is answered, be it held at first."""
        call = self.scene.make(action, **request)
        self.turn(call)
        self.scene.note(self.scene.service.durable(wait=True))
        self.collect()
        return self.scene.answer(call)

    def pass_time(self, seconds: float) -> None:
        self.scene.pass_time(seconds)
        self.collect()

    def collect(self) -> None:
        """Workers read what was sent to them."""
        for worker in self.workers:
            for call in [call for call in worker.under_way if call in self.scene.answers]:
                self.read_acknowledgement(worker, call)
            if worker.is_waiting and worker.poll in self.scene.answers:
                self.read_tasks(worker, self.scene.answers[worker.poll])

    def read_acknowledgement(self, worker: Worker, call: Call) -> None:
        task, result = worker.under_way.pop(call), self.scene.answers[call]
        if isinstance(result, InternalFailure):
            worker.refused.append((call.not_begun, task))
            worker.is_leased = False
        elif call.not_begun:
            assert not isinstance(result, SwfFault)
        else:
            assert not isinstance(result, SwfFault) or isinstance(result, UnknownResourceFault)
            self.open.discard(key_of(task))

    def read_tasks(self, worker: Worker, answer: Answer | SwfFault) -> None:
        worker.is_waiting = False
        if isinstance(answer, SwfFault):
            worker.poll, worker.repeats = None, True
            return
        worker.repeats = False
        if not (answer.get("taskToken") or "tasks" in answer):
            worker.poll = None
            return
        worker.tasks = answer.get("tasks", [answer])
        assert len(worker.tasks) <= worker.most_tasks
        worker.begun = worker.answered = 0
        worker.may_go_on = worker.is_leased = len(worker.tasks) > 1
        for key in map(key_of, worker.tasks):
            assert key not in self.begun, "handed out, though somebody has begun it"

    # What happens

    @rule(count=st.integers(1, 6))
    def schedule(self, count: int) -> None:
        self.runs += 1
        name, activities = f"w{self.runs}", [f"a{number}" for number in range(count)]
        started = self.call("StartWorkflowExecution", domain=DOMAIN, workflowId=name, workflowType=TYPE)
        run_id = started["runId"]
        self.executions[run_id] = {"workflowId": name, "runId": run_id}
        task = self.call("PollForDecisionTask", domain=DOMAIN, taskList={"name": "tl"})
        while task["workflowExecution"]["runId"] != run_id:
            self.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"])
            task = self.call("PollForDecisionTask", domain=DOMAIN, taskList={"name": "tl"})
        self.open.update((run_id, each) for each in activities)
        self.call(
            "RespondDecisionTaskCompleted",
            taskToken=task["taskToken"],
            decisions=[schedule(each) for each in activities],
        )

    def some(self, which: int, workers: Sequence[Worker]) -> Worker:
        return workers[which % len(workers)]

    @precondition(lambda self: any(worker.is_free for worker in self.workers))
    @rule(which=WHICH, most_tasks=MOST, has_id=st.sampled_from([True, True, True, False]), is_full=IS_FULL)
    def poll(self, which: int, most_tasks: int, has_id: bool, is_full: bool) -> None:
        worker = self.some(which, [worker for worker in self.workers if worker.is_free])
        self.polls += 1
        has_id |= not self.reads_at_once
        poll_id = worker.poll_id if worker.repeats else f"p{self.polls}" if has_id else ""
        self.begin_poll(worker, poll_id, most_tasks, is_full)

    def begin_poll(self, worker: Worker, poll_id: str, most_tasks: int, is_full: bool = False) -> None:
        worker.poll_id, worker.most_tasks = poll_id, most_tasks
        worker.poll, worker.is_waiting = poll_of(poll_id, most_tasks), True
        self.turn(worker.poll, is_full=is_full)

    def beginners(self) -> list[Worker]:
        return [
            worker
            for worker in self.workers
            if worker.not_begun
            and worker.begun == worker.answered
            and (worker.begun == 0 or worker.may_go_on)
        ]

    @precondition(lambda self: self.beginners())
    @rule(which=WHICH)
    def begin(self, which: int) -> None:
        self.begin_next(self.some(which, self.beginners()))

    def begin_next(self, worker: Worker) -> None:
        key = key_of(worker.tasks[worker.begun])
        assert key not in self.begun, "begun twice"
        self.begun.add(key)
        worker.begun += 1

    def busy(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.begun > worker.answered]

    @precondition(lambda self: self.busy())
    @rule(which=WHICH, ending=ENDINGS, goes_on=st.booleans(), is_full=IS_FULL)
    def answer(self, which: int, ending: str, goes_on: bool, is_full: bool) -> None:
        """`goes_on`: begins the next before the engine has read the answer."""
        worker = self.some(which, self.busy())
        task = worker.tasks[worker.answered]
        call = self.scene.make(f"RespondActivityTask{ending}", taskToken=task["taskToken"])
        worker.under_way[call] = task
        worker.answered += 1
        if goes_on and worker in self.beginners():
            self.begin_next(worker)
        self.turn(call, is_full=is_full)
        self.tidy(worker)

    def tidy(self, worker: Worker) -> None:
        """Who has answered all forgets it."""
        if worker.answered == len(worker.tasks):
            worker.tasks, worker.begun, worker.answered, worker.is_leased = [], 0, 0, False

    @precondition(lambda self: self.busy())
    @rule(which=WHICH)
    def heartbeat(self, which: int) -> None:
        worker = self.some(which, self.busy())
        task = worker.tasks[worker.answered]
        self.turn(self.scene.make("RecordActivityTaskHeartbeat", taskToken=task["taskToken"]))

    def leased(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.is_leased and not worker.under_way]

    @precondition(lambda self: self.leased())
    @rule(
        which=WHICH,
        follows=st.sampled_from(["a turn", "a turn", "a turn that fails", "nothing"]),
        others_go_on=st.booleans(),
    )
    def end_lease(self, which: int, follows: str, others_go_on: bool) -> None:
        """`others_go_on`: somebody polls and begins what is on offer."""
        worker = self.some(which, self.leased())
        worker.may_go_on = worker.is_leased = False
        rest = {key_of(task) for task in worker.tasks[worker.answered + 1 :]}
        waiting = [each for each in self.workers if each.is_waiting]
        assert worker.poll is not None
        self.scene.service.offer_rest(worker.poll)
        if follows != "nothing":
            self.turn(is_full=follows == "a turn that fails")
        if follows == "a turn":
            self.see_rest_dealt(rest, waiting)
        if others_go_on and any(worker.is_free for worker in self.workers):
            self.poll(which, 3, has_id=True, is_full=False)
            for beginner in self.beginners():
                self.begin_next(beginner)

    def see_rest_dealt(self, rest: set[Key], waiting: list[Worker]) -> None:
        dealt = {key_of(task) for worker in waiting for task in worker.tasks}
        assert rest <= dealt or not any(worker.is_waiting for worker in waiting)

    def keepers(self) -> list[Worker]:
        """Who will not begin some of what it has."""
        return [worker for worker in self.workers if worker.not_begun and worker.begun]

    @precondition(lambda self: self.keepers())
    @rule(which=WHICH, is_full=IS_FULL)
    def give_back(self, which: int, is_full: bool) -> None:
        """A worker that is held up, or is to stop, gives back what it has not begun."""
        worker = self.some(which, self.keepers())
        given = {self.of_not_begun(task, worker.poll_id): task for task in worker.not_begun}
        del worker.tasks[worker.begun :]
        worker.may_go_on = False
        self.tidy(worker)
        worker.under_way |= given
        self.turn(*given, is_full=is_full)

    def of_not_begun(self, task: Answer, poll_id: str) -> Call:
        call = self.scene.make("RespondActivityTaskFailed", taskToken=task["taskToken"], reason="not begun")
        call.not_begun = poll_id
        return call

    @precondition(lambda self: any(worker.refused for worker in self.workers))
    @rule(which=WHICH)
    def send_again(self, which: int) -> None:
        worker = self.some(which, [worker for worker in self.workers if worker.refused])
        refused, worker.refused = worker.refused, []
        for poll_id, task in refused:
            if poll_id:
                call = self.of_not_begun(task, poll_id)
            else:
                call = self.scene.make("RespondActivityTaskCompleted", taskToken=task["taskToken"])
            worker.under_way[call] = task
        self.turn(*worker.under_way)

    @precondition(lambda self: any(worker.tasks for worker in self.workers))
    @rule(which=WHICH)
    def die(self, which: int) -> None:
        """What it had begun is failed by others, later; the rest is given back. Its connection is lost."""
        worker = self.some(which, [worker for worker in self.workers if worker.tasks])
        self.workers[self.workers.index(worker)] = Worker()
        begun = worker.tasks[worker.answered : worker.begun]
        self.errands += [(task, "") for task in begun]
        # An answer that was sent and is not acknowledged may not have been taken.
        self.errands += [(task, call.not_begun) for call, task in worker.under_way.items()]
        self.errands += [(task, poll_id) for poll_id, task in worker.refused]
        self.errands += [(task, worker.poll_id) for task in worker.not_begun]

    @precondition(lambda self: self.errands)
    @rule()
    def run_errands(self) -> None:
        errands, self.errands = self.errands, []
        runner = Worker()
        self.workers.append(runner)
        runner.refused = [(poll_id, task) for task, poll_id in errands]
        self.send_again(len([worker for worker in self.workers if worker.refused]) - 1)
        self.errands += [(task, call.not_begun) for call, task in runner.under_way.items()]
        self.errands += [(task, poll_id) for poll_id, task in runner.refused]
        self.workers.remove(runner)

    def unread(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.tasks and not worker.begun and worker.poll_id]

    @precondition(lambda self: self.unread())
    @rule(which=WHICH, is_seen=st.booleans(), most_tasks=MOST)
    def lose_answer(self, which: int, is_seen: bool, most_tasks: int) -> None:
        """A worker has not read its answer after all, which the engine sees, or the worker polls again."""
        worker = self.some(which, self.unread())
        if is_seen and worker.poll is not None:
            self.scene.service.offer_again(worker.poll)
        worker.tasks, worker.is_leased = [], False
        self.begin_poll(worker, worker.poll_id, most_tasks)

    @rule(just_sent=st.lists(WHICH, max_size=2), is_so=st.sampled_from([False, False, True]))
    def end_the_engine(self, just_sent: list[int], is_so: bool) -> None:
        """`just_sent`: workers that sent an answer, and went on, which the engine has not read."""
        if not is_so:
            return
        for which in just_sent:
            if self.busy():
                worker = self.some(which, self.busy())
                worker.refused.append(("", worker.tasks[worker.answered]))
                worker.answered += 1
                if worker in self.beginners():
                    self.begin_next(worker)
                self.tidy(worker)
        before, database = self.scene, self._database()
        shutil.copytree(before.database.parent, database.parent, dirs_exist_ok=True)
        before.service.close()
        self.scene = Scene.over(database, before)
        self.begin_engine()
        polls = []
        for worker in self.workers:
            worker.may_go_on = worker.is_leased = False
            worker.refused += [(call.not_begun, task) for call, task in worker.under_way.items()]
            worker.under_way.clear()
            if worker.is_waiting:
                worker.poll = poll_of(worker.poll_id, worker.most_tasks)
                polls.append(worker.poll)
            else:
                worker.poll = None
        self.turn(*polls)

    # What must hold

    @invariant()
    def nobody_waits_for_what_nobody_has(self) -> None:
        if any(worker.is_waiting for worker in self.workers):
            assert self.open <= self.in_hands()

    @invariant()
    def nothing_is_on_offer_that_somebody_runs(self) -> None:
        on_offer = self.scene.service._dealing._hand_outs.offered()
        running = {
            (task["workflowExecution"]["runId"], task["startedEventId"])
            for worker in self.workers
            for task in worker.tasks[worker.answered : worker.begun]
        }
        assert running.isdisjoint((each.run_id, each.task.started_event_id) for each in on_offer)

    def in_hands(self) -> set[Key]:
        had = [task for worker in self.workers for task in worker.in_hand]
        return {key_of(task) for task in [*had, *(task for task, _ in self.errands)]}

    def teardown(self) -> None:
        try:
            self.finish()
            self.see_histories()
        finally:
            self.scene.service.close()
            shutil.rmtree(self.folder)

    def finish(self) -> None:
        """All get free, and the rest is answered."""
        self.is_awaited = True
        self.pass_time(2)
        self.turn()
        for worker in self.workers:
            if worker.is_waiting and worker.poll is not None and self.scene.service.withdraw(worker.poll):
                worker.is_waiting = False
        for worker in [worker for worker in self.workers if worker.repeats and worker.is_free]:
            self.begin_poll(worker, worker.poll_id, 1)
            if worker.is_waiting and worker.poll is not None:
                assert self.scene.service.withdraw(worker.poll)
                worker.is_waiting = False
        for _ in range(len(self.workers)):
            if any(worker.tasks for worker in self.workers):
                self.die(0)
        self.workers = [worker for worker in self.workers if worker.refused or worker.under_way]
        while self.errands or any(worker.refused for worker in self.workers):
            if self.errands:
                self.run_errands()
            else:
                self.send_again(0)
        last = Worker()
        self.workers.append(last)
        for _ in range(len(self.open) + 1):
            self.polls += 1
            self.begin_poll(last, f"p{self.polls}", 5)
            while last.tasks:
                self.begin_next(last)
                self.answer(0, "Completed", goes_on=False, is_full=False)
        assert not self.open, "lost"

    def see_histories(self) -> None:
        for run_id, execution in self.executions.items():
            events = self.scene.history(execution)
            counts = Counter(
                (event["eventType"], event["activityTaskStartedEventAttributes"]["scheduledEventId"])
                for event in events
                if event["eventType"] == "ActivityTaskStarted"
            )
            types = Counter(event["eventType"] for event in events)
            assert all(count == 1 for count in counts.values())
            assert types["ActivityTaskStarted"] == types["ActivityTaskScheduled"]
            assert run_id not in {run for run, _ in self.open}


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(
    max_examples=settings().max_examples // 4, stateful_step_count=40, deadline=None
)


class HeldWorkers(Workers):
    """The same over turns that are held, and lost together."""

    durability = Durability.FULL
    reads_at_once = False

    def begin_engine(self) -> None:
        self.scene.service.checkpoint()
        self.scene.service.more_waits = lambda: True

    @rule(wait=st.booleans())
    def look(self, wait: bool) -> None:
        self.scene.note(self.scene.service.durable(wait=wait))
        self.collect()

    @rule()
    def lose_turns(self) -> None:
        """What is not on disk never comes there, and the disk has space again."""
        with no_file_grows():
            self.look(wait=True)
        self.pass_time(2)

    def see_rest_dealt(self, rest: set[Key], waiting: list[Worker]) -> None:
        """It is, in a turn that is held."""

    @invariant()
    def nobody_waits_for_what_nobody_has(self) -> None:
        """Who has a task by a turn that is held waits for the answer."""


HeldWorkers.TestCase.settings = settings(
    max_examples=settings().max_examples // 4, stateful_step_count=40, deadline=None
)
TestHeldWorkers = pytest.mark.usefixtures("slow_disk")(HeldWorkers.TestCase)

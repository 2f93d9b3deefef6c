"""What holds whatever several deciders, workers and other callers do, in any order, while time passes.

Invariants, looked at after every step:

1. Event ids are dense from 1; timestamps never go back; what was there once stays there.
2. At most one run of a workflow id is open.
3. Each scheduled task starts at most once and closes at most once; nothing follows a closing event.
4. No task is handed out twice, unless the answer was not read; then the repeated poll gets it.
5. No task is lost: the tasks that histories show as waiting are those that the lists count.
6. The description made from the folded history is the service's: the live state is the fold.
7. The service wants to be woken before the next deadline of any open run.
8. The clocks of an activity task stand while it is on offer again, and begin anew at the next hand-out.

A crash is a copy of the files as they are after the last answer, opened anew.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flowyd.engine.calls import Call
from flowyd.engine.rules.deadlines import next_deadline
from flowyd.engine.rules.description import describe
from flowyd.engine.rules.events import CLOSE_STATUS, attributes_of
from flowyd.engine.rules.evolve import fold, note_handed_out_again, note_heartbeat, note_offered_again
from flowyd.engine.rules.state import ExecutionState, OpenActivityTask
from flowyd.engine.settings import ServiceSettings
from flowyd.swf.faults import UnknownResourceFault, WorkflowExecutionAlreadyStartedFault
from tests.unit.engine_service.engine_service_scene import (
    COMPLETE,
    DOMAIN,
    Answer,
    Scene,
    child,
    decision,
    schedule,
    timer,
)

WORKFLOW_IDS = st.sampled_from(["a", "b", "c"])
LISTS = st.sampled_from(["tl", "sticky"])
SHORT = st.sampled_from(["0", "2", "10", "NONE", "NONE", "NONE"])
NAMES = st.sampled_from(["x", "y"])

SCHEDULED = st.builds(
    schedule,
    NAMES,
    scheduleToStartTimeout=SHORT,
    scheduleToCloseTimeout=SHORT,
    startToCloseTimeout=SHORT,
    heartbeatTimeout=SHORT,
    taskPriority=st.sampled_from(["-1", "0", "1"]),
)
DECISIONS = st.one_of(
    SCHEDULED,
    SCHEDULED,
    SCHEDULED,
    st.builds(timer, NAMES, st.integers(0, 4)),
    st.builds(lambda name: decision("CancelTimer", timerId=name), NAMES),
    st.builds(lambda name: decision("RequestCancelActivityTask", activityId=name), NAMES),
    st.builds(
        child,
        WORKFLOW_IDS,
        executionStartToCloseTimeout=st.sampled_from(["2", "50"]),
        childPolicy=st.sampled_from(["TERMINATE", "REQUEST_CANCEL", "ABANDON"]),
    ),
    st.builds(
        lambda target: decision("SignalExternalWorkflowExecution", workflowId=target, signalName="s"),
        WORKFLOW_IDS,
    ),
    st.builds(
        lambda target: decision("RequestCancelExternalWorkflowExecution", workflowId=target), WORKFLOW_IDS
    ),
    st.just(decision("RecordMarker", markerName="m")),
    st.just(decision("ScheduleLambdaFunction", id="l", name="f")),
)
CLOSING = (
    COMPLETE,
    decision("FailWorkflowExecution", reason="r"),
    decision("CancelWorkflowExecution"),
    decision("ContinueAsNewWorkflowExecution"),
)
NOT_WITH_CLOSE = ("ScheduleActivityTask", "StartTimer")


class Callers(RuleBasedStateMachine):
    """Deciders, workers and others over one service."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.crashes = 0
        self.polls: list[Call] = []
        self.poll_ids = 0
        #: Answers to polls that are not answered themselves yet, and the polls.
        self.held: list[tuple[Call, Answer]] = []
        self.handed_out: Counter[tuple[str, str, int]] = Counter()
        self.offered_again: Counter[tuple[str, str, int]] = Counter()
        self.runs: dict[str, dict[str, str]] = {}
        self.seen: dict[str, list[dict[str, Any]]] = {}
        #: Polls that this engine answered: only of them can it be told that the answer was not read.
        self.answered: set[Call] = set()
        #: By run and started event of an activity task: when it was last handed out, None if it is on offer
        #: again; and its last heartbeat since.
        self.began: dict[tuple[str, int], float | None] = {}
        self.heartbeats: dict[tuple[str, int], float] = {}

    @initialize(hot_bytes=st.sampled_from([1, 100_000_000]))
    def open(self, hot_bytes: int) -> None:
        self.scene = Scene(self.folder / "0.db", settings=ServiceSettings(hot_bytes=hot_bytes))

    def teardown(self) -> None:
        self.scene.service.close()
        shutil.rmtree(self.folder)

    def do(self, action: str, **request: Any) -> Answer | None:
        """A call that may find what it is about gone."""
        call = self.scene.begin(action, **request)
        self.collect()
        try:
            return self.scene.answer(call)
        except (UnknownResourceFault, WorkflowExecutionAlreadyStartedFault):
            return None

    def collect(self) -> None:
        """Takes the answers of polls that waited."""
        for poll in [poll for poll in self.polls if poll in self.scene.answers]:
            self.polls.remove(poll)
            answer = self.scene.answer(poll)
            if "taskToken" in answer:
                self.held.append((poll, answer))
                self.answered.add(poll)
                action, run_id, started_event_id = self.task_of(poll, answer)
                self.handed_out[action, run_id, started_event_id] += 1
                if action == "PollForActivityTask":
                    self.began[run_id, started_event_id] = self.scene.clock.now()
                    self.heartbeats.pop((run_id, started_event_id), None)

    @staticmethod
    def task_of(poll: Call, answer: Answer) -> tuple[str, str, int]:
        return poll.action, answer["workflowExecution"]["runId"], answer["startedEventId"]

    # What callers do

    @rule(
        workflow_id=WORKFLOW_IDS,
        priority=st.sampled_from(["0", "2"]),
        life=st.sampled_from(["20", "900", "900"]),
    )
    def start(self, workflow_id: str, priority: str, life: str) -> None:
        self.do(
            "StartWorkflowExecution",
            domain=DOMAIN,
            workflowId=workflow_id,
            workflowType={"name": "t", "version": "1"},
            taskPriority=priority,
            executionStartToCloseTimeout=life,
            taskStartToCloseTimeout="5",
        )

    @rule(action=st.sampled_from(["PollForDecisionTask", "PollForActivityTask"]), task_list=LISTS)
    def poll(self, action: str, task_list: str) -> None:
        self.poll_ids += 1
        self.poll_as(f"p{self.poll_ids}", action, task_list)

    def poll_as(self, poll_id: str, action: str, task_list: str) -> None:
        self.polls.append(self.scene.make(action, domain=DOMAIN, taskList={"name": task_list}))
        self.polls[-1].poll_id = poll_id
        self.scene.turn(self.polls[-1])
        self.collect()

    @rule(
        task_list=LISTS,
        decisions=st.lists(DECISIONS, min_size=1, max_size=5),
        closing=st.sampled_from([None, None, None, *CLOSING]),
        sticky=st.sampled_from([{}, {}, {"taskListScheduleToStartTimeout": "2"}, {"permanent": "tl"}]),
    )
    def decide(
        self,
        task_list: str,
        decisions: list[dict[str, Any]],
        closing: dict[str, Any] | None,
        sticky: dict[str, str],
    ) -> None:
        task = self.take("PollForDecisionTask", task_list)
        if task is None:
            return
        if closing is not None:
            decisions = [each for each in decisions if each["decisionType"] not in NOT_WITH_CLOSE]
            decisions.append(closing)
        request: dict[str, Any] = {"taskToken": task["taskToken"], "decisions": decisions}
        if "permanent" in sticky:
            request["taskList"] = {"name": sticky["permanent"]}
        elif sticky:
            request |= {"taskList": {"name": "sticky"}, **sticky}
        self.do("RespondDecisionTaskCompleted", **request)

    @rule(task_list=LISTS, ending=st.sampled_from(["Completed", "Completed", "Failed", "Canceled"]))
    def work(self, task_list: str, ending: str) -> None:
        task = self.take("PollForActivityTask", task_list)
        if task is not None:
            self.do(f"RespondActivityTask{ending}", taskToken=task["taskToken"])

    def take(self, action: str, task_list: str) -> Answer | None:
        """A task that is held already, or one that a poll finds; else the poll waits."""
        if not any(poll.action == action for poll, _ in self.held):
            self.poll(action, task_list)
        for index, (poll, _) in enumerate(self.held):
            if poll.action == action:
                return self.held.pop(index)[1]
        return None

    @precondition(lambda self: self.held)
    @rule()
    def heartbeat(self) -> None:
        poll, task = self.held[-1]
        if poll.action == "PollForActivityTask" and self.do(
            "RecordActivityTaskHeartbeat", taskToken=task["taskToken"]
        ):
            self.heartbeats[task["workflowExecution"]["runId"], task["startedEventId"]] = (
                self.scene.clock.now()
            )

    @rule(
        workflow_id=WORKFLOW_IDS,
        action=st.sampled_from(["SignalWorkflowExecution", "RequestCancelWorkflowExecution"]),
    )
    def tell(self, workflow_id: str, action: str) -> None:
        members = {"signalName": "s"} if action == "SignalWorkflowExecution" else {}
        self.do(action, domain=DOMAIN, workflowId=workflow_id, **members)

    @rule(workflow_id=WORKFLOW_IDS, seldom=st.integers(0, 3))
    def terminate(self, workflow_id: str, seldom: int) -> None:
        if seldom == 0:
            self.do("TerminateWorkflowExecution", domain=DOMAIN, workflowId=workflow_id)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 4.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.scene.pass_time(seconds)
        self.collect()

    @precondition(lambda self: self.polls)
    @rule()
    def withdraw(self) -> None:
        self.scene.service.withdraw(self.polls.pop())

    @precondition(lambda self: self.held)
    @rule()
    def lose_the_answer(self) -> None:
        poll, task = self.held.pop()
        action, run_id, started_event_id = self.task_of(poll, task)
        self.offered_again[action, run_id, started_event_id] += 1
        if action == "PollForActivityTask" and poll in self.answered:
            self.began[run_id, started_event_id] = None
        self.scene.service.offer_again(poll)
        self.scene.turn()
        self.collect()

    @rule()
    def restart(self) -> None:
        self.polls.clear()
        self.answered.clear()
        self.scene.reopen()
        self.scene.turn()

    @rule()
    def crash(self) -> None:
        self.polls.clear()
        self.answered.clear()
        self.crashes += 1
        copy = self.folder / f"{self.crashes}.db"
        for end in ("", "-wal", "-redo"):
            shutil.copy(f"{self.scene.database}{end}", f"{copy}{end}")
        self.scene.service.close()
        self.scene.database = copy
        self.scene.open_again()
        self.scene.turn()

    @precondition(lambda self: self.held)
    @rule()
    def crash_before_an_answer_is_read(self) -> None:
        poll, task = self.held.pop()
        self.crash()
        self.handed_out[self.task_of(poll, task)] -= 1
        self.poll_as(poll.poll_id, poll.action, poll.request["taskList"]["name"])
        if not any(self.task_of(*held) == self.task_of(poll, task) for held in self.held):
            respond = poll.action.replace("PollFor", "Respond") + "Completed"
            assert self.do(respond, taskToken=task["taskToken"]) is None, "a repeated poll gets its task"

    # What must hold

    @invariant()
    def everything_holds(self) -> None:
        if not hasattr(self, "scene"):
            return
        self.find_runs()
        states = [self.check_run(run) for run in self.runs.values()]
        open_states = [state for state in states if state.is_open]
        assert len({state.workflow_id for state in open_states}) == len(open_states)
        self.check_waiting(open_states)
        self.check_wake(open_states)
        assert all(count <= 1 + self.offered_again[task] for task, count in self.handed_out.items())

    def find_runs(self) -> None:
        times = {"startTimeFilter": {"oldestDate": 0}, "domain": DOMAIN}
        for status in ("Open", "Closed"):
            listed = self.scene.call(f"List{status}WorkflowExecutions", **times)["executionInfos"]
            for info in listed:
                self.runs[info["execution"]["runId"]] = info["execution"]

    def check_run(self, run: dict[str, str]) -> ExecutionState:
        events = self.scene.history(run)
        before = self.seen.get(run["runId"], [])
        assert events[: len(before)] == before
        self.seen[run["runId"]] = events
        assert [event["eventId"] for event in events] == list(range(1, len(events) + 1))
        times = [event["eventTimestamp"] for event in events]
        assert times == sorted(times)
        assert not any(event["eventType"] in CLOSE_STATUS for event in events[:-1])
        check_tasks(events)
        self.check_clocks(run["runId"], events, events[len(before) :])
        state = fold(events, workflow_id=run["workflowId"], run_id=run["runId"])
        assert self.scene.describe(run) == describe(state)
        return state

    def check_clocks(
        self, run_id: str, events: list[dict[str, Any]], new_events: list[dict[str, Any]]
    ) -> None:
        limits = {"START_TO_CLOSE": "startToCloseTimeout", "HEARTBEAT": "heartbeatTimeout"}
        for event in new_events:
            if event["eventType"] != "ActivityTaskTimedOut":
                continue
            ended = attributes_of(event)
            limit = limits.get(ended["timeoutType"])
            if limit is not None:
                key = (run_id, ended["startedEventId"])
                began_at = self.began[key]
                assert began_at is not None, "its clocks stand"
                if limit == "heartbeatTimeout":
                    began_at = self.heartbeats.get(key, began_at)
                limit_s = int(attributes_of(events[ended["scheduledEventId"] - 1])[limit])
                assert event["eventTimestamp"] >= began_at + limit_s - 0.001

    def check_waiting(self, open_states: list[ExecutionState]) -> None:
        waiting: Counter[tuple[str, str]] = Counter()
        for state in open_states:
            for activity in state.activities.values():
                waiting["Activity", activity.task_list] += not activity.started_event_id
            if state.scheduled_decision is not None and state.started_decision is None:
                waiting["Decision", state.scheduled_decision.task_list] += 1
        for kind in ("Activity", "Decision"):
            for name in ("tl", "sticky"):
                counted = self.scene.call(f"CountPending{kind}Tasks", domain=DOMAIN, taskList={"name": name})
                assert counted["count"] == waiting[kind, name]
                assert not (counted["count"] and self.somebody_waits(f"PollFor{kind}Task", name))

    def somebody_waits(self, action: str, task_list: str) -> bool:
        return any(
            poll.action == action and poll.request["taskList"]["name"] == task_list for poll in self.polls
        )

    def check_wake(self, open_states: list[ExecutionState]) -> None:
        wake_at = self.scene.service.next_wake_at()
        for state in open_states:
            for activity in state.activities.values():
                key = (state.run_id, activity.started_event_id)
                if key in self.began:
                    self.note_clocks(activity, key)
            at = next_deadline(state)
            assert at is not None
            assert wake_at is not None
            assert wake_at <= at

    def note_clocks(self, activity: OpenActivityTask, key: tuple[str, int]) -> None:
        began_at = self.began[key]
        if began_at is None:
            note_offered_again(activity)
            return
        note_handed_out_again(activity, at=began_at)
        if key in self.heartbeats:
            note_heartbeat(activity, at=self.heartbeats[key], details=None)


def check_tasks(events: list[dict[str, Any]]) -> None:
    """Each scheduled task starts and closes at most once."""
    started: Counter[int] = Counter()
    ended: Counter[int] = Counter()
    for event in events:
        event_type = event["eventType"]
        scheduled = attributes_of(event).get("scheduledEventId")
        if scheduled is None:
            continue
        (started if event_type.endswith("Started") else ended)[scheduled] += 1
    assert not [event_id for counts in (started, ended) for event_id, n in counts.items() if n > 1]


TestCallers = Callers.TestCase
#: One in twelve of the profile's examples: 8 by default, 500 with `--hypothesis-profile=long`.
TestCallers.settings = settings(
    max_examples=settings().max_examples // 12, stateful_step_count=30, deadline=None
)

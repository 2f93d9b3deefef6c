"""Early tasks as a property: whatever is lost, a decision that was taken was made of the history that stands.

Deciders and workers go on with the tokens that they have while turns are lost to a full disk and engines are
killed. Nothing here knows which turns were durable: the history must go on from what the decider of an
acknowledged decision has seen, to the end.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from flowyd.config.records import Durability
from flowyd.engine.calls import Call
from flowyd.engine.overlap import GATHERING_S
from flowyd.swf.faults import SwfFault
from tests.unit.engine_service.engine_service_scene import DOMAIN, Scene, schedule
from tests.unit.engine_service.no_space import no_file_grows

WHICH = st.integers(0, 20)


class LostTurns(RuleBasedStateMachine):
    """One execution with activities side by side, over engines that lose turns."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.engines = 1
        (self.folder / "1").mkdir()
        self.scene = Scene(self.folder / "1" / "engine.db", durability=Durability.FULL)
        self.run = self.scene.start()
        self.scene.decide(*(schedule(name) for name in "abc"))
        #: Polls that wait or were answered; what tasks deciders and workers have, read from answers.
        self.polls: list[Call] = []
        self.decisions: list[dict[str, Any]] = []
        self.activities = [self.scene.poll("Activity") for _ in range(3)]
        #: Decisions on their way, with what their deciders have seen; and that of those that were taken.
        self.answers: dict[Call, list[dict[str, Any]]] = {}
        self.taken: list[list[dict[str, Any]]] = []
        self.numbers = 0
        self.scene.service.checkpoint()

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def turn(self, *calls: Call) -> None:
        """A turn of these calls, and of a poll of each kind, unless one waits."""
        self.scene.clock.advance(0.001)
        waiting = {poll.action for poll in self.polls}
        missing = [kind for kind in ("Decision", "Activity") if f"PollFor{kind}Task" not in waiting]
        self.scene.turn(*calls, *map(self.poll_of, missing))
        self.read()

    def read(self) -> None:
        """Callers read what was sent to them; a task says that the answer before it was taken."""
        for call in [call for call in self.answers if call.next_poll in self.scene.answers]:
            if call not in self.scene.answers:
                self.taken.append(self.answers.pop(call))
        for poll in [poll for poll in self.polls if poll in self.scene.answers]:
            self.polls.remove(poll)
            answer = self.scene.answers[poll]
            if not isinstance(answer, SwfFault) and answer.get("taskToken"):
                (self.activities if "activityId" in answer else self.decisions).append(answer)
        for call in [call for call in self.answers if call in self.scene.answers]:
            seen, answer = self.answers.pop(call), self.scene.answers[call]
            if not isinstance(answer, SwfFault):
                self.taken.append(seen)

    def poll_of(self, kind: str) -> Call:
        call = self.scene.make(f"PollFor{kind}Task", domain=DOMAIN, taskList={"name": "tl"})
        call.poll_id = f"p{self.number()}"
        call.trust(1)
        self.polls.append(call)
        return call

    @precondition(lambda self: self.decisions)
    @rule(which=WHICH, many=st.integers(0, 3), polls_next=st.booleans())
    def decide(self, which: int, many: int, polls_next: bool) -> None:
        task = self.decisions.pop(which % len(self.decisions))
        call = self.scene.make(
            "RespondDecisionTaskCompleted",
            taskToken=task["taskToken"],
            decisions=[schedule(f"a{self.number()}") for _ in range(many)],
        )
        call.next_poll = self.poll_of("Decision") if polls_next else None
        self.answers[call] = task["events"]
        self.turn(call)

    @precondition(lambda self: self.activities)
    @rule(which=WHICH, keeps=st.booleans(), polls_next=st.booleans())
    def complete(self, which: int, keeps: bool, polls_next: bool) -> None:
        """`keeps`: the worker does not hear of it, and will answer again."""
        task = self.activities[which % len(self.activities)]
        if not keeps:
            self.activities.remove(task)
        call = self.scene.make(
            "RespondActivityTaskCompleted", taskToken=task["taskToken"], result=task["activityId"]
        )
        call.next_poll = self.poll_of("Activity") if polls_next else None
        self.turn(call)

    @rule()
    def signal(self) -> None:
        """Somebody waits for the answer, and the execution has always something to decide."""
        self.turn(
            self.scene.make(
                "SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName=f"s{self.number()}"
            )
        )

    @rule(more_waits=st.booleans())
    def crowd(self, more_waits: bool) -> None:
        self.scene.service.more_waits = lambda: more_waits

    def pass_time(self, seconds: float) -> None:
        self.scene.pass_time(seconds)
        self.read()

    @rule()
    def pass_a_moment(self) -> None:
        """What waits for the next turn is begun to be written."""
        self.pass_time(GATHERING_S)

    @rule(wait=st.booleans())
    def look(self, wait: bool) -> None:
        self.scene.note(self.scene.service.durable(wait=wait))
        self.read()
        if wait and not self.scene.service.trouble:
            self.compare()

    @rule()
    def lose_turns(self) -> None:
        """What is not on disk never comes there, and the disk has space again."""
        with no_file_grows():
            self.look(wait=True)
        self.pass_time(2.0)

    @rule()
    def kill(self) -> None:
        """The next engine goes on with what is on disk; polls and answers under way are sent again."""
        before, unread, unanswered = self.scene, self.polls, self.answers
        self.engines += 1
        new = self.folder / str(self.engines)
        shutil.copytree(before.database.parent, new)
        before.service.close()
        self.scene = Scene.over(new / "engine.db", before)
        self.polls, self.answers = [], {}
        for poll in unread:
            again = Call(action=poll.action, request=poll.request, poll_id=poll.poll_id)
            again.trust(1)
            self.polls.append(again)
        for call, seen in unanswered.items():
            self.answers[Call(action=call.action, request=call.request)] = seen
        self.turn(*self.answers, *self.polls)

    def compare(self) -> None:
        read = self.scene.make("GetWorkflowExecutionHistory", domain=DOMAIN, execution=self.run)
        self.turn(read)
        self.scene.note(self.scene.service.durable(wait=True))
        history = self.scene.answer(read)["events"]
        for events in self.taken:
            assert history[: len(events)] == events

    def teardown(self) -> None:
        self.scene.pass_time(2)
        self.read()
        self.compare()
        self.scene.service.close()
        shutil.rmtree(self.folder)


LostTurns.TestCase.settings = settings(deadline=None, stateful_step_count=40)
TestLostTurns = pytest.mark.usefixtures("slow_disk")(LostTurns.TestCase)

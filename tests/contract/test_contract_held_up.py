"""Two activity workers, of which one is held up by a task: what came with it goes to the other, once.

The workers are processes of their own with a real engine, as the daemon's are.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flowyd import Activity, SuspendTask, activity
from flowyd.control.in_hand import InHand
from flowyd.sdk.registry import ActivityRegistration, registration_of
from flowyd.swf.actions import LEASE_S
from flowyd.swf.lean import LeanClient
from flowyd.swf.limits import DATA_CHARACTERS
from flowyd.worker.activity_worker import ActivityWorker
from flowyd.worker.hand import Hand
from flowyd.worker.pace import MOST
from flowyd.worker.reporting import Reporter
from flowyd.worker.stopping import StopSignal
from tests.contract.engine_process import EngineProcess
from tests.contract.test_contract_answering import fresh_domain
from tests.contract.test_contract_clients import decisions, schedule, start

#: A worker that has run so many quick tasks asks for as many at once as it may.
WARM_UP = [f"warm{number}" for number in range(20)]
BEHIND = [f"quick{number}" for number in range(MOST)]
#: No test waits longer for what must come, seconds.
PATIENCE_S = 60.0


class Crew:
    """Activity workers, and what they note down."""

    def __init__(self, engine: EngineProcess, folder: Path) -> None:
        self.client = LeanClient(engine.unix)
        self.domain = fresh_domain(self.client, "d")
        self._endpoint = engine.unix
        self._notes = os.open(folder / "notes", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        #: A task that hangs reads from one end, until something is written to the other.
        self._hanging, self._end = os.pipe()
        self._pids: list[int] = []

    def hire(self) -> int:
        """Another worker; its pid."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self._work()
                code = 0
            finally:
                os._exit(code)
        self._pids.append(pid)
        return pid

    def let_go_on(self) -> None:
        """Ends what hangs."""
        os.write(self._end, b"x")

    def dismiss(self) -> None:
        """Ends the workers; none has failed."""
        while self._pids:
            pid = self._pids.pop()
            os.kill(pid, signal.SIGTERM)
            _, status = os.waitpid(pid, 0)
            assert status == 0

    def kill(self) -> None:
        """Ends what is left of them."""
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for fd in (self._notes, self._hanging, self._end):
            os.close(fd)

    @property
    def runs(self) -> list[tuple[int, str]]:
        """Which worker began which task, in order."""
        lines = os.pread(self._notes, 1 << 20, 0).decode().splitlines()
        return [(int(pid), name) for pid, name in (line.split() for line in lines)]

    def has_run(self, tasks: int) -> bool:
        """Whether so many were begun."""
        return len(self.runs) >= tasks

    def schedule(self, *names: str) -> None:
        """Decides that these activities run, at the execution's next decision task."""
        task = self.client.call("PollForDecisionTask", decisions(self.domain))
        decided = [schedule(name) for name in names]
        for each, name in zip(decided, names, strict=True):
            each["scheduleActivityTaskDecisionAttributes"]["input"] = f'[["{name}"], {{}}]'
        request = {"taskToken": task["taskToken"], "decisions": decided}
        self.client.call("RespondDecisionTaskCompleted", request)

    def events(self, kind: str) -> dict[str, dict[str, Any]]:
        """The attributes of the execution's events of that type, by activity id."""
        [info] = self.client.call(
            "ListOpenWorkflowExecutions", {"domain": self.domain, "startTimeFilter": {"oldestDate": 0}}
        )["executionInfos"]
        request = {"domain": self.domain, "execution": info["execution"]}
        events = self.client.call("GetWorkflowExecutionHistory", request)["events"]
        names = {
            each["eventId"]: each["activityTaskScheduledEventAttributes"]["activityId"]
            for each in events
            if each["eventType"] == "ActivityTaskScheduled"
        }
        member = f"{kind[0].lower()}{kind[1:]}EventAttributes"
        return {
            names[each[member]["scheduledEventId"]]: each[member]
            for each in events
            if each["eventType"] == kind
        }

    def wait_until_completed(self, names: Sequence[str]) -> None:
        wait_for(lambda: set(names) <= set(self.events("ActivityTaskCompleted")))

    def _work(self) -> None:
        stop = StopSignal()
        stop.install(limit_s=PATIENCE_S)
        owner = InHand(pid=os.getpid(), pool="test", kind="activity", slot=0, task_list="activities")
        ActivityWorker(
            LeanClient(self._endpoint),
            {("activity", "1"): self._registration()},
            domain=self.domain,
            task_list="activities",
            identity=str(os.getpid()),
            title="test",
            why_not={},
            reporter=Reporter(None, Hand(owner, os.memfd_create("hand"))),
            stop=stop,
        ).run()

    def _registration(self) -> ActivityRegistration:
        notes, hanging = self._notes, self._hanging

        @activity("activity", 1, "activities")
        class Noted(Activity):
            def run(self, name: str) -> str:
                os.write(notes, f"{os.getpid()} {name}\n".encode())
                if name.startswith("hang"):
                    # The interpreter's lock is not given up: no thread of this process can do anything.
                    ctypes.PyDLL(None).read(hanging, ctypes.create_string_buffer(1), 1)
                if name.startswith("refused"):
                    assert self.scheduler is not None
                    self.scheduler.complete(self.token, "x" * (DATA_CHARACTERS + 1))
                    raise SuspendTask
                return name

        registration = registration_of(Noted)
        assert isinstance(registration, ActivityRegistration)
        return registration


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


@pytest.fixture
def crew(own_engine: EngineProcess, tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(own_engine, tmp_path)
    yield crew
    crew.kill()


def test_what_came_with_a_task_that_hangs_is_run_by_another_worker(crew: Crew) -> None:
    start(crew.client, crew.domain)
    held_up = crew.hire()
    crew.schedule(*WARM_UP)
    crew.wait_until_completed(WARM_UP)
    other = crew.hire()

    crew.schedule("hang", *BEHIND)
    crew.wait_until_completed(BEHIND)

    assert "hang" not in crew.events("ActivityTaskCompleted")
    by_other = {name for pid, name in crew.runs if pid == other}
    assert by_other == set(BEHIND)
    started = crew.events("ActivityTaskStarted")
    assert [name for name in BEHIND if started[name]["identity"] == str(held_up)], "none came with it"

    crew.let_go_on()
    crew.wait_until_completed(["hang"])
    crew.dismiss()
    assert Counter(name for _, name in crew.runs) == Counter(["hang", *WARM_UP, *BEHIND])
    assert set(crew.events("ActivityTaskCompleted")) == {"hang", *WARM_UP, *BEHIND}


@pytest.mark.parametrize("moment", ["at once", "when the rest was offered to others", "when another ran it"])
def test_an_engine_killed_under_a_worker_that_is_held_up_has_each_task_run_once(
    own_engine: EngineProcess, crew: Crew, moment: str
) -> None:
    """The worker finds its connection broken: it answers by another, and gives back what it has not begun."""
    start(crew.client, crew.domain)
    crew.hire()
    crew.schedule(*WARM_UP)
    crew.wait_until_completed(WARM_UP)

    crew.schedule("hang", *BEHIND)
    wait_for(lambda: "hang" in [name for _, name in crew.runs])
    if moment == "when the rest was offered to others":
        time.sleep(2 * LEASE_S)
    elif moment == "when another ran it":
        crew.hire()
        crew.wait_until_completed(BEHIND)
    own_engine.kill()
    own_engine.start()
    crew.let_go_on()
    crew.wait_until_completed(["hang", *BEHIND])

    crew.dismiss()
    assert Counter(name for _, name in crew.runs) == Counter(["hang", *WARM_UP, *BEHIND])
    assert not crew.events("ActivityTaskFailed")
    assert not crew.events("ActivityTaskTimedOut")


def test_an_engine_killed_again_and_again_under_quick_tasks_has_each_run_once(
    own_engine: EngineProcess, crew: Crew
) -> None:
    """Answers that were under way are sent again; what was handed out is run by whom it was handed to."""
    start(crew.client, crew.domain)
    for _ in range(2):
        crew.hire()
    names = [f"quick{number}" for number in range(240)]
    for first in range(0, len(names), 60):
        crew.schedule(*names[first : first + 60])
    for runs in range(40, 240, 40):
        wait_for(partial(crew.has_run, runs))
        own_engine.kill()
        own_engine.start()
    crew.wait_until_completed(names)

    crew.dismiss()
    assert Counter(name for _, name in crew.runs) == Counter(names)
    assert not crew.events("ActivityTaskFailed")
    assert not crew.events("ActivityTaskTimedOut")

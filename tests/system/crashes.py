"""Kills a real engine again and again under load, and compares its file with its callers' journals.

`python -m tests.system.crashes --rounds 500` runs it for as long as wanted; the tests run it in short.
Each round starts the engine on the same file, lets several processes call it, ends it with SIGKILL (from
outside at a random moment, or by itself at a chosen point of a turn), starts it again and compares:

- what was acknowledged is in the history exactly once; what was sent and not answered, at most once;
- a refused request is not in the history;
- histories are sound: ids without gaps, time never goes back, every task closes at most once.

At the end everything still open is driven to its end: no task was lost.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowyd.swf.lean import LeanClient
from tests.system import crash_caller, crash_engine
from tests.system.crash_caller import ACTIVITIES, DECISIONS, DOMAIN, TYPE

_CALLERS = 3
_LOADED_S = (0.05, 0.6)
_FINISH_S = 60.0
#: Engine: how long a task that nobody answers is lost to its list, seconds.
_TIMEOUT = "2"

#: Kind of request in the journal: the event that it makes, and the attribute that tells which request it was.
_EVENTS = {
    "signal": ("WorkflowExecutionSignaled", "signalName"),
    "decision": ("DecisionTaskCompleted", "startedEventId"),
    "activity": ("ActivityTaskCompleted", "startedEventId"),
}
#: What closes a task: event type, and the attribute that names the task.
_ENDINGS = {
    "ActivityTaskCompleted": "scheduledEventId",
    "ActivityTaskTimedOut": "scheduledEventId",
    "DecisionTaskCompleted": "scheduledEventId",
    "DecisionTaskTimedOut": "scheduledEventId",
}

History = list[dict[str, Any]]


@dataclass
class Crashes:
    """An engine that is killed, and its callers."""

    folder: Path
    chance: random.Random
    acknowledged: int = 0
    executions: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._options = ["--socket", str(self.folder / "engine.sock"), "--limit", "poll=1s"]
        self._options += ["--database", str(self.folder / "engine.db")]
        self._client = LeanClient(f"unix://{self.folder / 'engine.sock'}")

    def prepare(self) -> None:
        """Makes the file with its domain and types."""
        engine = self._started([sys.executable, "-m", "flowyd", "engine"])
        self._client.call("RegisterDomain", {"name": DOMAIN, "workflowExecutionRetentionPeriodInDays": "1"})
        of_type = {"domain": DOMAIN, **TYPE}
        workflow = {
            "defaultTaskList": DECISIONS,
            "defaultChildPolicy": "TERMINATE",
            "defaultTaskStartToCloseTimeout": _TIMEOUT,
            "defaultExecutionStartToCloseTimeout": "86400",
        }
        self._client.call("RegisterWorkflowType", {**of_type, **workflow})
        timeouts = {f"defaultTask{name}Timeout": "NONE" for name in ("ScheduleToStart", "ScheduleToClose")}
        activity = {
            "defaultTaskList": ACTIVITIES,
            "defaultTaskStartToCloseTimeout": _TIMEOUT,
            "defaultTaskHeartbeatTimeout": "NONE",
            **timeouts,
        }
        self._client.call("RegisterActivityType", {**of_type, **activity})
        _kill(engine)

    def kill_at_random(self, number: int) -> list[str]:
        """One round that ends at a random moment; what is wrong afterwards."""
        engine = self._started([sys.executable, "-m", "flowyd", "engine"])
        callers = self._callers(number)
        time.sleep(self.chance.uniform(*_LOADED_S))
        _kill(engine)
        return self._compared(number, callers)

    def die_at(self, point: str, number: int) -> list[str]:
        """One round in which the engine ends itself at a point of a random turn; what is wrong afterwards."""
        passes = self.chance.randint(1, crash_engine.POINTS[point])
        program = [sys.executable, crash_engine.__file__, point, str(passes)]
        engine = self._started(program)
        callers = self._callers(number)
        assert engine.wait(timeout=60) == -9
        _close(engine)
        return self._compared(number, callers)

    def finish(self) -> list[str]:
        """Works until nothing is open; what is still open, or wrong in the end."""
        engine = self._started([sys.executable, "-m", "flowyd", "engine"])
        deadline = time.monotonic() + _FINISH_S
        with (self.folder / "finish.journal").open("w") as lines:
            caller = crash_caller.Caller(self._client, lines)
            while (count := self._open_count()) and time.monotonic() < deadline:
                # A poll that finds nothing would wait a second.
                if self._waits("Decision", DECISIONS):
                    caller.decide()
                elif self._waits("Activity", ACTIVITIES):
                    caller.work()
                else:
                    time.sleep(0.05)
        wrong = [f"{count} executions are still open"] if count else []
        self._client.close()
        engine.terminate()
        if engine.wait(timeout=20) != 0:
            wrong.append("the engine did not stop in order")
        _close(engine)
        return wrong

    def _started(self, program: list[str]) -> subprocess.Popen[str]:
        engine = subprocess.Popen([*program, *self._options], stdout=subprocess.PIPE, text=True)
        assert engine.stdout is not None
        line = engine.stdout.readline()
        assert " ready on " in line, line
        return engine

    def _callers(self, number: int) -> list[subprocess.Popen[bytes]]:
        """Processes that call until the engine is gone."""
        command = [sys.executable, crash_caller.__file__, self._client.endpoint]
        return [
            subprocess.Popen([*command, str(self._journal(number, which)), f"{number}-{which}"])
            for which in range(_CALLERS)
        ]

    def _journal(self, number: int, which: int) -> Path:
        return self.folder / f"{number}-{which}.journal"

    def _compared(self, number: int, callers: list[subprocess.Popen[bytes]]) -> list[str]:
        wrong = [f"a caller ended with {code}" for caller in callers if (code := caller.wait(timeout=60))]
        engine = self._started([sys.executable, "-m", "flowyd", "engine"])
        told: dict[str, list[tuple[str, str, str]]] = {}
        for which in range(_CALLERS):
            for line in self._journal(number, which).read_text().splitlines():
                how, what, workflow_id, name = json.loads(line)
                told.setdefault(workflow_id, []).append((how, what, name))
                self.acknowledged += how == "acknowledged"
        for workflow_id, notes in told.items():
            wrong += [f"{workflow_id}: {each}" for each in self._wrong_in(workflow_id, notes)]
        self.executions |= set(told)
        self._client.close()
        _kill(engine)
        return wrong

    def _wrong_in(self, workflow_id: str, notes: list[tuple[str, str, str]]) -> list[str]:
        runs = self._runs(workflow_id)
        started = [name for how, what, name in notes if (how, what) == ("acknowledged", "start")]
        if started and started != runs:
            return [f"acknowledged runs {started}, found {runs}"]
        if len(runs) > 1:
            return [f"started {len(runs)} times"]
        if not runs:
            return [] if all(what == "start" for _, what, _ in notes) else ["has no run"]
        history = self._history({"workflowId": workflow_id, "runId": runs[0]})
        return unsound(history) + unlike(history, notes)

    def _runs(self, workflow_id: str) -> list[str]:
        request = {"domain": DOMAIN, "executionFilter": {"workflowId": workflow_id}}
        request["startTimeFilter"] = {"oldestDate": 0}  # type: ignore[assignment,dict-item]
        found = [
            info
            for kind in ("Open", "Closed")
            for info in self._client.call(f"List{kind}WorkflowExecutions", request)["executionInfos"]
        ]
        return [info["execution"]["runId"] for info in found]

    def _history(self, execution: dict[str, str]) -> History:
        request = {"domain": DOMAIN, "execution": execution}
        events: History = self._client.call("GetWorkflowExecutionHistory", request)["events"]
        return events

    def _waits(self, kind: str, task_list: dict[str, str]) -> bool:
        """Whether a task of the kind is to be had."""
        request = {"domain": DOMAIN, "taskList": task_list}
        return bool(self._client.call(f"CountPending{kind}Tasks", request)["count"])

    def _open_count(self) -> int:
        everything = {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
        count: int = self._client.call("CountOpenWorkflowExecutions", everything)["count"]
        return count


def unsound(history: History) -> list[str]:
    """What cannot be in any history."""
    wrong = []
    if [event["eventId"] for event in history] != list(range(1, len(history) + 1)):
        wrong.append("event ids have gaps")
    times = [event["eventTimestamp"] for event in history]
    if times != sorted(times):
        wrong.append("time goes back")
    closed = Counter(
        _attributes(event)[_ENDINGS[event["eventType"]]]
        for event in history
        if event["eventType"] in _ENDINGS
    )
    wrong += [f"task {event_id} closed {count} times" for event_id, count in closed.items() if count > 1]
    ends = [event["eventId"] for event in history if event["eventType"] == "WorkflowExecutionCompleted"]
    if ends and ends != [len(history)]:
        wrong.append(f"closed at {ends}, and went on")
    return wrong


def unlike(history: History, notes: list[tuple[str, str, str]]) -> list[str]:
    """What the history says otherwise than the journal."""
    wrong = []
    for what, (event_type, member) in _EVENTS.items():
        found = Counter(
            str(_attributes(event)[member]) for event in history if event["eventType"] == event_type
        )
        ends = {name: how for how, noted, name in notes if noted == what}
        for name, how in ends.items():
            allowed = {"acknowledged": {1}, "refused": {0}, "sent": {0, 1}}[how]
            if found[name] not in allowed:
                wrong.append(f"{what} {name} was {how} and is in the history {found[name]} times")
    return wrong


def _attributes(event: dict[str, Any]) -> dict[str, Any]:
    name = event["eventType"]
    attributes: dict[str, Any] = event[f"{name[0].lower()}{name[1:]}EventAttributes"]
    return attributes


def _kill(engine: subprocess.Popen[str]) -> None:
    engine.kill()
    engine.wait(timeout=20)
    _close(engine)


def _close(engine: subprocess.Popen[str]) -> None:
    assert engine.stdout is not None
    engine.stdout.close()


def main() -> int:
    """Runs rounds of all kinds; 1 if something was wrong, and the folder is kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.crashes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="crashes-"))
    crashes = Crashes(folder, random.Random(options.seed))
    crashes.prepare()
    print(f"seed {options.seed}, files in {folder}", flush=True)
    for number in range(options.rounds):
        kind = number % (len(crash_engine.POINTS) + 1)
        points = list(crash_engine.POINTS)
        wrong = crashes.die_at(points[kind - 1], number) if kind else crashes.kill_at_random(number)
        if wrong:
            print(f"round {number}:", *wrong, sep="\n  ")
            return 1
    wrong = crashes.finish()
    print(f"{options.rounds} deaths, {crashes.acknowledged} acknowledgements of "
          f"{len(crashes.executions)} executions compared", *wrong, sep="\n")  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

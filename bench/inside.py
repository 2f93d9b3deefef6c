"""The cost of each part of the path, in one process: no sockets, no other processes, no waiting.

`python -m bench.inside SHAPE N` drives one workflow of bench/programs through the engine's service and the
decider, and tells how many microseconds of processor time each part takes per activity, at the start of the
history and at its end.
With `--profile PART` the functions of that part are listed by their own time (cProfile, whose overhead makes
all small functions look dearer than they are). Other load on the machine hardly shows in these figures.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from flowyd.config.records import Durability
from flowyd.decider import HistoryIndex, Run
from flowyd.engine import requests
from flowyd.engine.calls import Answered, Call
from flowyd.engine.clock import SystemClock
from flowyd.engine.opening import open_service
from flowyd.sdk.registry import workflows_in
from flowyd.swf.faults import SwfFault
from flowyd.worker.loading import load_module

R = TypeVar("R")
_PROGRAMS = Path(__file__).resolve().parent / "programs"
_DOMAIN = "inside"
_BUCKETS = 10
_decode = msgspec.json.Decoder().decode


class Parts:
    """Processor time by part."""

    def __init__(self, profiled: str | None) -> None:
        self.spent_s: dict[str, float] = defaultdict(float)
        self._profiled = profiled
        self.profile = cProfile.Profile()

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Adds what the block takes to `part`."""
        before = time.process_time_ns()
        if part == self._profiled:
            self.profile.enable()
        try:
            yield
        finally:
            if part == self._profiled:
                self.profile.disable()
            self.spent_s[part] += (time.process_time_ns() - before) / 1e9


class Inside:
    """One engine, one decider and one activity worker, called in turn."""

    def __init__(self, folder: Path, parts: Parts) -> None:
        self._service = open_service(
            database=folder / "engine.db", clock=SystemClock(), durability=Durability.NORMAL
        )
        self._parts = parts
        self._waiting: dict[Call, Callable[[dict[str, Any]], None]] = {}
        self._decision_task: dict[str, Any] | None = None
        self._activity_tasks: list[dict[str, Any]] = []
        self._register()

    def call(self, action: str, **members: Any) -> dict[str, Any]:
        """One request in a turn of its own; answers to waiting polls are kept.

        Raises:
            SwfFault: the engine refused it.
        """
        body = json.dumps(members).encode()
        with self._parts.timed("checks"):
            call = Call(action=action, request=requests.check(action, requests.read(body)))
        with self._parts.timed("engine"):
            answers = self._service.turn([call])
        return self._taken(answers, call)

    def poll(self, kind: str, keep: Callable[[dict[str, Any]], None], **more: Any) -> None:
        """A poll that waits until a later call, or a task that is there."""
        request = {"domain": _DOMAIN, "taskList": {"name": kind}, **more}
        call = Call(action=f"PollFor{kind}Task", request=request)
        self._waiting[call] = keep
        with self._parts.timed("engine"):
            answers = self._service.turn([call])
        self._taken(answers, call)

    def _taken(self, answers: list[Answered], call: Call) -> dict[str, Any]:
        own: dict[str, Any] = {}
        for answered in answers:
            if isinstance(answered.result, SwfFault):
                raise answered.result
            with self._parts.timed("reading answers"):
                members = _decode(answered.result) if answered.result else {}
            keep = self._waiting.pop(answered.call, None)
            if keep is not None:
                keep(members)
            elif answered.call is call:
                own = members
        return own

    def _register(self) -> None:
        self.call("RegisterDomain", name=_DOMAIN, workflowExecutionRetentionPeriodInDays="1")
        timeouts = {
            f"defaultTask{name}Timeout": "3600"
            for name in ("ScheduleToStart", "ScheduleToClose", "StartToClose")
        }
        self.call("RegisterActivityType", domain=_DOMAIN, name="nothing", version="1", **timeouts,
                  defaultTaskList={"name": "Activity"}, defaultTaskHeartbeatTimeout="NONE")  # fmt: skip
        for name in ("chain", "fan", "three"):
            self.call("RegisterWorkflowType", domain=_DOMAIN, name=name, version="1",
                      defaultTaskStartToCloseTimeout="600", defaultExecutionStartToCloseTimeout="86400",
                      defaultTaskList={"name": "Decision"}, defaultChildPolicy="TERMINATE")  # fmt: skip

    def run(self, shape: str, arguments: list[Any], n: int) -> list[dict[str, float]]:
        """Microseconds of each part per activity, for each tenth of the activities."""
        (shapes,) = load_module(_PROGRAMS / "workflows" / "shapes.py")
        registration = next(one for one in workflows_in(shapes) if one.name == shape)
        started = self.call(
            "StartWorkflowExecution",
            domain=_DOMAIN,
            workflowId="inside",
            workflowType={"name": shape, "version": "1"},
            input=json.dumps([arguments, {}]),
        )
        code = Run(registration, HistoryIndex(workflow_id="inside", run_id=started["runId"]))
        self._poll_decision()
        done, closed, rows, last = 0, False, [], dict(self._parts.spent_s)
        while not closed:
            while (task := self._decision_task) is not None:
                self._decision_task = None
                closed = self._decide(code, task)
            if self._activity_tasks:
                self._work(self._activity_tasks.pop())
                done += 1
                if done % max(1, n // _BUCKETS) == 0:
                    now = dict(self._parts.spent_s)
                    rows.append(
                        {k: (v - last.get(k, 0)) / max(1, n // _BUCKETS) * 1e6 for k, v in now.items()}
                    )
                    last = now
        return rows

    def _poll_decision(self) -> None:
        def keep(task: dict[str, Any]) -> None:
            self._decision_task = task

        self.poll("Decision", keep, startAtPreviousStartedEvent=True)

    def _decide(self, code: Run, task: dict[str, Any]) -> bool:
        with self._parts.timed("index"):
            code.index.extend(task["events"])
        with self._parts.timed("decider"):
            outcome = code.decide()
        decisions = getattr(outcome, "decisions", None)
        if decisions is None:
            raise RuntimeError(f"{outcome}")
        asked = sum(one["decisionType"] == "ScheduleActivityTask" for one in decisions)
        self.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=decisions)
        for _ in range(asked):
            self.poll("Activity", self._activity_tasks.append)
        self._poll_decision()
        return any(one["decisionType"].endswith("WorkflowExecution") for one in decisions)

    def _work(self, task: dict[str, Any]) -> None:
        payload = json.loads(task["input"])[0][0]
        self.call("RespondActivityTaskCompleted", taskToken=task["taskToken"], result=json.dumps(payload))


def main() -> int:
    """Runs one workflow and prints the costs."""
    parser = argparse.ArgumentParser(prog="python -m bench.inside", description=__doc__)
    parser.add_argument("shape", choices=["chain", "fan"])
    parser.add_argument("n", type=int)
    parser.add_argument("--profile", metavar="PART", help="checks, engine, index, decider or reading answers")
    parser.add_argument("--lines", type=int, default=25)
    options = parser.parse_args()
    parts = Parts(options.profile)
    payload = {"order": 4711, "customer": "c-000123", "lines": [1, 2, 3], "note": "x" * 40}
    with tempfile.TemporaryDirectory() as folder:
        rows = Inside(Path(folder), parts).run(options.shape, [options.n, payload], options.n)
    names = [name for name in parts.spent_s if any(name in row for row in rows)]
    print("µs per activity   " + "  ".join(f"{name:>15}" for name in [*names, "all"]))
    for label, row in (("first tenth", rows[0]), ("middle", rows[len(rows) // 2]), ("last tenth", rows[-1])):
        values = [row.get(name, 0) for name in names]
        print(f"{label:<18}" + "  ".join(f"{value:15.1f}" for value in [*values, sum(values)]))
    if options.profile:
        pstats.Stats(parts.profile).sort_stats("tottime").print_stats(options.lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())

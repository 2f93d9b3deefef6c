"""A storm: image workflows run while anything of the daemon is killed with -9 at random moments.

`python -m bench.storm` starts the real daemon on a temporary folder, keeps starting executions of
`imagecateg`, kills engine, workers, supervisor, or all of them at once, as a seeded chance has it (the
supervisor is started again, as systemd would), and then waits for the end. It fails unless every execution
completed in its first run, every task closed at most once, every result file is there, and no process is
left; and it tells how long the slowest task took from its start to its close, which for a task that got lost
would be its timeout.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil

from bench.demo_daemon import Daemon, DemoError, new_folder
from bench.demo_pictures import Picture, paint
from bench.demo_server import serving
from flowyd.control.status import DaemonStatus
from flowyd.errors import UnreachableError
from flowyd.swf.faults import WorkflowExecutionAlreadyStartedFault
from flowyd.swf.lean import LeanClient

DOMAIN = "demo"
#: How often each kind of process is the victim.
VICTIMS = {"activity worker": 5, "decision worker": 3, "engine": 3, "supervisor": 1, "everything": 1}
#: Longer than any timeout of a task (60 s for a decision, 300 s for an activity). No task should have to wait
#: for its timeout; if one does, the storm tells.
PATIENCE_S = 400.0
#: A process that dies eight times in a row, each time soon, is left alone for a minute; before that all die.
MOST_IN_A_ROW = 5
#: Executions open at once, so that what is measured after the last kill is no backlog.
IN_FLIGHT = 20
CLOSES = (
    "ActivityTaskCompleted",
    "ActivityTaskFailed",
    "ActivityTaskTimedOut",
    "ActivityTaskCanceled",
)
ENDS = (*CLOSES, "DecisionTaskCompleted", "DecisionTaskTimedOut")


class Storm:
    """One storm over one daemon."""

    def __init__(self, daemon: Daemon, *, workflows: int, seed: int, pause_s: float) -> None:
        self.daemon = daemon
        self.workflows = workflows
        self.pause_s = pause_s
        self.chance = random.Random(seed)
        self.kills: Counter[str] = Counter()
        #: Those under the supervisor that runs.
        self.in_a_row: Counter[str] = Counter()
        self.slowest_task_s = 0.0

    def run(self, url: str) -> None:
        """Starts every execution, so many at a time, with a kill after every pause."""
        next_kill = time.monotonic() + self.pause_s
        for number in range(self.workflows):
            self.start_execution(f"storm-{number}", f"{url}{number}.png")
            while True:
                time.sleep(self.pause_s / 20)
                if time.monotonic() >= next_kill:
                    self.kill_something()
                    next_kill = time.monotonic() + self.pause_s * self.chance.uniform(0.5, 1.5)
                if self.open_now() < IN_FLIGHT:
                    break
        for _ in range(5):
            time.sleep(self.pause_s)
            self.kill_something()

    def open_now(self) -> int:
        """How many executions are open; as many as may be while nobody answers."""
        request = {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
        try:
            count: int = LeanClient(self.daemon.endpoint).call("CountOpenWorkflowExecutions", request)[
                "count"
            ]
        except UnreachableError:
            return IN_FLIGHT
        return count

    def start_execution(self, workflow_id: str, url: str) -> None:
        """Starts it; a start whose answer got lost is asked for again, and then stands already."""
        request = {
            "domain": DOMAIN,
            "workflowId": workflow_id,
            "workflowType": {"name": "imagecateg", "version": "1"},
            "input": json.dumps([[url], {}]),
        }
        while True:
            try:
                with contextlib.suppress(WorkflowExecutionAlreadyStartedFault):
                    LeanClient(self.daemon.endpoint).call("StartWorkflowExecution", request)
                return
            except UnreachableError:
                time.sleep(0.05)

    def kill_something(self) -> None:
        """Kills one process, or all; a killed supervisor is started again at once."""
        status = self.daemon.status()
        if status is None:
            return
        kind = self.chance.choices(list(VICTIMS), weights=list(VICTIMS.values()))[0]
        if self.in_a_row[kind] == MOST_IN_A_ROW:
            kind = "everything"
        pids = [pid for pid in self.pids(status)[kind] if pid]
        if not pids:
            return
        self.daemon.look()
        self.kills[kind] += 1
        self.in_a_row[kind] += 1
        for pid in pids if kind == "everything" else [self.chance.choice(pids)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if kind in ("supervisor", "everything"):
            self.in_a_row.clear()
            assert self.daemon.process is not None
            self.daemon.process.wait()
            self.daemon.start()
            self.wait_until_running()

    def wait_until_running(self) -> None:
        """Returns when the daemon started again serves; its workers are busy at once.

        Raises:
            DemoError: it ended, or took too long.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.daemon.ended_with is None:
            status = self.daemon.status()
            if status is not None and status.state == "running":
                return
            time.sleep(0.05)
        raise DemoError(f"the supervisor did not come back: exit code {self.daemon.ended_with}")

    def pids(self, status: DaemonStatus) -> dict[str, list[int]]:
        """The living processes by kind."""
        workers: dict[str, list[int]] = {"activity": [], "decision": []}
        for pool in status.pools:
            workers[pool.kind] += [worker.pid for worker in pool.workers]
        return {
            "activity worker": workers["activity"],
            "decision worker": workers["decision"],
            "engine": [status.engine.pid] if status.engine else [],
            "supervisor": [status.pid],
            # The supervisor first, so that it answers for nobody.
            "everything": [
                status.pid,
                *(child.pid for child in psutil.Process(status.pid).children(recursive=True)),
            ],
        }

    def wait_for_the_end(self) -> float:
        """Seconds until no execution is open.

        Raises:
            DemoError: some still are after a long time.
        """
        began = time.monotonic()
        while time.monotonic() < began + PATIENCE_S:
            if self.open_now() == 0:
                return time.monotonic() - began
            time.sleep(0.05)
        raise DemoError(f"{self.open_now()} executions are still open after {PATIENCE_S:g} s")

    def check(self) -> Counter[str]:
        """Holds every execution to what was promised; how many activities ran how often.

        Raises:
            DemoError: something was lost or done twice.
        """
        infos = list(self.closed())
        if sorted(info["execution"]["workflowId"] for info in infos) != sorted(
            f"storm-{number}" for number in range(self.workflows)
        ):
            raise DemoError(f"{len(infos)} runs closed for {self.workflows} workflows")
        attempts: Counter[str] = Counter()
        for info in infos:
            attempts.update(self.check_one(info))
        return attempts

    def closed(self) -> Iterator[dict[str, Any]]:
        client = LeanClient(self.daemon.endpoint)
        request: dict[str, Any] = {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
        while True:
            page = client.call("ListClosedWorkflowExecutions", request)
            yield from page["executionInfos"]
            if "nextPageToken" not in page:
                return
            request["nextPageToken"] = page["nextPageToken"]

    def check_one(self, info: dict[str, Any]) -> Counter[str]:
        name = info["execution"]["workflowId"]
        events = LeanClient(self.daemon.endpoint).call(
            "GetWorkflowExecutionHistory", {"domain": DOMAIN, "execution": info["execution"]}
        )["events"]
        if [event["eventId"] for event in events] != list(range(1, len(events) + 1)):
            raise DemoError(f"{name}: event ids are not dense")
        closing = events[-1]
        if closing["eventType"] != "WorkflowExecutionCompleted":
            raise DemoError(f"{name}: {closing}")
        path = json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"])
        if not os.path.exists(path):
            raise DemoError(f"{name}: its result {path} is missing")
        closes = Counter(
            event[_attributes(event)]["scheduledEventId"] for event in events if event["eventType"] in CLOSES
        )
        if any(count > 1 for count in closes.values()):
            raise DemoError(f"{name}: a task closed twice: {closes}")
        completed = Counter(event["eventType"] for event in events)["ActivityTaskCompleted"]
        if completed != 3:
            raise DemoError(f"{name}: {completed} activities completed instead of 3")
        self.slowest_task_s = max(self.slowest_task_s, *_task_times(events))
        return Counter(event["eventType"] for event in events if event["eventType"] in ENDS)


def _attributes(event: dict[str, Any]) -> str:
    kind = event["eventType"]
    return f"{kind[0].lower()}{kind[1:]}EventAttributes"


def _task_times(events: list[dict[str, Any]]) -> Iterator[float]:
    """Seconds from each task's start to its close."""
    for event in events:
        if event["eventType"] in ENDS:
            started = event[_attributes(event)]["startedEventId"]
            if started:
                yield event["eventTimestamp"] - events[started - 1]["eventTimestamp"]


def main() -> int:
    """Runs the storm; 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__.splitlines()[0])
    parser.add_argument("--workflows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two kills, on average")
    options = parser.parse_args()
    daemon = Daemon(new_folder())
    storm = Storm(daemon, workflows=options.workflows, seed=options.seed, pause_s=options.pause)
    print(f"seed {options.seed}; folder {daemon.folder}", flush=True)
    image = paint(Picture(name="drop.png", tint=(50, 110, 200), size=(400, 300)))
    try:
        daemon.lay_out(processes=4)
        daemon.start()
        daemon.wait_until_ready()
        with serving({f"{number}.png": image for number in range(options.workflows)}) as url:
            storm.run(url)
            print(f"killed with -9: {dict(storm.kills)}", flush=True)
            print(f"all closed {storm.wait_for_the_end():.1f} s after the last kill", flush=True)
        attempts = storm.check()
        print(f"{options.workflows} of {options.workflows} completed; tasks: {dict(attempts)}")
        print(f"the slowest task took {storm.slowest_task_s:.1f} s")
        code, took_s = daemon.stop()
        print(f"stopped after {took_s:.1f} s with exit code {code}; no process is left")
    except DemoError as error:
        print(f"FAILED: {error}; the folder is kept: {daemon.folder}", file=sys.stderr)
        return 1
    finally:
        daemon.end()
    shutil.rmtree(daemon.folder)
    return code


if __name__ == "__main__":
    raise SystemExit(main())

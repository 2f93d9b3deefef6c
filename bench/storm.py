"""A storm: image workflows run while anything of the daemon is killed with -9 at random moments.

`python -m bench.storm` starts the real daemon on a temporary folder, keeps starting executions of
`imagecateg`, kills engine, workers and supervisor as a seeded chance has it (the supervisor is started again,
as systemd would), and then waits for the end. It fails unless every execution completed in its first run,
every task closed at most once, every result file is there, and no process is left.
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

from bench.demo_daemon import Daemon, DemoError, new_folder
from bench.demo_pictures import Picture, paint
from bench.demo_server import serving
from flowyd.control.status import DaemonStatus
from flowyd.errors import UnreachableError
from flowyd.swf.faults import WorkflowExecutionAlreadyStartedFault
from flowyd.swf.lean import LeanClient

DOMAIN = "demo"
#: How often each kind of process is the victim.
VICTIMS = {"activity worker": 5, "decision worker": 3, "engine": 3, "supervisor": 1}
#: A task handed out by an engine, or to a worker, that died before it could say so waits for its timeout:
#: 60 s for a decision, 300 s for an activity.
PATIENCE_S = 400.0
CLOSES = (
    "ActivityTaskCompleted",
    "ActivityTaskFailed",
    "ActivityTaskTimedOut",
    "ActivityTaskCanceled",
)


class Storm:
    """One storm over one daemon."""

    def __init__(self, daemon: Daemon, *, workflows: int, seed: int, pause_s: float) -> None:
        self.daemon = daemon
        self.workflows = workflows
        self.pause_s = pause_s
        self.chance = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.run_ids: dict[str, str] = {}

    def run(self, url: str) -> None:
        """Starts every execution, with a kill after every pause."""
        next_kill = time.monotonic() + self.pause_s
        for number in range(self.workflows):
            self.start_execution(f"storm-{number}", f"{url}{number}.png")
            time.sleep(self.pause_s / 20)
            if time.monotonic() >= next_kill:
                self.kill_something()
                next_kill = time.monotonic() + self.pause_s * self.chance.uniform(0.5, 1.5)
        for _ in range(5):
            time.sleep(self.pause_s)
            self.kill_something()

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
        """Kills one process; a killed supervisor is started again once its children are gone or going."""
        status = self.daemon.status()
        if status is None:
            return
        kind = self.chance.choices(list(VICTIMS), weights=list(VICTIMS.values()))[0]
        pids = [pid for pid in self.pids(status)[kind] if pid]
        if not pids:
            return
        self.daemon.look()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.chance.choice(pids), signal.SIGKILL)
            self.kills[kind] += 1
        if kind == "supervisor":
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
        }

    def wait_for_the_end(self) -> float:
        """Seconds until no execution is open.

        Raises:
            DemoError: some still are after a long time.
        """
        began = time.monotonic()
        while time.monotonic() < began + PATIENCE_S:
            with contextlib.suppress(UnreachableError):
                open_now = LeanClient(self.daemon.endpoint).call(
                    "CountOpenWorkflowExecutions", {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
                )
                if open_now["count"] == 0:
                    return time.monotonic() - began
            time.sleep(0.2)
        raise DemoError(f"{open_now['count']} executions are still open after {PATIENCE_S:g} s")

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
        return Counter(event["eventType"] for event in events if event["eventType"] in CLOSES)


def _attributes(event: dict[str, Any]) -> str:
    kind = event["eventType"]
    return f"{kind[0].lower()}{kind[1:]}EventAttributes"


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
        print(f"{options.workflows} of {options.workflows} completed; activities: {dict(attempts)}")
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

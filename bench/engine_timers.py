"""How late an idle engine is: timers and activity timeouts through a real engine on a unix socket.

`python -m bench.engine_timers` starts one execution for each, a little apart, and reads from the histories
how long after its time each one ran out. Deadlines are whole seconds after a start, so with starts spread
over a second they fall everywhere between the other work of the engine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.engine_load import running_engine
from bench.machine import facts
from flowyd.swf.lean import LeanClient

_DOMAIN = "timers"
_TYPE = {"name": "timers", "version": "1"}
_SECONDS = (1, 2, 3)
#: Kind of deadline: the events that begin and end it.
_EVENTS = {
    "timer": ("TimerStarted", "TimerFired"),
    "activity timeout": ("ActivityTaskScheduled", "ActivityTaskTimedOut"),
}


def lateness_ms(client: LeanClient, count: int) -> dict[str, list[float]]:
    """How late so many deadlines of each kind were."""
    _register(client)
    started = [_begin(client, kind, number) for number in range(count) for kind in _EVENTS]
    time.sleep(max(_SECONDS) + 0.5)
    late: dict[str, list[float]] = {kind: [] for kind in _EVENTS}
    for kind, execution, after_s in started:
        request = {"domain": _DOMAIN, "execution": execution}
        events = client.call("GetWorkflowExecutionHistory", request)["events"]
        begin, end = (
            next(event["eventTimestamp"] for event in events if event["eventType"] == name)
            for name in _EVENTS[kind]
        )
        late[kind].append((end - begin - after_s) * 1000)
    return late


def _register(client: LeanClient) -> None:
    client.call("RegisterDomain", {"name": _DOMAIN, "workflowExecutionRetentionPeriodInDays": "1"})
    of_type = {"domain": _DOMAIN, **_TYPE}
    timeouts = {"defaultTaskStartToCloseTimeout": "60", "defaultExecutionStartToCloseTimeout": "600"}
    client.call(
        "RegisterWorkflowType",
        {**of_type, **timeouts, "defaultChildPolicy": "TERMINATE"},
    )
    client.call("RegisterActivityType", of_type)


def _begin(client: LeanClient, kind: str, number: int) -> tuple[str, dict[str, str], int]:
    """Starts an execution with one deadline; the deadline's kind, the execution, the seconds until then."""
    after_s = _SECONDS[number % len(_SECONDS)]
    # A list of its own: what ran out elsewhere brings decision tasks, too.
    own_list = {"domain": _DOMAIN, "taskList": {"name": f"{kind} {number}"}}
    client.call(
        "StartWorkflowExecution", {**own_list, "workflowId": f"{kind} {number}", "workflowType": _TYPE}
    )
    task = client.call("PollForDecisionTask", own_list)
    decision = _timer(after_s) if kind == "timer" else _activity(after_s)
    client.call("RespondDecisionTaskCompleted", {"taskToken": task["taskToken"], "decisions": [decision]})
    time.sleep(0.013)
    return kind, task["workflowExecution"], after_s


def _timer(after_s: int) -> dict[str, Any]:
    attributes = {"timerId": "t", "startToFireTimeout": str(after_s)}
    return {"decisionType": "StartTimer", "startTimerDecisionAttributes": attributes}


def _activity(after_s: int) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "activityId": "a",
        "activityType": _TYPE,
        "taskList": {"name": "nobody"},
        "scheduleToStartTimeout": str(after_s),
        "scheduleToCloseTimeout": "600",
        "startToCloseTimeout": "600",
        "heartbeatTimeout": "NONE",
    }
    return {"decisionType": "ScheduleActivityTask", "scheduleActivityTaskDecisionAttributes": attributes}


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine_timers", description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    options = parser.parse_args()
    project = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as folder:
        print(facts(Path(folder)))
        with running_engine(project, "full", Path(folder)) as (_, path):
            found = lateness_ms(LeanClient(f"unix://{path}"), options.count)
    for kind, late in found.items():
        print(
            f"{len(late)} of kind {kind}: median {statistics.median(late):.1f} ms late, "
            f"least {min(late):.1f}, most {max(late):.1f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

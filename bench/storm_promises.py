"""What must hold after a storm: executions closed right and once, attempts ran once, nothing leaked."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.demo_daemon import DemoError
from bench.storm_daemon import PATIENCE_S, PROCESSES, StormDaemon, descriptors
from flowyd.control.status import DaemonStatus

_CLOSES = (
    "ActivityTaskCompleted",
    "ActivityTaskFailed",
    "ActivityTaskTimedOut",
    "ActivityTaskCanceled",
)
_ENDS = (*_CLOSES, "DecisionTaskCompleted", "DecisionTaskTimedOut")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """How one execution must have ended."""

    result: object
    activities: int


@dataclass(slots=True, kw_only=True)
class Account:
    """What the histories say together."""

    ends: Counter[str] = field(default_factory=Counter)
    #: The longest time from a task's start to its close: for a task that got lost, its timeout.
    slowest_task_s: float = 0.0
    #: Workflow id and event id of each task that timed out.
    timed_out: list[str] = field(default_factory=list)


def check_executions(daemon: StormDaemon, promised: dict[str, Promised]) -> Account:
    """Holds every execution to what was promised.

    Raises:
        DemoError: one was lost, done twice, or ended otherwise.
    """
    infos = list(daemon.closed())
    found = Counter(info["execution"]["workflowId"] for info in infos)
    if found != Counter(promised.keys()):
        lost = sorted(promised.keys() - found.keys())
        twice = sorted(name for name, count in found.items() if count > 1)
        raise DemoError(f"{len(infos)} runs of {len(promised)} workflows; lost: {lost}; twice: {twice}")
    account = Account()
    for info in infos:
        name = info["execution"]["workflowId"]
        events = list(_history(daemon, info["execution"]))
        _check_history(name, events, promised[name])
        account.ends.update(event["eventType"] for event in events if event["eventType"] in _ENDS)
        account.timed_out += [
            f"{name}/{event['eventId']}" for event in events if event["eventType"].endswith("TaskTimedOut")
        ]
        account.slowest_task_s = max([account.slowest_task_s, *_task_times(events)])
    return account


def check_attempts(daemon: StormDaemon) -> tuple[int, int]:
    """Holds every attempt to having been run once; how many there were, of how many editions of the module.

    Raises:
        DemoError: an attempt was run by two workers.
    """
    lines = [line.split() for line in daemon.ledger.read_text().splitlines()]
    twice = [token for token, count in Counter(token for token, _ in lines).items() if count > 1]
    if twice:
        raise DemoError(f"{len(twice)} of {len(lines)} attempts were run twice: {twice[:5]}")
    return len(lines), len({edition for _, edition in lines})


def open_files(status: DaemonStatus) -> dict[str, int]:
    """How many files supervisor and engine have open."""
    assert status.engine is not None
    return {"supervisor": descriptors(status.pid), "engine": descriptors(status.engine.pid)}


def check_descriptors(daemon: StormDaemon, before: dict[str, int]) -> dict[str, int]:
    """Holds supervisor and engine to have no more files open than before the storm.

    But for one connection of each worker: once it has answered a task it keeps one beside those of its polls.

    Raises:
        DemoError: one has.
    """
    most = {**before, "engine": before["engine"] + sum(PROCESSES.values())}
    deadline = time.monotonic() + PATIENCE_S
    while True:
        now = open_files(daemon.wait_until_quiet())
        if all(now[name] <= most[name] for name in most):
            return now
        if time.monotonic() > deadline:
            raise DemoError(f"files are left open: {before} before the storm, {now} after it")
        time.sleep(0.5)


def _history(daemon: StormDaemon, execution: dict[str, Any]) -> Iterator[dict[str, Any]]:
    request: dict[str, Any] = {"execution": execution}
    while True:
        page = daemon.call("GetWorkflowExecutionHistory", request)
        yield from page["events"]
        if "nextPageToken" not in page:
            return
        request["nextPageToken"] = page["nextPageToken"]


def _check_history(name: str, events: list[dict[str, Any]], promised: Promised) -> None:
    if [event["eventId"] for event in events] != list(range(1, len(events) + 1)):
        raise DemoError(f"{name}: event ids are not dense")
    closing = events[-1]
    if closing["eventType"] != "WorkflowExecutionCompleted":
        raise DemoError(f"{name}: {closing}")
    result = json.loads(_attributes(closing)["result"])
    if result != promised.result:
        raise DemoError(f"{name}: its result is {result} instead of {promised.result}")
    closes = Counter(
        _attributes(event)["scheduledEventId"] for event in events if event["eventType"] in _CLOSES
    )
    if any(count > 1 for count in closes.values()):
        raise DemoError(f"{name}: a task closed twice: {closes}")
    completed = Counter(event["eventType"] for event in events)["ActivityTaskCompleted"]
    if completed != promised.activities:
        raise DemoError(f"{name}: {completed} activities completed instead of {promised.activities}")


def _attributes(event: dict[str, Any]) -> dict[str, Any]:
    kind = event["eventType"]
    attributes: dict[str, Any] = event[f"{kind[0].lower()}{kind[1:]}EventAttributes"]
    return attributes


def _task_times(events: list[dict[str, Any]]) -> Iterator[float]:
    """Seconds from each task's start to its close."""
    for event in events:
        if event["eventType"] in _ENDS:
            started = _attributes(event)["startedEventId"]
            if started:
                yield event["eventTimestamp"] - events[started - 1]["eventTimestamp"]

"""What one decision costs as a history grows: `python -m bench.decider`.

A chain of activities and a fan-out of activities, on the real engine in this process, asked for new events
only, with a kept run, as a sticky decision worker does. Of the decisions around each size: the median CPU
time of extending the index and deciding, and the bytes of JSON that go over the wire, poll answer and
response together. *Cold* is one decision from the full history, as after the restart of a worker.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

from flowyd import ActivityProxy, Workflow, activity, workflow
from flowyd.decider import Broken, HistoryIndex, Run, decide
from flowyd.sdk.registry import WorkflowRegistration, registration_of
from flowyd.testing import LocalEngine
from flowyd.testing.engine import DOMAIN

SIZES = (100, 1_000, 4_000)

#: Decisions before each size whose median counts.
_WINDOW = 21


@activity("same", 1, "bench")
def same(value: Any) -> Any:
    """Returns what it gets."""
    return value


@workflow("chain", 1, "bench")
class Chain(Workflow):
    """One after another."""

    same = ActivityProxy("same", 1)

    def run(self, length: int) -> Any:
        """Hands a text on and on."""
        value = "x" * 100
        for _ in range(length):
            value = self.same(value).result()
        return len(value)


@workflow("fan-out", 1, "bench")
class FanOut(Workflow):
    """All at once, as far as the limit of open tasks allows."""

    same = ActivityProxy("same", 1)

    def run(self, width: int) -> Any:
        """Counts what comes back."""
        results = [self.same(f"item {number}") for number in range(width)]
        return sum(len(result.result()) for result in results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Measurements at one size."""

    shape: str
    size: int
    events: int
    #: Microseconds of CPU: one decision of a kept run, and one without.
    decision_us: float
    cold_us: float
    #: Bytes over the wire for one decision of a kept run.
    wire_bytes: float


def measured(shape: type[Workflow], size: int) -> Row:
    """One run to its end; the measurements are of its last decisions."""
    registration = registration_of(shape)
    assert isinstance(registration, WorkflowRegistration)
    with LocalEngine([shape, same]) as engine:
        engine.start(shape, size)
        times, sizes, events = [], [], []
        for answer, took_s, sent in _decisions(engine, registration):
            times.append(took_s)
            sizes.append(len(json.dumps(answer)) + sent)
            events += answer["events"]
    return Row(
        shape=registration.name,
        size=size,
        events=events[-1]["eventId"],
        decision_us=median(times[-_WINDOW:]) * 1e6,
        cold_us=_cold_us(registration, events),
        wire_bytes=median(sizes[-_WINDOW:]),
    )


def _decisions(
    engine: LocalEngine, registration: WorkflowRegistration
) -> Iterator[tuple[dict[str, Any], float, int]]:
    """Each decision: the poll's answer, CPU seconds, bytes of the response."""
    poll = {"domain": DOMAIN, "taskList": {"name": "bench"}, "startAtPreviousStartedEvent": True}
    run = Run(registration, HistoryIndex(workflow_id="bench", run_id="bench"))
    while (answer := engine.client.poll("PollForDecisionTask", poll)) is not None:
        page = answer
        while page.get("nextPageToken"):
            page = engine.client.call("PollForDecisionTask", {**poll, "nextPageToken": page["nextPageToken"]})
            answer["events"] += page["events"]
        began = process_time()
        run.index.extend(answer["events"])
        outcome = run.decide()
        took_s = process_time() - began
        if isinstance(outcome, Broken):
            raise RuntimeError(outcome.reason)
        response = {"taskToken": answer["taskToken"], "decisions": outcome.decisions}
        engine.client.call("RespondDecisionTaskCompleted", response)
        yield answer, took_s, len(json.dumps(response))
        engine.perform_next()


def _cold_us(registration: WorkflowRegistration, events: list[dict[str, Any]]) -> float:
    times = []
    for _ in range(3):
        index = HistoryIndex(workflow_id="bench", run_id="bench")
        began = process_time()
        index.extend(sorted(events, key=lambda event: event["eventId"]))
        decide(registration, index)
        times.append(process_time() - began)
    return median(times) * 1e6


def main(arguments: list[str]) -> int:
    """Prints the table; sizes may be given as arguments."""
    sizes = [int(argument) for argument in arguments] or SIZES
    print("| shape | calls | events | µs per decision | µs cold | wire bytes per decision |")
    print("|---|---|---|---|---|---|")
    for shape in (Chain, FanOut):
        for size in sizes:
            row = measured(shape, size)
            print(
                f"| {row.shape} | {row.size:,} | {row.events:,} | {row.decision_us:,.0f} "
                f"| {row.cold_us:,.0f} | {row.wire_bytes:,.0f} |"
            )
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))

"""The index, the cache of indexes, and the silence of replays."""

from __future__ import annotations

import logging

import pytest

from flowyd import ActivityProxy, Workflow, workflow
from flowyd.decider import HistoryIndex, ReplayFilter, Run, RunCache
from flowyd.decider.records import Kind, State
from flowyd.errors import ProtocolError
from tests.unit.decider.decider_script import Script, event, registered


@workflow("w", 1, "l")
class Logs(Workflow):
    a = ActivityProxy("a", 1)

    def run(self):
        logging.getLogger("authors").warning("before")
        self.logger.warning("mine before")
        self.a().result()
        logging.getLogger("authors").warning("after")
        self.logger.warning("mine after")


def index_of(script: Script) -> HistoryIndex:
    index = HistoryIndex(workflow_id="w", run_id="r")
    index.extend(script.events)
    return index


def test_events_it_has_are_skipped() -> None:
    script = Script(Logs)
    script.decides()
    index = index_of(script)
    before = (index.length, index.open_tasks)

    index.extend(script.events[2:])

    assert (index.length, index.open_tasks) == before == (len(script.events), 1)


def test_a_gap_is_a_protocol_error() -> None:
    index = HistoryIndex(workflow_id="w", run_id="r")

    with pytest.raises(ProtocolError, match="jumps from event 0 to 4"):
        index.extend([event(4, "DecisionTaskStarted", 1.0, scheduledEventId=3)])


def test_event_types_that_tell_nothing_are_taken_in() -> None:
    script = Script(Logs)
    script.happens("LambdaFunctionScheduled", id="x", name="f")

    assert index_of(script).length == 2


def test_open_tasks_are_counted_until_they_close() -> None:
    script = Script(Logs)
    script.decides()
    script.completes("a-0-0")
    index = index_of(script)

    held = index.find(Kind.ACTIVITY, "a-0-0")
    assert held is not None
    assert (held.state, held.order, index.open_tasks) == (State.COMPLETED, len(script.events), 0)


def test_the_decision_after_an_event_is_the_first_that_knew_it() -> None:
    script = Script(Logs)
    script.decides()
    finished = len(script.events) + 1
    script.completes("a-0-0")
    script.decides()
    index = index_of(script)

    assert index.decision_after(0) == 3
    assert index.decision_after(finished) == finished + 2


def test_a_decision_that_was_never_completed_does_not_date_anything() -> None:
    script = Script(Logs)
    script.happens("DecisionTaskScheduled")
    script.happens("DecisionTaskStarted", scheduledEventId=2)
    script.happens("DecisionTaskTimedOut", scheduledEventId=2, startedEventId=3)
    script.decides()

    assert index_of(script).decision_after(0) == 6


def test_the_cache_forgets_the_oldest_first() -> None:
    runs = [Run(registered(Logs), HistoryIndex(workflow_id="w", run_id=str(n))) for n in range(3)]
    for run in runs:
        run.index.size_bytes = 40
    cache = RunCache(limit_bytes=100)

    cache.put(runs[0])
    cache.put(runs[1])
    cache.put(runs[0])
    cache.put(runs[2])

    assert cache.get("1") is None
    assert cache.get("0") is runs[0]
    assert (len(cache), cache.size_bytes) == (2, 80)
    cache.drop("0")
    cache.drop("never there")
    assert cache.size_bytes == 40


def test_each_line_of_a_workflow_speaks_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(ReplayFilter())
    script = Script(Logs)
    script.decides()
    script.completes("a-0-0")
    script.decides()

    # The script decides three times each time: kept, warm, cold. Lines said in a replay would be more.
    said = [record.getMessage() for record in caplog.records]
    assert {line: said.count(line) for line in said} == {
        "before": 3,
        "mine before": 3,
        "after": 3,
        "mine after": 3,
    }

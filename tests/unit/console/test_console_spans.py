"""Histories become spans, spans become bars."""

from __future__ import annotations

import pytest

from flowyd.console.view_model.cells import plain
from flowyd.console.view_model.spans import Kind, closed_spans, spans
from flowyd.console.view_model.timeline import Axis, axis, bar, heading
from tests.unit.console.console_script import START, history, scheduled

SCHEDULED = (2.0, "ActivityTaskScheduled", scheduled("resize-0-0"))
STARTED = (4.0, "ActivityTaskStarted", {"scheduledEventId": 1, "identity": "host:7:pixels"})


def test_an_activity_waits_from_its_scheduling_and_is_worked_on_from_its_start() -> None:
    (span,) = spans(history(SCHEDULED, STARTED))

    assert (span.asked_at, span.started_at, span.ended_at) == (START + 2, START + 4, None)
    assert (span.id, span.type, span.task_list) == ("resize-0-0", "resize 1", "images")
    assert span.due_at == START + 304


@pytest.mark.parametrize(
    ("event", "members", "outcome", "text"),
    [
        ("ActivityTaskCompleted", {"result": '"a"'}, "completed", '"a"'),
        ("ActivityTaskFailed", {"reason": "no", "details": "why"}, "failed", "no\nwhy"),
        ("ActivityTaskTimedOut", {"timeoutType": "HEARTBEAT"}, "timed out", "HEARTBEAT"),
        ("ActivityTaskCanceled", {"details": "asked"}, "canceled", "asked"),
    ],
)
def test_each_end_of_an_activity_is_told(
    event: str, members: dict[str, str], outcome: str, text: str
) -> None:
    end = (9.0, event, {"scheduledEventId": 1, "startedEventId": 2, **members})

    (span,) = spans(history(SCHEDULED, STARTED, end))

    assert (span.outcome, span.text, span.ended_at) == (outcome, text, START + 9)


def test_a_timer_is_due_after_its_timeout_until_it_fires() -> None:
    started = (1.0, "TimerStarted", {"timerId": "t", "startToFireTimeout": "30"})
    fired = (31.0, "TimerFired", {"timerId": "t", "startedEventId": 1})

    (waiting,) = spans(history(started))
    (over,) = spans(history(started, fired))

    assert (waiting.kind, waiting.due_at) == (Kind.TIMER, START + 31)
    assert (over.outcome, over.due_at) == ("fired", None)


def test_a_child_carries_its_run_id_once_it_has_started() -> None:
    child = {"workflowId": "c", "workflowType": {"name": "w", "version": "2"}}
    run = {"workflowExecution": {"workflowId": "c", "runId": "r"}, "initiatedEventId": 1}

    (span,) = spans(
        history(
            (0.0, "StartChildWorkflowExecutionInitiated", child),
            (1.0, "ChildWorkflowExecutionStarted", run),
        )
    )

    assert (span.kind, span.id, span.run_id, span.type) == (Kind.CHILD, "c", "r", "w 2")


def test_a_child_refused_at_once_is_a_moment_that_failed() -> None:
    refused = {"workflowId": "c", "cause": "OPEN_CHILDREN_LIMIT_EXCEEDED", "initiatedEventId": 0}

    (span,) = spans(history((0.0, "StartChildWorkflowExecutionFailed", refused)))

    assert (span.outcome, span.ended_at) == ("failed", START)


def test_what_was_open_at_the_close_was_left_open() -> None:
    (span,) = closed_spans(spans(history(SCHEDULED)), START + 8)

    assert (span.outcome, span.ended_at) == ("left open", START + 8)


def test_events_of_an_unknown_type_are_left_out() -> None:
    assert spans(history((0.0, "SomethingNew", {}))) == ()


def test_a_bar_tells_waiting_from_work() -> None:
    end = (10.0, "ActivityTaskCompleted", {"scheduledEventId": 1, "startedEventId": 2, "result": "1"})
    (span,) = spans(history(SCHEDULED, STARTED, end))
    line = Axis(begins_at=START, ends_at=START + 10)

    assert plain(bar(span, line, 20, now=START + 99)) == " " * 4 + "░" * 4 + "█" * 12


def test_the_shortest_bar_is_one_character_at_the_end_of_the_axis() -> None:
    scheduling = (9.99, "ActivityTaskScheduled", scheduled("a"))
    (span,) = spans(history(scheduling))
    line = Axis(begins_at=START, ends_at=START + 10)

    assert plain(bar(span, line, 10, now=START + 10)) == " " * 9 + "░"


def test_the_axis_goes_on_while_the_execution_is_open_and_ends_with_it() -> None:
    found = spans(history(SCHEDULED))

    assert axis(found, started_at=START, closed_at=None, now=START + 60).ends_at == START + 60
    assert axis(found, started_at=START, closed_at=START + 5, now=START + 60).ends_at == START + 5


@pytest.mark.parametrize("width", [0, 1, 7, 20, 60, 200])
def test_the_heading_of_the_axis_is_never_wider_than_its_column(width: int) -> None:
    assert len(heading(Axis(begins_at=0, ends_at=83), width)) == width

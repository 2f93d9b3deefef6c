"""Executions and the daemon as lines, and the live progress: answers in, lines out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from flowyd.cli import show_view, status_view
from flowyd.cli.following import ending, ending_lines
from flowyd.cli.output import Page
from flowyd.cli.progress_view import board, moment_line
from flowyd.console.view_model.spans import spans
from flowyd.control.status import DaemonStatus, PoolStatus, WorkerStatus

NOW = 1_000_100.0
WIDE = Page(width=None, height=24, colours=False, live=False)
NARROW = Page(width=80, height=24, colours=False, live=False)
TRACEBACK = "Traceback (most recent call last):\n  File …\nValueError: no picture\n"


def event(number: int, kind: str, **members: Any) -> dict[str, Any]:
    name = kind[0].lower() + kind[1:] + "EventAttributes"
    return {"eventId": number, "eventType": kind, "eventTimestamp": 1_000_000.0 + number, name: members}


def scheduled(number: int, activity_id: str) -> dict[str, Any]:
    kind = {"name": "resize", "version": "1"}
    return event(
        number,
        "ActivityTaskScheduled",
        activityId=activity_id,
        activityType=kind,
        taskList={"name": "images"},
        startToCloseTimeout="300",
    )


STARTED = event(1, "WorkflowExecutionStarted", input='[["http://x/", 3], {"size": null}]')
OPEN = [
    STARTED,
    scheduled(2, "resize-0-0"),
    scheduled(3, "resize-1-0"),
    event(4, "ActivityTaskStarted", scheduledEventId=2, identity="host:7"),
    event(6, "ActivityTaskCompleted", scheduledEventId=2, startedEventId=4, result='"/tmp/a"'),
]
FAILED = [
    STARTED,
    scheduled(2, "resize-0-0"),
    event(3, "ActivityTaskStarted", scheduledEventId=2),
    event(
        4,
        "ActivityTaskFailed",
        scheduledEventId=2,
        startedEventId=3,
        reason="no picture",
        details=json.dumps({"type": "ValueError", "traceback": TRACEBACK}),
    ),
    event(5, "WorkflowExecutionFailed", reason="no picture", details=json.dumps({"traceback": TRACEBACK})),
]


def described(*, close_status: str | None = None, context: str | None = None) -> dict[str, Any]:
    info: dict[str, Any] = {
        "execution": {"workflowId": "w-1", "runId": "r-1"},
        "workflowType": {"name": "imagecateg", "version": "1"},
        "startTimestamp": 1_000_000.0,
        "executionStatus": "OPEN" if close_status is None else "CLOSED",
        "tagList": ["a", "b"],
    }
    if close_status:
        info |= {"closeStatus": close_status, "closeTimestamp": 1_000_005.0}
    settings = {
        "taskList": {"name": "images"},
        "taskStartToCloseTimeout": "60",
        "executionStartToCloseTimeout": "3600",
        "childPolicy": "TERMINATE",
    }
    answer: dict[str, Any] = {"executionInfo": info, "executionConfiguration": settings}
    return answer | ({"latestExecutionContext": context} if context else {})


def shown(description: dict[str, Any], events: list[dict[str, Any]], page: Page = WIDE) -> list[str]:
    record = show_view.Shown(description=description, events=events, status=None, now=NOW)
    return show_view.lines(record, page)


def test_input_is_written_as_it_would_be_called() -> None:
    assert show_view.input_lines('[["http://x/", 3], {"size": null}]') == ['"http://x/", 3, size=null']


def test_input_of_another_form_stands_as_it_is() -> None:
    assert show_view.input_lines("plain") == ["plain"]
    assert show_view.input_lines('{"a": 1}') == ['{"a": 1}']


def test_waiting_and_running_time_are_told_apart() -> None:
    lines = shown(described(), OPEN)

    done = next(line for line in lines if "resize-0-0" in line).split()
    waiting = next(line for line in lines if "resize-1-0" in line).split()
    assert done == ["✔", "completed", "resize", "1", "resize-0-0", "2.0s", "2.0s", "host:7", '"/tmp/a"']
    assert waiting == ["◌", "waiting", "resize", "1", "resize-1-0", "1m", "37s", "-"]


def test_an_open_execution_says_what_it_waits_for_and_where_it_stands() -> None:
    context = '{"waits_for": ["resize-1 (resize 1)"], "more": 2, "at": "w.py:29"}'

    lines = shown(described(context=context), OPEN)

    assert any("no worker has polled list images" in line for line in lines)
    assert lines[-3:] == ["The workflow stands", "  at   w.py:29", "  for  resize-1 (resize 1), 2 more"]


def test_what_has_completed_since_the_last_decision_is_waited_for_no_more() -> None:
    context = '{"waits_for": ["resize-0 (resize 1)", "resize-1 (resize 1)"], "more": 0, "at": "w.py:29"}'

    assert shown(described(context=context), OPEN)[-1] == "  for  resize-1 (resize 1)"


def test_a_workflow_that_has_returned_says_so() -> None:
    lines = shown(described(context='{"waits_for": [], "returned": true, "open": 1}'), OPEN)

    assert lines[-1] == "The workflow has returned and completes when what is open has ended"


def test_the_context_of_another_decider_is_shown_as_it_is() -> None:
    assert shown(described(context="step 3"), OPEN)[-2:] == ["Said by the last decision", "  step 3"]


def test_a_failure_is_shown_with_its_traceback_as_it_was_printed() -> None:
    lines = shown(described(close_status="FAILED"), FAILED)

    place = lines.index("Failed")
    assert lines[place + 1 : place + 3] == ["  no picture", "  Traceback (most recent call last):"]
    assert "  ValueError: no picture" in lines
    assert not any(line.startswith("Waiting") for line in lines)


def test_no_line_of_a_table_is_wider_than_the_terminal() -> None:
    events = [
        *OPEN[:-1],
        {**OPEN[-1], "activityTaskCompletedEventAttributes": {"scheduledEventId": 2, "result": "x" * 500}},
    ]

    assert max(len(line) for line in shown(described(), events, NARROW)) <= 80


def test_a_long_payload_is_cut_and_counted() -> None:
    lines = show_view.payload(json.dumps(list(range(100))))

    assert len(lines) == show_view.PAYLOAD_LINES + 1
    assert lines[-1] == "… 77 more lines (--json)"


def test_the_board_has_a_line_for_each_activity() -> None:
    assert board(spans(OPEN), now=NOW, page=NARROW, title="w-1") == [
        "w-1",
        "  ✔ completed   resize 1 (resize-0-0)  2.0s",
        "  ◌ waiting     resize 1 (resize-1-0)  waits 1m 37s",
    ]


def test_a_board_too_long_for_the_screen_folds_what_has_ended() -> None:
    events = [STARTED]
    for number in range(2, 62, 3):
        events += [
            scheduled(number, f"resize-{number}"),
            event(number + 1, "ActivityTaskStarted", scheduledEventId=number),
            event(number + 2, "ActivityTaskCompleted", scheduledEventId=number),
        ]
    events.append(scheduled(62, "resize-62"))

    lines = board(spans(events), now=NOW, page=replace(NARROW, height=12), title="w-1")

    assert len(lines) == 11
    assert lines[1] == "  … 12 more"
    assert "resize-62" in lines[-1]


def test_a_change_is_a_plain_line() -> None:
    (done, _) = spans(OPEN)

    assert moment_line(done, now=NOW).endswith("resize 1 (resize-0-0)  ✔ completed  2.0s")


def test_the_end_says_how_long_it_took_and_why_it_failed() -> None:
    assert ending_lines(FAILED[-1], FAILED[0])[:3] == [
        "failed after 4.0s",
        "  no picture",
        "  Traceback (most recent call last):",
    ]


def test_the_end_for_machines_has_ids_status_and_what_the_event_says() -> None:
    last = event(7, "WorkflowExecutionTimedOut", timeoutType="START_TO_CLOSE", decisionTaskCompletedEventId=3)

    assert ending({"workflowId": "w", "runId": "r"}, last) == {
        "workflowId": "w",
        "runId": "r",
        "status": "TIMED_OUT",
        "timeoutType": "START_TO_CLOSE",
    }


WORKER = WorkerStatus(pid=7, state="polling", state_s=3.0, started_at=NOW - 9_000, rss_bytes=30_000_000)
TASK = {
    "kind": "activity",
    "type_name": "resize",
    "type_version": "1",
    "workflow_id": "w-1",
    "run_id": "r-1",
    "activity_id": "resize-0-0",
}
POOL = PoolStatus(
    name="images",
    kind="activity",
    task_list="images",
    processes=2,
    workers=(WORKER, replace(WORKER, pid=8, state="running", task=TASK)),
    broken_modules={},
    served_types=("resize 1",),
)
STATUS = DaemonStatus(
    version="0.1.0",
    pid=1,
    state="running",
    started_at=NOW - 9_000,
    domain="default",
    backend="embedded",
    config_file="/etc/flowyd.toml",
    engine=replace(WORKER, pid=5),
    pools=(POOL,),
)
COUNTS = status_view.Counts(open_executions=3, waiting={("activity", "images"): 12})


def status_lines(pool: PoolStatus, counts: status_view.Counts = COUNTS) -> list[str]:
    return status_view.lines(replace(STATUS, pools=(pool,)), counts, now=NOW, page=WIDE)


def test_status_says_what_runs_and_what_waits() -> None:
    lines = status_lines(POOL)

    assert lines[0].startswith("flowyd 0.1.0  running  for 2h 30m")
    assert "3 open executions" in lines[2]
    assert lines[5].split() == [
        "images",
        "activity",
        "images",
        "2/2",
        "1",
        "12",
        "0",
        "0",
        "60.0",
        "MB",
        "ok",
    ]
    assert lines[-1].split()[:2] == ["resize", "1"]
    assert "Needs attention" not in lines


def test_status_names_a_worker_that_dies_again_and_again() -> None:
    fatal = replace(WORKER, pid=0, state="fatal", last_death="killed by SIGKILL", retry_in_s=42.0)

    lines = status_lines(replace(POOL, workers=(WORKER, fatal)))

    assert "1 fatal" in lines[5]
    assert lines[-1] == (
        "  pool images: a worker dies again and again: killed by SIGKILL; next start in 42s; "
        "at once: flowyd resume images"
    )


def test_status_tells_of_a_death_for_ten_minutes() -> None:
    worker = replace(WORKER, last_death="killed by SIGKILL", last_death_at=NOW - 90)

    news = status_lines(replace(POOL, workers=(worker,)))
    later = status_lines(replace(POOL, workers=(replace(worker, last_death_at=NOW - 601),)))

    assert news[-1] == (
        f"  pool images: a worker died 1m 30s ago: killed by SIGKILL; pid {worker.pid} has taken its place"
    )
    assert "Needs attention" not in later


def test_status_says_that_the_engine_keeps_dying_and_how_to_try_it_at_once() -> None:
    engine = replace(
        WORKER, pid=0, state="fatal", task=None, last_death="exited with code 1", retry_in_s=42.0
    )

    lines = status_view.lines(replace(STATUS, engine=engine), COUNTS, now=NOW, page=WIDE)

    assert (
        "  the engine dies again and again: exited with code 1; next start in 42s; at once: flowyd resume"
    ) in lines


def test_status_names_a_broken_module_with_the_line_that_says_why() -> None:
    lines = status_lines(replace(POOL, broken_modules={"/a/images.py": TRACEBACK}))

    assert lines[-1] == "  pool images: /a/images.py is not served: ValueError: no picture"


def test_status_says_when_the_service_does_not_answer() -> None:
    lines = status_lines(POOL, status_view.Counts(problem="no engine answers"))

    assert "executions unknown" in lines[2]
    assert lines[-1] == "  the SWF service does not answer: no engine answers"


def test_a_draining_pool_says_how_to_undo_it() -> None:
    lines = status_lines(replace(POOL, draining=True))

    assert lines[-1] == "  pool images is draining and takes no tasks; undo: flowyd resume images"

"""Answers of SWF and of the daemon become rows."""

from __future__ import annotations

from typing import Any

import pytest

from flowyd.console.view_model import executions, history, log_lines, payloads, summary, task_lists, workers
from flowyd.console.view_model.cells import Tone, cell, plain
from flowyd.control.drift import Drift, sentence
from tests.unit.console.console_script import START, daemon, execution, pool, worker
from tests.unit.console.console_script import history as events

DRIFT = sentence(Drift(type="resize 1", differences=("heartbeat is 30 there and 60 in the module",)))
INFO: dict[str, Any] = {
    "execution": {"workflowId": "w", "runId": "r"},
    "workflowType": {"name": "t", "version": "1"},
    "startTimestamp": START,
    "executionStatus": "OPEN",
    "cancelRequested": False,
}


def test_an_open_execution_is_read_from_its_info() -> None:
    found = executions.from_info(INFO)

    assert found.is_open
    assert (found.workflow_id, found.run_id, found.status, found.closed_at) == ("w", "r", "OPEN", None)


def test_a_closed_execution_took_from_start_to_close_whatever_the_time() -> None:
    closed = {**INFO, "executionStatus": "CLOSED", "closeStatus": "FAILED", "closeTimestamp": START + 5}

    assert executions.ran_s(executions.from_info(closed), now=START + 1_000) == 5


def test_a_requested_cancel_shows_while_the_execution_is_open() -> None:
    assert plain(executions.status_cell(execution(cancel_requested=True))) == "▷ canceling"


def test_a_pool_stands_above_its_workers_and_the_engine_first() -> None:
    rows = workers.rows(daemon(pool(worker(7), worker(8))))

    assert [row.key for row in rows] == ["engine", "pool pixels", "worker pixels 0", "worker pixels 1"]


def test_a_worker_keeps_its_key_when_its_successor_takes_its_place() -> None:
    before = workers.rows(daemon(pool(worker(7))))
    after = workers.rows(daemon(pool(worker(9, restarts=1, last_death="killed by SIGKILL"))))

    assert before[-1].key == after[-1].key


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (daemon(pool(worker(7), worker(8, "running"))), "workers 2/2  1 busy"),
        (daemon(pool(worker(7), worker(0, "fatal"))), "workers 1/2"),
        (daemon(pool(worker(7), broken_modules={"a.py": "…"})), "workers 1/1  ✘ 1 module"),
        (daemon(pool(worker(7), broken_modules={"a.py": DRIFT})), "workers 1/1  ≠ 1 drift"),
        (
            daemon(pool(worker(7), broken_modules={"a.py": DRIFT, "b.py": "…", "c.py": DRIFT})),
            "workers 1/1  ✘ 1 module  ≠ 2 drift",
        ),
    ],
)
def test_the_head_says_how_the_daemon_is(status: Any, expected: str) -> None:
    assert plain(workers.health(status)) == expected


@pytest.mark.parametrize(
    ("broken", "state", "death"),
    [
        ({"a.py": DRIFT}, "1/1 ≠ drift", "drift: a.py"),
        ({"a.py": "…", "b.py": DRIFT}, "1/1 ✘ module", "quarantined: a.py; drift: b.py"),
    ],
)
def test_a_pools_line_tells_drift_from_quarantine(broken: dict[str, str], state: str, death: str) -> None:
    row = workers.rows(daemon(pool(worker(7), broken_modules=broken)))[1]
    drawn = {c.title: plain(c.draw(row, 80)) for c in workers.columns(now=START)}

    assert (drawn["State"], drawn["Last death"]) == (state, death)


def test_a_workers_task_shows_the_activity_id_however_long_the_workflow_id_is() -> None:
    task = {
        "kind": "activity",
        "type_name": "resize",
        "workflow_id": "22xC" * 12,
        "activity_id": "resize-0-1",
    }
    row = workers.rows(daemon(pool(worker(7, "running", task=task))))[-1]
    drawn = next(c for c in workers.columns(now=START) if c.title == "Task")

    assert plain(drawn.draw(row, 40)) == "resize  22xC22xC22…C22xC22xC  resize-0-1"


def test_siblings_of_one_parent_are_told_apart_by_the_ends_of_their_ids() -> None:
    column = next(c for c in executions.columns(START) if c.title == "Workflow id")
    first, second = (execution(f"{'22xC' * 12}-picture-{n}-0") for n in (1, 2))

    assert plain(column.draw(first, 20)) != plain(column.draw(second, 20))


def test_a_list_where_tasks_wait_and_nobody_works_is_wrong() -> None:
    key = ("activity", "lonely")
    row = task_lists.task_list_row(key, {"count": 3, "truncated": False}, daemon(), ages={key: 190.0})
    waiting, oldest = (c for c in task_lists.task_list_columns() if c.title in ("Waiting", "Oldest"))

    assert [(part.text, part.tone) for part in waiting.draw(row, 8)] == [("3", Tone.BAD)]
    assert [(part.text, part.tone) for part in oldest.draw(row, 6)] == [("3m", Tone.BAD)]


def test_lists_that_nobody_serves_are_known_by_the_activity_tasks_that_wait_in_them() -> None:
    ages = {("activity", "astray"): 3.0, ("decision", "one worker's own"): 1.0}

    found = task_lists.task_lists(daemon(pool(worker(7))), [("decision", "decide")], ages)

    assert found == (("activity", "astray"), ("activity", "images"), ("decision", "decide"))


@pytest.mark.parametrize(
    ("count", "ages"),
    [(3, {}), (3, {("decision", "pixels"): 9.0}), (0, {("activity", "pixels"): 9.0})],
    ids=["the service does not tell", "it tells of another list", "nothing waits any more"],
)
def test_an_age_that_is_not_known_is_a_dash(count: int, ages: dict[tuple[str, str], float]) -> None:
    row = task_lists.task_list_row(("activity", "pixels"), {"count": count}, daemon(), ages=ages)
    oldest = next(column for column in task_lists.task_list_columns() if column.title == "Oldest")

    assert oldest.draw(row, 6) == cell("-", Tone.DIM)


def test_an_event_is_told_in_one_line_what_says_most_first() -> None:
    (row,) = history.rows(
        events((0.0, "ActivityTaskFailed", {"scheduledEventId": 5, "details": "d", "reason": "no"}))
    )

    assert row.text == "reason=no  details=d  scheduled=5"


def test_events_are_found_by_all_words_in_type_and_attributes() -> None:
    rows = history.rows(
        events((0.0, "TimerFired", {"timerId": "t"}), (1.0, "TimerStarted", {"timerId": "other"}))
    )

    assert [row.event_id for row in rows if history.found(row, "timer OTHER")] == [2]


@pytest.mark.parametrize(
    ("start", "by", "expected"), [(0, 0, 1), (1, 0, 1), (1, 1, 3), (3, 1, 1), (1, -1, 3), (0, -1, 3)]
)
def test_a_search_in_raw_json_goes_round_the_end(start: int, by: int, expected: int) -> None:
    lines = [history.Line(number, text) for number, text in enumerate(["a", "Xx", "b", "x"])]

    assert history.find(lines, "x", start=start, by=by) == expected


def test_a_search_that_finds_nothing_says_so() -> None:
    assert history.find([history.Line(0, "a")], "x", start=0, by=1) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[["a", 2], {"b": null}]', '"a", 2, b=null'),
        ("plain text", "plain text"),
        ("[1, 2]", "[1, 2]"),
        ("[[], {}]", ""),
    ],
)
def test_the_arguments_of_a_call_are_written_as_a_call(text: str, expected: str) -> None:
    assert history.flat(text) == expected


def test_a_failure_is_told_with_its_traceback_as_lines() -> None:
    details = '{"type": "E", "traceback": "Traceback\\n  line"}'

    assert history.readable(details) == '{"type": "E"}\nTraceback\n  line'


def test_where_the_code_stands_is_read_from_flowyds_own_context_only() -> None:
    assert summary.stands_at({"latestExecutionContext": '{"at": "a.py:3"}'}) == "a.py:3"
    assert summary.stands_at({"latestExecutionContext": "somebody else's"}) == ""
    assert summary.stands_at({}) == ""


def test_a_result_is_shown_with_the_input() -> None:
    found = events(
        (0.0, "WorkflowExecutionStarted", {"input": "[[1], {}]"}),
        (1.0, "WorkflowExecutionCompleted", {"result": '"done"'}),
    )

    assert "done" in plain(payloads.parts({}, found))
    assert "[[1], {}]" in plain(payloads.parts({}, found))


def test_lines_written_at_one_moment_keep_different_keys() -> None:
    found = log_lines.log_lines([{"at": 1.0, "level": 30, "text": "a"}, {"at": 1.0, "level": 0, "text": "b"}])

    assert len({line.key for line in found}) == 2
    assert found[0].level == "warning"


def test_rows_of_new_events_go_on_where_the_known_ones_ended() -> None:
    written = events(
        (0, "WorkflowExecutionStarted", {}), (2, "DecisionTaskScheduled", {}), (5, "DecisionTaskStarted", {})
    )
    known = history.rows(written[:2])

    fresh = history.rows(written[2:], before=known[-1].at)

    assert (*known, *fresh) == history.rows(written)

"""Why an execution does not go on: facts of both sides in, findings with evidence and commands out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flowyd.cli.output import Page
from flowyd.cli.why_facts import Facts, lines_about, stands
from flowyd.cli.why_view import Finding, findings, lines
from flowyd.console.view_model.spans import spans
from flowyd.control.quarantine import QuarantinedTask, Verdict, key_of
from flowyd.control.status import DaemonStatus
from tests.unit.console.console_script import START, daemon, execution, history, pool, scheduled, worker

NOW = START + 10
ACTIVITY = (0.0, "ActivityTaskScheduled", scheduled("resize-0-0"))
TASK = {"kind": "activity", "activity_id": "other-0-0", "run_id": "other", "workflow_id": "busy-one"}
PAGE = Page(width=None, height=24, colours=False, live=False)


def facts(*steps: tuple[float, str, dict[str, Any]], **members: Any) -> Facts:
    events = history(*steps)
    given: dict[str, Any] = {
        "execution": execution(),
        "description": {},
        "events": events,
        "spans": spans(events),
        "status": None,
        "daemon_problem": "",
        "pending": {},
        "logs": {},
        "now": NOW,
        **members,
    }
    return Facts(**given)


def only(given: Facts) -> Finding:
    found = findings(given)
    assert len(found) == 1, found
    return found[0]


def scheduled_decision(after: float = 0.0) -> tuple[float, str, dict[str, Any]]:
    return after, "DecisionTaskScheduled", {"taskList": {"name": "decide"}, "startToCloseTimeout": "60"}


def deciders(*workers: Any, **members: Any) -> Any:
    given = {"name": "deciders", "kind": "decision", "task_list": "decide", "served_types": ("other 1",)}
    return pool(*workers, **{**given, **members})


@pytest.mark.parametrize(
    ("status", "cause", "evidence", "commands"),
    [
        (daemon(), "no pool", "lists of the activity pools here: none", [("reload",)]),
        (
            daemon(pool(worker(7), draining=True)),
            "draining",
            "in list images wait 3 activity tasks",
            [("resume", "pixels")],
        ),
        (
            daemon(pool(worker(0, "fatal", last_death="exit code 3", restarts=5, retry_in_s=60.0))),
            "no worker",
            "a worker of pixels is fatal, 5 restarts: exit code 3; next start in 1m",
            [("resume", "pixels")],
        ),
        (daemon(pool()), "no worker", "pool pixels is set to 0 workers", [("scale", "pixels", "1")]),
        (
            daemon(pool(worker(7, "running", task={**TASK, "type_name": "slow"}))),
            "busy",
            "pid 7 runs for 3.0s: slow  busy-one  other-0-0",
            [("scale", "pixels", "2")],
        ),
        (
            daemon(pool(worker(7), served_types=(), broken_modules={"i.py": "Traceback\nSyntaxError: bad"})),
            "quarantined",
            "i.py: SyntaxError: bad",
            [("reload",)],
        ),
        (
            daemon(pool(worker(7), served_types=("rename 1",))),
            "not served",
            "pool pixels serves: rename 1",
            [("reload",)],
        ),
        (daemon(pool(worker(7))), "soon", None, []),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_scheduled_activity_is_explained_with_evidence(
    status: DaemonStatus, cause: str, evidence: str | None, commands: list[tuple[str, ...]]
) -> None:
    found = only(facts(ACTIVITY, status=status, pending={("activity", "images"): 3}))

    assert found.cause == cause
    assert evidence is None or evidence in found.evidence
    assert list(found.commands) == commands


def test_without_a_daemon_what_swf_knows_is_told() -> None:
    found = only(facts(ACTIVITY, pending={("activity", "images"): 3}))

    assert found.cause == "unknown"
    assert found.evidence[0] == "in list images wait 3 activity tasks"


def test_a_daemon_that_does_not_answer_is_told_first() -> None:
    found = findings(facts(ACTIVITY, daemon_problem="no daemon at /run/x\nstart it:  systemctl start flowyd"))

    assert [finding.cause for finding in found] == ["daemon", "unknown"]
    assert "systemctl start flowyd" in found[0].evidence[0]


def test_a_decision_whose_type_no_pool_serves_is_not_served() -> None:
    found = only(facts(scheduled_decision(), status=daemon(deciders(worker(7)))))

    assert found.cause == "not served"
    assert "imagecateg 1" in found.says


def test_a_decision_task_that_times_out_in_hand_again_and_again_is_a_broken_decision() -> None:
    lost = [
        step
        for round_ in (0, 2)
        for step in (
            scheduled_decision(round_),
            (round_, "DecisionTaskStarted", {"scheduledEventId": 1 + round_ // 2 * 3, "identity": "h:7:d"}),
            (round_ + 1.0, "DecisionTaskTimedOut", {"scheduledEventId": 1 + round_ // 2 * 3}),
        )
    ]

    status = daemon(deciders(worker(7), served_types=("imagecateg 1",)))
    found = findings(facts(*lost, scheduled_decision(4.0), status=status, logs={7: ["it broke"]}))

    assert found[0].cause == "broken decision"
    assert found[0].evidence == (
        "2 decision tasks in a row timed out in a worker's hands",
        "worker 7 wrote:",
        "  it broke",
    )
    assert found[0].commands == (("reload",), ("log", "--pid", "7"))


def test_a_task_that_its_worker_left_open_waits_for_its_token() -> None:
    started = (2.0, "ActivityTaskStarted", {"scheduledEventId": 1, "identity": "host:7:pixels"})

    found = only(facts(ACTIVITY, started, status=daemon(pool(worker(7)))))

    assert found.cause == "token"
    assert "worker 7 took the task and left it open" in found.evidence[0]


@pytest.mark.parametrize("is_taken", [True, False], ids=["left open", "queued"])
def test_a_task_that_killed_its_workers_waits_for_the_operators_choice(is_taken: bool) -> None:
    started = (2.0, "ActivityTaskStarted", {"scheduledEventId": 1, "identity": "host:7:pixels"})
    given = facts(ACTIVITY, *([started] if is_taken else []))
    (span,) = given.spans
    name, version = span.type.rsplit(" ", 1)
    workflow_id = given.execution.workflow_id
    held = QuarantinedTask(
        key=key_of(workflow_id=workflow_id, type_name=name, type_version=version, input_text=span.input),
        verdict=Verdict.HELD,
        pool="pixels",
        type_name=name,
        type_version=version,
        workflow_id=workflow_id,
        deaths=3,
        limit=3,
        last_death="killed by SIGKILL",
        died_at=NOW - 5.0,
        held=1,
    )
    busy = daemon(pool(worker(7, "running", task={**TASK, "type_name": "slow"})))

    found = only(replace(given, status=replace(busy, quarantined=(held,))))

    assert found.cause == "held"
    assert "resize-0-0 (resize 1): it killed its worker 3 times and is held" in found.says
    assert found.evidence[0] == "the last one died 5.0s ago: killed by SIGKILL"
    assert ("no worker has taken it yet" in " ".join(found.evidence)) is not is_taken
    assert found.commands == (("quarantine", "release", held.key), ("quarantine", "fail", held.key))


def test_a_decision_that_its_worker_did_not_answer_is_broken() -> None:
    started = (2.0, "DecisionTaskStarted", {"scheduledEventId": 1, "identity": "host:7:deciders"})
    status = daemon(deciders(worker(7)))

    found = only(facts(scheduled_decision(), started, status=status, logs={7: ["no such call"]}))

    assert found.cause == "broken decision"
    assert "  no such call" in found.evidence


def test_a_timer_is_due_and_needs_nothing() -> None:
    given = facts((0.0, "TimerStarted", {"timerId": "nap", "startToFireTimeout": "10800"}))
    found = only(given)

    page = lines(given, (found,), commands=" ".join, page=PAGE)

    assert found.says == "it waits for 10s for timer nap: due in 2h 59m"
    assert page[-2:] == ["Nothing has to be done; follow it:", "  show order-1 run of order-1 --watch"]


def test_nothing_scheduled_names_the_signal_that_the_code_asked_for() -> None:
    context = '{"at": "flows.py:9", "waits_for": ["signal approve-0"]}'

    found = only(facts(description={"latestExecutionContext": context}))

    assert found.cause == "signal"
    assert found.evidence == ("the code stands at flows.py:9", "it asked for: signal approve-0")
    assert found.commands == (("signal", "order-1", "approve", "--run-id", "run of order-1"),)


def test_a_child_leads_to_the_child() -> None:
    begun = {"workflowId": "child", "workflowType": {"name": "c", "version": "1"}}
    given = facts(
        (0.0, "StartChildWorkflowExecutionInitiated", begun),
        (1.0, "ChildWorkflowExecutionStarted", {"initiatedEventId": 1, "workflowExecution": {"runId": "r"}}),
    )

    assert only(given).commands == (("why", "child", "r"),)


def test_many_waits_of_one_reason_are_one_finding() -> None:
    steps = [(0.0, "ActivityTaskScheduled", scheduled(f"resize-{n}-0")) for n in range(1_000)]

    found = only(facts(*steps, status=daemon(pool(worker(7), draining=True))))

    assert "resize-0-0 (resize 1) and 999 more: pool pixels is draining" in found.says


def test_a_history_near_its_end_and_a_cancel_request_are_told() -> None:
    steps = [(0.0, "MarkerRecorded", {"markerName": "m"})] * 20_000

    found = findings(facts(*steps, execution=execution(cancel_requested=True)))

    assert [finding.cause for finding in found] == ["long history", "canceling", "signal"]
    assert "20,000 events; at 25,000 SWF ends it" in found[0].says


def test_a_closed_execution_says_how_it_ended() -> None:
    closed = execution(status="FAILED", closed_at=START + 5)
    failed = (5.0, "WorkflowExecutionFailed", {"reason": "no picture", "details": "none at all"})

    found = only(facts(failed, execution=closed))

    assert found.says == "it does not go on because it has ended: failed"
    assert found.evidence[1:] == ("no picture", "none at all")


def test_an_execution_that_was_continued_leads_to_its_successor() -> None:
    closed = execution(status="CONTINUED_AS_NEW", closed_at=START + 5)
    given = facts((5.0, "WorkflowExecutionContinuedAsNew", {"newExecutionRunId": "next"}), execution=closed)

    assert only(given).commands == (("why", "order-1", "next"),)


def test_the_last_record_about_an_execution_is_found_in_a_workers_output() -> None:
    said = [
        {"at": 1.0, "level": 40, "text": "w broke once"},
        {"at": 5.0, "level": 40, "text": "w cannot go on"},
        {"at": 5.001, "level": 40, "text": "  the code asks for: a"},
        {"at": 9.0, "level": 20, "text": "w is fine"},
    ]

    assert lines_about(said, "w") == ["w cannot go on", "  the code asks for: a"]
    assert lines_about(said, "other") == []


@pytest.mark.parametrize("text", [None, "", "no JSON", "[]", '{"waits_for": 3}'])
def test_a_context_of_others_says_nothing(text: str | None) -> None:
    assert stands(text) == ("", [])

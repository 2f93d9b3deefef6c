"""Why an execution does not go on: each reason from a history and a daemon's status."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flowyd.console.view_model.cells import Tone
from flowyd.console.view_model.spans import Span, spans
from flowyd.console.view_model.waiting import Cause, Wait, waits
from flowyd.control.quarantine import QuarantinedTask, Verdict, key_of
from flowyd.control.status import DaemonStatus
from tests.unit.console.console_script import START, daemon, history, pool, scheduled, worker

NOW = START + 10
SCHEDULED = spans(history((0.0, "ActivityTaskScheduled", scheduled("resize-0-0"))))
STARTED = spans(
    history(
        (0.0, "ActivityTaskScheduled", scheduled("resize-0-0")),
        (2.0, "ActivityTaskStarted", {"scheduledEventId": 1, "identity": "elsewhere"}),
    )
)
TASK = {"kind": "activity", "activity_id": "resize-0-0", "run_id": "run", "workflow_id": "w"}


def only(found: tuple[Wait, ...]) -> Wait:
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("status", "said", "tone"),
    [
        (None, "no worker has polled list images", Tone.WAITING),
        (daemon(), "no activity pool here serves list images", Tone.BAD),
        (daemon(pool(worker(7), task_list="other")), "no activity pool here serves list images", Tone.BAD),
        (
            daemon(pool(worker(7, "running"), worker(8, "running"))),
            "all 2 workers of pool pixels",
            Tone.WAITING,
        ),
        (daemon(pool(worker(7))), "on its way to pool pixels", Tone.WAITING),
        (daemon(pool(worker(7), draining=True)), "pool pixels is draining", Tone.WARN),
        (
            daemon(pool(worker(0, "fatal", last_death="exit code 3"))),
            "no worker that runs: fatal, exit code 3",
            Tone.BAD,
        ),
        (daemon(pool(worker(7), served_types=("rename 1",))), "does not know type resize 1", Tone.BAD),
        (
            daemon(pool(worker(7), served_types=("rename 1",), broken_modules={"images.py": "…"})),
            "quarantined: images.py",
            Tone.BAD,
        ),
    ],
)
def test_a_scheduled_activity_tells_why_nobody_takes_it(
    status: DaemonStatus | None, said: str, tone: Tone
) -> None:
    wait = only(waits(SCHEDULED, workflow_id="w", run_id="run", status=status, now=NOW))

    assert said in wait.reason
    assert wait.tone is tone
    assert wait.for_s == 10


def test_what_is_wrong_comes_with_advice() -> None:
    wait = only(waits(SCHEDULED, workflow_id="w", run_id="run", status=daemon(), now=NOW))

    assert 'task_list = "images"' in wait.advice


def test_a_running_activity_names_its_worker_and_its_limit() -> None:
    busy = worker(7, "running", task=TASK, heartbeat_age_s=4.0)

    wait = only(waits(STARTED, workflow_id="w", run_id="run", status=daemon(pool(busy)), now=NOW))

    assert wait.reason == "runs in worker 7, last heartbeat 4s ago, times out in 4m 52s"


def test_a_worker_that_runs_the_same_id_for_another_run_is_not_named() -> None:
    busy = worker(7, "running", task=TASK)

    wait = only(waits(STARTED, workflow_id="w", run_id="another run", status=daemon(pool(busy)), now=NOW))

    assert wait.reason == "runs on elsewhere, times out in 4m 52s"


def test_a_hung_worker_is_wrong() -> None:
    hung = worker(7, "hung", task=TASK)

    wait = only(waits(STARTED, workflow_id="w", run_id="run", status=daemon(pool(hung)), now=NOW))

    assert wait.tone is Tone.BAD


def held(verdict: Verdict = Verdict.HELD) -> QuarantinedTask:
    key = key_of(workflow_id="w", type_name="resize", type_version="1", input_text="[[1], {}]")
    return QuarantinedTask(
        key=key,
        verdict=verdict,
        pool="pixels",
        type_name="resize",
        type_version="1",
        workflow_id="w",
        deaths=3,
        limit=3,
        last_death="killed by SIGKILL",
        died_at=NOW - 5,
        held=0,
    )


@pytest.mark.parametrize("found", [SCHEDULED, STARTED], ids=["queued", "left open"])
@pytest.mark.parametrize("state", ["running", "polling"])
def test_an_attempt_of_a_held_task_is_held_whether_it_was_taken_or_not(
    found: tuple[Span, ...], state: str
) -> None:
    status = replace(daemon(pool(worker(7, state))), quarantined=(held(),))

    wait = only(waits(found, workflow_id="w", run_id="run", status=status, now=NOW))

    assert (wait.cause, wait.tone) == (Cause.HELD, Tone.BAD)
    assert "it killed its worker 3 times and is held, times out in " in wait.reason
    assert f"flowyd quarantine release {held().key}" in wait.advice


@pytest.mark.parametrize("verdict", [Verdict.WATCHED, Verdict.FAILED])
def test_an_attempt_of_a_task_that_is_not_held_waits_as_any_other(verdict: Verdict) -> None:
    status = replace(daemon(pool(worker(7, "running"))), quarantined=(held(verdict),))

    wait = only(waits(SCHEDULED, workflow_id="w", run_id="run", status=status, now=NOW))

    assert wait.cause is Cause.BUSY


def test_the_same_task_of_another_execution_is_not_held() -> None:
    status = replace(daemon(pool(worker(7, "running"))), quarantined=(held(),))

    wait = only(waits(SCHEDULED, workflow_id="another", run_id="run", status=status, now=NOW))

    assert wait.cause is Cause.BUSY


def test_an_attempt_that_a_worker_still_has_in_hand_runs() -> None:
    """It was taken before the one beside it killed the last worker that was allowed."""
    status = replace(daemon(pool(worker(7, "running", task=TASK))), quarantined=(held(),))

    wait = only(waits(STARTED, workflow_id="w", run_id="run", status=status, now=NOW))

    assert wait.cause is Cause.RUNNING


def test_a_timer_says_when_it_is_due() -> None:
    timer = spans(history((0.0, "TimerStarted", {"timerId": "t", "startToFireTimeout": "10810"})))

    assert only(waits(timer, workflow_id="w", run_id="run", status=None, now=NOW)).reason == "due in 3h"


def test_a_task_on_a_sticky_list_is_offered_to_the_worker_that_knows_the_run() -> None:
    decision = {"taskList": {"name": "own"}, "startToCloseTimeout": "60", "scheduleToStartTimeout": "5"}
    found = spans(history((0.0, "DecisionTaskScheduled", decision)))

    assert "own" in only(waits(found, workflow_id="w", run_id="run", status=daemon(), now=NOW)).reason


def test_an_execution_with_nothing_open_waits_for_a_signal() -> None:
    assert only(waits((), workflow_id="w", run_id="run", status=None, now=NOW)).what == "a signal"


CONTEXT = '{"waits_for": ["signal approved-0", "timer-0 (30 s)"], "more": 0, "at": "/f.py:3"}'
TIMER = (1.0, "TimerStarted", {"timerId": "t", "startToFireTimeout": "30"})


def test_a_signal_that_the_code_waits_for_stands_beside_what_is_open() -> None:
    found = waits(spans(history(TIMER)), workflow_id="w", run_id="run", status=None, now=NOW, context=CONTEXT)

    assert [(w.what, w.cause) for w in found] == [
        ("timer t", Cause.TIMER),
        ("signal approved", Cause.SIGNAL),
    ]


def test_a_signal_that_alone_is_waited_for_has_its_name() -> None:
    context = '{"waits_for": ["signal go-on-12"], "more": 0, "at": "/f.py:3"}'

    assert (
        only(waits((), workflow_id="w", run_id="run", status=None, now=NOW, context=context)).what
        == "signal go-on"
    )


def test_what_the_code_waited_for_before_an_open_decision_may_be_there_by_now() -> None:
    decision = {"taskList": {"name": "l"}, "startToCloseTimeout": "60"}
    found = spans(history((0.0, "DecisionTaskScheduled", decision)))

    assert (
        only(waits(found, workflow_id="w", run_id="run", status=None, now=NOW, context=CONTEXT)).what
        == "a decision"
    )


@pytest.mark.parametrize("context", ["", "no JSON", "[]", '{"waits_for": 3}', '{"waits_for": [7, "x"]}'])
def test_a_context_that_is_not_flowyds_names_no_signal(context: str) -> None:
    assert (
        only(waits((), workflow_id="w", run_id="run", status=None, now=NOW, context=context)).what
        == "a signal"
    )


def test_what_is_wrong_stands_first() -> None:
    timer = (1.0, "TimerStarted", {"timerId": "t", "startToFireTimeout": "30"})
    found = spans(history(timer, (2.0, "ActivityTaskScheduled", scheduled("a"))))

    assert [w.tone for w in waits(found, workflow_id="w", run_id="run", status=daemon(), now=NOW)] == [
        Tone.BAD,
        Tone.WAITING,
    ]

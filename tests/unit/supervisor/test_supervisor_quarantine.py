"""Tasks that kill their workers: counted, held, released, failed, and remembered over a restart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from flowyd.control.quarantine import Verdict, decode_keys, encode_keys, key_of
from flowyd.control.reports import Report, TaskInHand, WorkerState
from flowyd.errors import FlowydError
from flowyd.supervisor.child import Child
from flowyd.supervisor.fates import Fates
from flowyd.supervisor.quarantine import Quarantine, open_quarantine
from flowyd.worker.quarantined import QuarantineKeys

TASK = TaskInHand(
    kind="activity",
    task_token="token-0",
    type_name="resize",
    type_version="1",
    workflow_id="pictures",
    run_id="run",
    activity_id="resize-0-0",
    started_event_id=7,
    quarantine_key="0123456789abcdef",
)


def attempt(number: int) -> TaskInHand:
    return replace(TASK, task_token=f"token-{number}", activity_id=f"resize-0-{number}")


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return open_quarantine(tmp_path / "state.json", tmp_path / "keys")


def kill(quarantine: Quarantine, times: int, *, limit: int | None = 3) -> None:
    for number in range(times):
        quarantine.died(
            attempt(number), pool="images", death="killed by SIGKILL", limit=limit, at=float(number)
        )


def test_the_last_death_allowed_quarantines_the_task(quarantine: Quarantine) -> None:
    kill(quarantine, 2)
    assert quarantine.tasks() == ()

    kill(quarantine, 1)

    (task,) = quarantine.tasks()
    assert (task.verdict, task.deaths, task.limit, task.pool) == (Verdict.HELD, 3, 3, "images")


def test_a_task_that_ended_with_its_worker_alive_is_cleared(quarantine: Quarantine) -> None:
    kill(quarantine, 2)

    quarantine.survived(attempt(2))
    kill(quarantine, 2)

    assert quarantine.tasks() == ()


def test_a_pool_without_a_limit_quarantines_nothing(quarantine: Quarantine) -> None:
    kill(quarantine, 50, limit=None)

    assert quarantine.tasks() == ()


def test_workers_are_told_the_keys(quarantine: Quarantine, tmp_path: Path) -> None:
    keys = QuarantineKeys(tmp_path / "keys")
    assert not keys.is_held(TASK)

    kill(quarantine, 3)
    assert keys.is_held(attempt(3))
    assert keys.why_failed(attempt(3)) is None

    quarantine.fail("0123")
    assert not keys.is_held(attempt(3))
    assert keys.why_failed(attempt(3)) == "quarantined: killed its worker 3 times"

    quarantine.release("0123")
    assert not keys.is_held(attempt(3))
    assert keys.why_failed(attempt(3)) is None


def test_a_released_attempt_is_kept_until_a_worker_has_it(quarantine: Quarantine, tmp_path: Path) -> None:
    kill(quarantine, 3)
    quarantine.hold(attempt(3))

    quarantine.release(TASK.quarantine_key)

    again = open_quarantine(tmp_path / "state.json", tmp_path / "keys")
    assert again.released() == [("images", attempt(3))]
    again.taken(attempt(3))
    assert again.released() == []


def test_failing_gives_the_held_attempts_out_once(quarantine: Quarantine) -> None:
    kill(quarantine, 3)
    quarantine.hold(attempt(3))

    assert quarantine.fail("0").held == (attempt(3),)
    assert quarantine.fail("0").held == ()


def test_a_raised_limit_outlives_the_pools(quarantine: Quarantine) -> None:
    kill(quarantine, 3)

    quarantine.raise_limit("0", 5)
    kill(quarantine, 1, limit=3)
    assert quarantine.tasks() == ()
    kill(quarantine, 1, limit=3)

    assert quarantine.tasks()[0].deaths == 5


def test_a_limit_that_is_reached_already_is_refused(quarantine: Quarantine) -> None:
    kill(quarantine, 3)

    with pytest.raises(FlowydError, match="it has killed 3 workers already"):
        quarantine.raise_limit("0", 3)


@pytest.mark.parametrize("key", ["", "ffff"])
def test_only_what_is_quarantined_can_be_named(quarantine: Quarantine, key: str) -> None:
    kill(quarantine, 3)

    with pytest.raises(FlowydError, match="there are: 0123456789abcdef"):
        quarantine.release(key)


def test_everything_is_remembered_over_a_restart(quarantine: Quarantine, tmp_path: Path) -> None:
    kill(quarantine, 3)
    quarantine.hold(attempt(3))

    again = open_quarantine(tmp_path / "state.json", tmp_path / "keys")

    assert again.tasks() == quarantine.tasks()
    assert again.fail("0").held == (attempt(3),)


def test_tokens_are_for_the_daemon_alone(quarantine: Quarantine, tmp_path: Path) -> None:
    kill(quarantine, 3)

    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    assert TASK.task_token not in (tmp_path / "keys").read_text()


def test_a_spoilt_file_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('[{"key": 1}]')

    assert open_quarantine(tmp_path / "state.json", tmp_path / "keys").tasks() == ()


@pytest.mark.parametrize(
    "changed",
    [{"workflow_id": "b"}, {"type_name": "b"}, {"type_version": "b"}, {"input_text": "b"}],
    ids=lambda changed: next(iter(changed)),
)
def test_the_key_tells_tasks_apart_by(changed: dict[str, str]) -> None:
    members = {"workflow_id": "a", "type_name": "a", "type_version": "a", "input_text": "a"}

    assert key_of(**members) != key_of(**{**members, **changed})  # type: ignore[arg-type]


def test_keys_are_read_as_they_were_written() -> None:
    verdicts = {"00": None, "01": 3}

    assert decode_keys(encode_keys(verdicts) + "something else\n") == verdicts


# What becomes of tasks in workers' hands.


def child(pid: int = 4711) -> Child:
    return Child(pid=pid, pool="images", rank=2, slot=0, generation=0, started_at=0.0, started_wall_at=0.0)


def running(*tasks: TaskInHand) -> Report:
    first, *more = tasks
    return Report(state=WorkerState.RUNNING, since=0.0, until=None, task=first, more_tasks=tuple(more))


POLLING = Report(state=WorkerState.POLLING, since=0.0, until=None)


def test_a_death_counts_against_every_task_in_hand_and_an_end_clears(quarantine: Quarantine) -> None:
    fates, other = Fates(quarantine), replace(TASK, task_token="other", quarantine_key="ff")
    for _ in range(2):
        worker = child()
        fates.reported(worker, running(TASK, other))
        fates.died(worker, "killed by SIGSEGV", limit=3)

    worker = child()
    fates.reported(worker, running(TASK, other))
    fates.reported(worker, running(TASK))
    fates.died(worker, "killed by SIGSEGV", limit=3)

    assert [task.key for task in quarantine.tasks()] == [TASK.quarantine_key]


def test_a_worker_that_we_killed_counts_against_nobody(quarantine: Quarantine) -> None:
    fates = Fates(quarantine)
    for _ in range(5):
        worker = child()
        fates.reported(worker, running(TASK))
        worker.killed = True
        fates.died(worker, "killed by SIGKILL", limit=3)

    assert quarantine.tasks() == ()


def test_the_stop_report_names_each_task_and_its_fate(quarantine: Quarantine) -> None:
    fates = Fates(quarantine)
    done, dies, late = child(1), child(2), child(3)
    fates.reported(done, running(attempt(1)))
    fates.reported(dies, running(attempt(2)))

    fates.stop_begins({done: [attempt(1)], dies: [attempt(2)], late: []})
    fates.reported(done, POLLING)
    dies.killed = True
    fates.died(dies, "killed by SIGKILL: the daemon stopped", limit=3)
    fates.reported(late, running(attempt(4)))
    fates.reported(late, running(attempt(3)))
    fates.stopping_at_once()

    assert fates.stop_report().splitlines() == [
        "3 tasks were in flight",
        "resize resize-0-1 of pictures (images[1]): finished after 0.0 s",
        "resize resize-0-2 of pictures (images[2]): killed by SIGKILL: the daemon stopped after 0.0 s; "
        "failed with that reason",
        "resize resize-0-3 of pictures (images[3]): killed; left to time out",
    ]


def test_nothing_in_flight_is_said_too(quarantine: Quarantine) -> None:
    fates = Fates(quarantine)
    fates.stop_begins({child(): []})

    assert fates.stop_report() == "no task was in flight"


# Decision tasks that came together: a report names the one that is decided, the worker's file all of them.


def decision_task(name: str) -> TaskInHand:
    return TaskInHand(
        kind="decision", task_token=name, type_name="t", type_version="1", workflow_id=name, run_id=name
    )


A, B, C = (decision_task(name) for name in "abc")

KILLED = "killed by SIGKILL; another decider gets it when its time is over"


def fates_told(fates: Fates) -> list[str]:
    """Each task's fate, whenever it came."""
    lines = fates.stop_report().splitlines()[1:]
    return [re.sub(r" after \d+\.\d s", "", line.partition("]): ")[2]) for line in lines]


def test_all_that_came_together_is_in_flight_until_it_is_answered(quarantine: Quarantine) -> None:
    fates, decider = Fates(quarantine), child()
    fates.reported(decider, running(B))

    fates.stop_begins({decider: [A, B, C]})
    assert fates.tasks_left == 3
    fates.reported(decider, running(C))
    assert fates.tasks_left == 2
    fates.reported(decider, POLLING)
    assert fates.tasks_left == 0

    assert fates_told(fates) == ["finished"] * 3


def test_all_that_came_together_has_its_fate_when_its_worker_is_killed(quarantine: Quarantine) -> None:
    fates, decider = Fates(quarantine), child()
    fates.reported(decider, running(A))
    fates.stop_begins({decider: [A, B, C]})
    # It is decided, and its answer waits for the next.
    fates.reported(decider, running(B))

    decider.in_hand = {task.task_token: task for task in (A, B, C)}
    fates.died(decider, "killed by SIGKILL", limit=None)

    assert fates_told(fates) == [KILLED] * 3


def test_what_a_killed_worker_had_answered_is_finished(quarantine: Quarantine) -> None:
    fates, decider = Fates(quarantine), child()
    fates.reported(decider, running(A))
    fates.stop_begins({decider: [A, B, C]})
    fates.reported(decider, running(C))

    decider.in_hand = {C.task_token: C}
    fates.died(decider, "killed by SIGKILL", limit=None)

    assert fates_told(fates) == ["finished", "finished", KILLED]


def test_what_came_together_during_the_stop_is_told_of_if_its_worker_is_killed(
    quarantine: Quarantine,
) -> None:
    fates, decider = Fates(quarantine), child()
    fates.stop_begins({decider: []})
    fates.reported(decider, running(A))
    fates.reported(decider, running(B))

    decider.in_hand = {task.task_token: task for task in (A, B, C)}
    fates.died(decider, "killed by SIGKILL", limit=None)

    assert fates.tasks_left == 0
    assert sorted(fates_told(fates)) == [KILLED] * 3

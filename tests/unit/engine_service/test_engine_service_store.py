"""The file: restarts, a disk that is full, retention, backup, versions, damage, one engine at a time."""

from __future__ import annotations

import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from flowyd.config.records import Durability
from flowyd.engine.backup import back_up
from flowyd.engine.calls import Call
from flowyd.engine.clock import ManualClock
from flowyd.engine.integrity import check_integrity
from flowyd.engine.migrations import migrate
from flowyd.engine.opening import open_service
from flowyd.engine.settings import ServiceSettings
from flowyd.engine.store import CHECKPOINT_S
from flowyd.errors import StoreError
from flowyd.swf.faults import InternalFailure, UnknownResourceFault
from tests.unit.engine_service.engine_service_scene import (
    COMPLETE,
    DOMAIN,
    START_AT,
    Scene,
    schedule,
    timer,
)

DAY_S = 86_400.0


def test_everything_goes_on_after_a_restart(scene: Scene) -> None:
    execution = scene.start()
    task = scene.poll()
    scene.reopen()
    scene.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[schedule("a")])
    scene.reopen()
    activity = scene.poll("Activity")
    scene.reopen()
    scene.call("RespondActivityTaskCompleted", taskToken=activity["taskToken"])
    scene.reopen()
    scene.decide(COMPLETE)
    scene.reopen()

    assert scene.types(execution)[-1] == "WorkflowExecutionCompleted"
    assert [event["eventId"] for event in scene.history(execution)] == list(range(1, 12))


def test_page_tokens_survive_a_restart(scene: Scene) -> None:
    execution = scene.start()
    request = {"domain": DOMAIN, "execution": execution, "maximumPageSize": 1}
    first = scene.call("GetWorkflowExecutionHistory", **request)
    scene.reopen()

    second = scene.call("GetWorkflowExecutionHistory", **request, nextPageToken=first["nextPageToken"])

    assert [event["eventId"] for event in second["events"]] == [2]


def test_executions_that_memory_has_no_room_for_are_folded_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "e.db", settings=ServiceSettings(hot_bytes=1))
    executions = [scene.start(f"w{number}") for number in range(5)]
    for _ in executions:
        scene.decide(schedule("a", scheduleToCloseTimeout="50"))
    for _ in executions[1:]:
        scene.work()

    scene.pass_time(60)

    assert [scene.types(execution)[5] for execution in executions] == [
        *["ActivityTaskStarted"] * 4,
        "ActivityTaskTimedOut",
    ]
    assert all(scene.describe(execution)["openCounts"]["openDecisionTasks"] for execution in executions)


def test_a_full_memory_makes_room_for_many_turns_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "e.db", settings=ServiceSettings(hot_bytes=400_000), durability=Durability.FULL)
    database = scene.service._store.connection
    asked = 0
    for number in range(300):
        scene.service.checkpoint()
        scene.start(f"w{number}")
        asked += database.in_transaction  # what is forgotten was brought into it before

    assert 0 < asked < 60


def test_the_database_is_given_what_it_is_owed_before_a_checkpoint_has_much_to_do(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "e.db", durability=Durability.FULL)
    scene.start()
    scene.service.checkpoint()
    database, signals = scene.service._store.connection, 0
    while not database.in_transaction:
        scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName=f"{signals}")
        signals += 1

    assert 100 < signals < 1_000


@contextmanager
def full_disk(scene: Scene) -> Iterator[None]:
    """No file may grow, as on a disk without space."""
    scene.service.checkpoint()
    wal = scene.database.with_name(scene.database.name + "-wal")
    largest = max(path.stat().st_size for path in (wal, scene.database))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def big_signal(scene: Scene, name: str = "s") -> Call:
    return scene.make(
        "SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName=name, input="x" * 32_000
    )


@contextmanager
def full_disk_found_out(scene: Scene) -> Iterator[Call]:
    """A disk without space, met at the checkpoint after the signal that is given."""
    signal = big_signal(scene, "last")
    with full_disk(scene):
        scene.turn(signal)
        scene.clock.advance(1)
        scene.turn()
        yield signal


def test_on_a_full_disk_writes_get_a_fault_and_reads_go_on(scene: Scene) -> None:
    execution = scene.start()
    write = big_signal(scene)
    read = scene.make("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution)

    with full_disk_found_out(scene) as last:
        scene.turn(write, read)

    assert scene.answer(last) == {}
    with pytest.raises(InternalFailure, match="cannot write its database"):
        scene.answer(write)
    assert len(scene.answer(read)["events"]) == 3
    assert len(scene.history(execution)) == 3


def test_what_was_accepted_before_a_full_disk_was_met_outlives_the_engine(scene: Scene) -> None:
    execution = scene.start()

    with full_disk_found_out(scene):
        scene.reopen()
        assert len(scene.history(execution)) == 3

    scene.pass_time(2)
    assert scene.service.trouble == ""
    assert len(scene.history(execution)) == 3


def test_what_a_turn_writes_that_brought_the_database_up_to_date_is_owed_anew(scene: Scene) -> None:
    scene.start("first")
    scene.clock.advance(CHECKPOINT_S)

    scene.start("second")

    assert scene.service.next_wake_at() == scene.clock.now() + CHECKPOINT_S


def test_the_engine_recovers_when_space_returns(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(timer("t", 5))
    poll = scene.begin_poll()
    with full_disk(scene):
        scene.start("another", taskList={"name": "elsewhere"}, input="x" * 32_000)
        scene.clock.advance(6)
        scene.turn()
        assert poll not in scene.answers
        wake_at = scene.service.next_wake_at()
        assert wake_at is not None
        assert wake_at > scene.clock.now()

    scene.pass_time(2)

    assert "TimerFired" in scene.types(execution)
    assert scene.answer(poll)["workflowExecution"] == execution


def damage_history(scene: Scene, execution: dict[str, str]) -> None:
    """Spoils what is stored of one execution, behind the service's back."""
    scene.service.close()
    with closing(sqlite3.connect(scene.database)) as connection, connection:
        connection.execute(
            "UPDATE event SET body = '{}' WHERE execution_id = (SELECT id FROM execution WHERE run_id = ?)",
            (execution["runId"],),
        )
    scene.open_again()


def test_one_damaged_history_harms_no_other_request(scene: Scene) -> None:
    damaged, sound = scene.start("damaged"), scene.start("sound")
    damage_history(scene, damaged)
    signals = [
        scene.make("SignalWorkflowExecution", domain=DOMAIN, workflowId=name, signalName="s")
        for name in ("damaged", "sound")
    ]
    waiting = scene.begin_poll("Activity")

    scene.turn(*signals)

    with pytest.raises(InternalFailure):
        scene.answer(signals[0])
    assert scene.answer(signals[1]) == {}
    assert scene.types(sound)[-1] == "WorkflowExecutionSignaled"
    scene.pass_time(61)
    assert scene.answer(waiting) == {"startedEventId": 0}


def test_one_damaged_history_holds_up_no_other_deadline(scene: Scene) -> None:
    damaged, sound = scene.start("damaged"), scene.start("sound")
    scene.decide(timer("t", 1))
    scene.decide(timer("t", 2))
    damage_history(scene, damaged)

    scene.pass_time(10)

    assert "TimerFired" in scene.types(sound)


def closed(scene: Scene, workflow_id: str = "w") -> dict[str, str]:
    execution = scene.start(workflow_id)
    scene.decide(COMPLETE)
    return execution


def is_known(scene: Scene, execution: dict[str, str]) -> bool:
    try:
        scene.describe(execution)
    except UnknownResourceFault:
        return False
    return True


def test_closed_executions_vanish_after_their_retention(scene: Scene) -> None:
    execution, still_open = closed(scene), scene.start("open")
    scene.clock.advance(7 * DAY_S - 5)
    scene.turn()
    assert is_known(scene, execution)

    scene.pass_time(20)

    assert not is_known(scene, execution)
    assert is_known(scene, still_open)
    closed_count = scene.call(
        "CountClosedWorkflowExecutions", domain=DOMAIN, closeTimeFilter={"oldestDate": 0}
    )["count"]
    # The one that was open has reached its own timeout.
    assert closed_count == 1


@pytest.mark.parametrize("retention", ["0", "NONE"])
def test_without_retention_a_closed_execution_vanishes_at_once(tmp_path: Path, retention: str) -> None:
    scene = Scene(tmp_path / "e.db", retention_days=retention)
    execution = closed(scene)

    scene.turn()

    assert not is_known(scene, execution)


def test_pruning_takes_small_steps_until_nothing_is_left(scene: Scene) -> None:
    execution = scene.start()
    signal = scene.make("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")
    scene.turn(*(scene.make("SignalWorkflowExecution", **signal.request) for _ in range(1_200)))
    scene.decide(COMPLETE)
    scene.clock.advance(8 * DAY_S)
    scene.turn()
    assert not is_known(scene, execution)
    assert 0 < rows(scene.database, "event") < 1_300

    scene.pass_time(1)

    assert rows(scene.database, "event") == 0
    assert rows(scene.database, "pruning") == 0


def rows(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return count


def test_a_backup_is_a_whole_engine_at_one_moment(scene: Scene, tmp_path: Path) -> None:
    execution = scene.start()
    scene.pass_time(1)
    target = tmp_path / "copy.db"

    size_bytes = back_up(database=scene.database, target=target)
    scene.decide(COMPLETE)

    assert size_bytes == target.stat().st_size
    copy = Scene.over(target, scene)
    assert copy.types(execution) == ["WorkflowExecutionStarted", "DecisionTaskScheduled"]
    assert copy.poll()["workflowExecution"] == execution
    copy.service.close()
    assert not list(tmp_path.glob("*.unfinished*"))


def test_a_backup_after_a_crash_has_what_the_redo_log_holds(scene: Scene, tmp_path: Path) -> None:
    execution = scene.start()
    crashed = tmp_path / "crashed.db"
    for end in ("", "-wal", "-redo"):
        shutil.copy(f"{scene.database}{end}", f"{crashed}{end}")

    back_up(database=crashed, target=tmp_path / "copy.db")

    copy = Scene.over(tmp_path / "copy.db", scene)
    assert copy.poll()["workflowExecution"] == execution
    copy.service.close()


def test_a_database_older_than_redo_logs_is_backed_up_beside_one(scene: Scene, tmp_path: Path) -> None:
    scene.start()
    scene.service.close()
    with closing(sqlite3.connect(scene.database)) as connection, connection:
        connection.execute("DELETE FROM meta WHERE name = 'redo'")

    assert back_up(database=scene.database, target=tmp_path / "copy.db") > 0

    with closing(sqlite3.connect(scene.database)) as connection, connection:
        connection.execute("INSERT INTO meta (name, value) VALUES ('redo', randomblob(16))")
    scene.open_again()


def test_a_redo_log_beside_a_copy_that_it_does_not_belong_to_is_not_taken(
    scene: Scene, tmp_path: Path
) -> None:
    scene.pass_time(1)
    target = tmp_path / "copy.db"
    back_up(database=scene.database, target=target)
    scene.start()
    shutil.copy(f"{scene.database}-redo", f"{target}-redo")

    copy = Scene.over(target, scene)

    assert (
        copy.call("CountOpenWorkflowExecutions", domain=DOMAIN, startTimeFilter={"oldestDate": 0})["count"]
        == 0
    )
    copy.service.close()


def test_a_backup_does_not_overwrite(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")

    with pytest.raises(StoreError, match="exists already"):
        back_up(database=scene.database, target=target)

    assert target.read_text() == "mine"


def fails_to_open(database: Path) -> str:
    with pytest.raises(StoreError) as raised:
        open_service(database=database, clock=ManualClock(START_AT))
    return str(raised.value)


def newer(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 99")


def foreign(database: Path) -> None:
    database.unlink()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE mine (x)")


def no_database(database: Path) -> None:
    database.write_text("certainly not a database, but long enough to look at " * 10)


def overwritten(database: Path) -> None:
    page = 4_096
    content = bytearray(database.read_bytes())
    content[page : page * 4] = b"\xff" * (page * 3)
    database.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (newer, "written by a newer flowyd (schema 99"),
        (foreign, "not one of flowyd's"),
        (no_database, "damaged"),
        (overwritten, "damaged"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(
    scene: Scene, spoil: Callable[[Path], None], message: str
) -> None:
    scene.start()
    scene.service.close()

    spoil(scene.database)

    text = fails_to_open(scene.database)
    assert message in text
    assert str(scene.database) in text
    Path(scene.database).unlink()
    scene.open_again()


def test_a_second_engine_on_one_file_is_refused(scene: Scene) -> None:
    assert "in use by another engine" in fails_to_open(scene.database)


def test_a_file_in_no_directory_is_refused(tmp_path: Path) -> None:
    assert "No such file" in fails_to_open(tmp_path / "missing" / "e.db")


def test_an_older_file_is_migrated_step_by_step(tmp_path: Path) -> None:
    database = tmp_path / "old.db"
    steps = ("CREATE TABLE second (x);", "ALTER TABLE second ADD COLUMN y;")
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        migrate(connection, database=database, steps=())

        migrate(connection, database=database, steps=steps)

        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
        assert connection.execute("SELECT x, y FROM second").fetchall() == []


def test_a_step_that_fails_leaves_the_version_before(tmp_path: Path) -> None:
    database = tmp_path / "old.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        migrate(connection, database=database, steps=())

        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, database=database, steps=("CREATE TABLE second (x); CREATE NONSENSE;",))

        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'second'").fetchall()


def test_an_integrity_check_without_limit_sees_all_of_a_sound_file(scene: Scene) -> None:
    scene.start()
    with closing(sqlite3.connect(scene.database)) as connection:
        assert check_integrity(connection, database=scene.database)


@contextmanager
def locked_by_another(scene: Scene) -> Iterator[None]:
    """Another process has begun to write to the database, and takes its time."""
    scene.service.checkpoint()
    scene.service._store.connection.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(scene.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def test_a_turn_that_fails_while_another_process_locks_the_database_has_no_effect(scene: Scene) -> None:
    execution = scene.start()
    waiting = scene.begin_poll("Activity")
    kept, lost, refused = (
        scene.make("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName=name)
        for name in ("kept", "lost", "refused")
    )
    read, again = (scene.make("ListDomains", registrationStatus="REGISTERED") for _ in range(2))
    with locked_by_another(scene):
        scene.turn(kept)
        scene.turn(lost, read)
        scene.turn(refused, again)

    assert scene.answer(kept) == {}
    for call in (lost, read, refused, again):
        with pytest.raises(InternalFailure, match="cannot write its database"):
            scene.answer(call)
    scene.pass_time(2)
    scene.decide(schedule("a"))
    assert scene.answer(waiting)["activityId"] == "a"
    assert scene.types(execution)[:4] == [
        "WorkflowExecutionStarted",
        "DecisionTaskScheduled",
        "WorkflowExecutionSignaled",
        "DecisionTaskStarted",
    ]

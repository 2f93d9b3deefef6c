"""The clocks of an activity task that is on offer again: they stand, and begin anew when somebody has it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from flowyd.engine.calls import Call
from flowyd.engine.hand_outs import PLACES
from flowyd.engine.matching import Matching, Task
from flowyd.engine.redo_log import RedoLog, redo_log_of
from flowyd.swf.faults import InternalFailure, UnknownResourceFault
from tests.unit.engine_service.engine_service_scene import COMPLETE, DOMAIN, Scene, decision, schedule, timer
from tests.unit.engine_service.no_space import no_file_grows


def poll(scene: Scene, poll_id: str = "", kind: str = "Activity") -> Call:
    """A poll that is not sent yet."""
    call = scene.make(f"PollFor{kind}Task", domain=DOMAIN, taskList={"name": "tl"})
    call.poll_id = poll_id
    return call


def hand_out(scene: Scene, poll_id: str = "") -> Call:
    """A poll that was answered with an activity task."""
    call = poll(scene, poll_id)
    scene.turn(call)
    assert scene.answer(call)["activityId"] == "a"
    return call


def timed_out(scene: Scene, execution: dict[str, str]) -> str:
    """The limit that the activity ran out of, empty: none."""
    scene.note(scene.service.durable(wait=True))
    if "ActivityTaskTimedOut" not in scene.types(execution):
        return ""
    return str(scene.last(execution, "ActivityTaskTimedOut")["timeoutType"])


# What may happen in between


def nothing(scene: Scene) -> None:
    """The service goes on."""
    scene.turn()


def ends(scene: Scene) -> None:
    """The service ends in order."""
    scene.reopen()


def is_killed(scene: Scene) -> None:
    """The service leaves its files as they are."""
    scene.turn()
    copy = scene.database.with_suffix(".copy")
    for end in ("", "-wal", "-redo"):
        shutil.copy(f"{scene.database}{end}", f"{copy}{end}")
    scene.service.close()
    scene.database = copy
    scene.open_again()


def is_forgotten(scene: Scene) -> None:
    """Memory has no room for the execution."""
    executions = scene.service._executions
    executions._hot_bytes, room = 1, executions._hot_bytes
    scene.turn()
    for number in range(3):
        scene.call("TerminateWorkflowExecution", domain=DOMAIN, **scene.start(f"other {number}"))
    executions._hot_bytes = room
    assert executions.peek(1) is None


def meets_a_bug(scene: Scene) -> None:
    """Memory is made anew after a turn that failed."""
    with_no_bytes = {"signalName": "\ud800", "workflowId": "w", "domain": DOMAIN}
    call = scene.begin("SignalWorkflowExecution", **with_no_bytes)
    assert isinstance(scene.answers[call], InternalFailure)
    scene.pass_time(1)


BETWEEN = pytest.mark.parametrize("between", [nothing, ends, is_killed, is_forgotten, meets_a_bug])


@pytest.mark.parametrize("limit", ["startToCloseTimeout", "heartbeatTimeout"])
@BETWEEN
def test_no_clock_runs_while_an_activity_task_is_on_offer_again(
    scene: Scene, limit: str, between: Callable[[Scene], None]
) -> None:
    execution = scene.start()
    scene.decide(schedule("a", **{limit: "10"}))
    unread = hand_out(scene)
    scene.pass_time(9)

    scene.service.offer_again(unread)
    between(scene)
    scene.pass_time(700)

    assert timed_out(scene, execution) == ""
    task = scene.poll("Activity")
    assert task["startedEventId"] == scene.answer(unread)["startedEventId"]
    scene.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])


@pytest.mark.parametrize(
    ("limit", "timeout_type"), [("startToCloseTimeout", "START_TO_CLOSE"), ("heartbeatTimeout", "HEARTBEAT")]
)
@BETWEEN
def test_the_clocks_begin_anew_when_it_is_handed_out_again(
    scene: Scene, limit: str, timeout_type: str, between: Callable[[Scene], None]
) -> None:
    execution = scene.start()
    # The timer's end makes the service look at the execution's deadlines before this one.
    scene.decide(schedule("a", **{limit: "10"}), timer("t", 705))
    started_at = scene.clock.now()
    scene.service.offer_again(hand_out(scene))
    scene.turn()
    scene.pass_time(700)
    handed_out_at = scene.clock.now()

    hand_out(scene)
    between(scene)
    scene.pass_time(handed_out_at + 9.9 - scene.clock.now())

    assert timed_out(scene, execution) == ""
    scene.pass_time(0.2)
    assert timed_out(scene, execution) == timeout_type
    times = {event["eventType"]: event["eventTimestamp"] for event in scene.history(execution)}
    assert times["ActivityTaskStarted"] == started_at
    assert times["ActivityTaskTimedOut"] == pytest.approx(handed_out_at + 10)
    assert scene.types(execution).count("ActivityTaskStarted") == 1


@BETWEEN
def test_heartbeats_move_the_clock_that_began_anew(scene: Scene, between: Callable[[Scene], None]) -> None:
    execution = scene.start()
    scene.decide(schedule("a", heartbeatTimeout="10", startToCloseTimeout="25"), timer("t", 124))
    scene.service.offer_again(hand_out(scene))
    scene.turn()
    scene.pass_time(100)
    handed_out_at = scene.clock.now()
    token = scene.answer(hand_out(scene))["taskToken"]

    for _ in range(3):
        scene.pass_time(8)
        scene.call("RecordActivityTaskHeartbeat", taskToken=token)
    between(scene)
    scene.pass_time(100)

    assert timed_out(scene, execution) == "START_TO_CLOSE"
    times = {event["eventType"]: event["eventTimestamp"] for event in scene.history(execution)}
    assert times["ActivityTaskTimedOut"] == pytest.approx(handed_out_at + 25)


def test_the_clocks_stand_from_the_moment_that_the_answer_is_found_unread(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a", startToCloseTimeout="10"))

    scene.service.offer_again(hand_out(scene))
    scene.clock.advance(20)
    scene.turn()

    assert timed_out(scene, execution) == ""


def test_it_can_be_offered_again_as_often_as_it_is_not_read(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a", startToCloseTimeout="10"))
    for _ in range(3):
        unread = hand_out(scene)
        scene.pass_time(9)
        scene.service.offer_again(unread)
        scene.turn()
        scene.pass_time(9)

    hand_out(scene)
    scene.pass_time(9)

    assert timed_out(scene, execution) == ""
    scene.pass_time(1.1)
    assert timed_out(scene, execution) == "START_TO_CLOSE"


@BETWEEN
def test_schedule_to_close_is_about_the_whole_and_goes_on(
    scene: Scene, between: Callable[[Scene], None]
) -> None:
    execution = scene.start()
    scene.decide(schedule("a", scheduleToCloseTimeout="30", startToCloseTimeout="10"))

    scene.service.offer_again(hand_out(scene))
    between(scene)
    scene.pass_time(31)

    assert timed_out(scene, execution) == "SCHEDULE_TO_CLOSE"
    assert poll(scene) not in scene.answers


def test_details_of_a_heartbeat_outlive_another_hand_out(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a", heartbeatTimeout="10"))
    unread = hand_out(scene)
    scene.call("RecordActivityTaskHeartbeat", taskToken=scene.answer(unread)["taskToken"], details="half")
    scene.service.offer_again(unread)
    hand_out(scene)

    scene.reopen()
    scene.pass_time(11)

    assert scene.last(execution, "ActivityTaskTimedOut")["details"] == "half"


def test_a_heartbeat_of_a_worker_that_has_it_after_all_starts_no_clock(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a", heartbeatTimeout="10"))
    unread = hand_out(scene)
    scene.service.offer_again(unread)
    scene.turn()

    scene.call("RecordActivityTaskHeartbeat", taskToken=scene.answer(unread)["taskToken"])
    scene.pass_time(11)
    scene.reopen()
    scene.pass_time(11)

    assert timed_out(scene, execution) == ""
    hand_out(scene)


def test_a_worker_that_has_it_after_all_can_answer(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a", startToCloseTimeout="10"))
    unread = hand_out(scene)
    scene.service.offer_again(unread)
    scene.pass_time(11)

    scene.call("RespondActivityTaskCompleted", taskToken=scene.answer(unread)["taskToken"])

    assert "ActivityTaskCompleted" in scene.types(execution)
    scene.reopen()
    assert scene.begin_poll("Activity") not in scene.answers


def test_a_cancel_request_reaches_it_as_ever(scene: Scene) -> None:
    execution = scene.start()
    scene.decide(schedule("a", startToCloseTimeout="10"))
    scene.service.offer_again(hand_out(scene))
    scene.call("SignalWorkflowExecution", domain=DOMAIN, workflowId="w", signalName="s")
    scene.decide(decision("RequestCancelActivityTask", activityId="a"))

    token = scene.answer(hand_out(scene))["taskToken"]

    assert scene.call("RecordActivityTaskHeartbeat", taskToken=token) == {"cancelRequested": True}
    scene.call("RespondActivityTaskCanceled", taskToken=token)
    assert "ActivityTaskCanceled" in scene.types(execution)


def rows(scene: Scene) -> int:
    """How many activity tasks the database knows more of than their histories say."""
    scene.service.checkpoint()
    with closing(sqlite3.connect(scene.database)) as connection:
        count: int = connection.execute("SELECT count(*) FROM heartbeat").fetchone()[0]
        return count


def test_an_execution_that_ends_takes_its_clocks_with_it(scene: Scene) -> None:
    scene.start()
    scene.decide(schedule("a", startToCloseTimeout="10"))
    scene.service.offer_again(hand_out(scene))
    scene.turn()
    assert rows(scene) == 1

    scene.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="w")

    assert rows(scene) == 0
    scene.reopen()
    assert scene.begin_poll("Activity") not in scene.answers


def test_a_task_that_is_handed_out_once_costs_no_row(scene: Scene) -> None:
    scene.start()
    scene.decide(schedule("a", startToCloseTimeout="10", heartbeatTimeout="10"))

    hand_out(scene, "p")

    assert rows(scene) == 0


def test_a_task_whose_execution_is_gone_when_its_answer_is_found_unread_harms_nobody(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "keeps_nothing.db", retention_days="0")
    execution = scene.start()
    scene.decide(schedule("a", startToCloseTimeout="10"))
    unread = hand_out(scene)
    scene.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="w")
    scene.pass_time(1)
    with pytest.raises(UnknownResourceFault):
        scene.history(execution)

    scene.service.offer_again(unread)

    scene.start("another")
    assert scene.begin_poll("Activity") not in scene.answers
    scene.service.close()


@pytest.mark.parametrize("ends_between", [False, True])
def test_the_clocks_begin_anew_with_a_poll_that_is_repeated(scene: Scene, ends_between: bool) -> None:
    execution = scene.start()
    scene.decide(schedule("a", startToCloseTimeout="10"))
    hand_out(scene, "p")
    scene.pass_time(9)
    if ends_between:
        scene.reopen()

    hand_out(scene, "p")
    scene.pass_time(9)

    assert timed_out(scene, execution) == ""
    scene.pass_time(1.1)
    assert timed_out(scene, execution) == "START_TO_CLOSE"


def test_the_clock_of_a_decision_task_runs_on(scene: Scene) -> None:
    execution = scene.start()
    unread = scene.begin_poll()
    scene.pass_time(20)

    scene.service.offer_again(unread)
    scene.pass_time(11)

    assert "DecisionTaskTimedOut" in scene.types(execution)


# Several tasks in one answer


def three_at_once(scene: Scene) -> tuple[dict[str, str], Call]:
    """An execution, and a poll that was answered with its three activity tasks."""
    execution = scene.start()
    scene.decide(*(schedule(name, startToCloseTimeout="10", heartbeatTimeout="9") for name in "abc"))
    call = poll(scene, "p")
    call.trust(3, shares_clock=True)
    scene.turn(call)
    return execution, call


def open_activities(scene: Scene, execution: dict[str, str]) -> int:
    count: int = scene.describe(execution)["openCounts"]["openActivityTasks"]
    return count


def test_of_tasks_whose_lease_is_over_only_the_clocks_of_the_one_that_was_begun_run(scene: Scene) -> None:
    execution, call = three_at_once(scene)

    scene.service.offer_rest(call)
    scene.pass_time(20)

    assert scene.types(execution).count("ActivityTaskTimedOut") == 1
    assert [scene.poll("Activity")["activityId"] for _ in range(2)] == ["b", "c"]
    scene.pass_time(8.9)
    assert open_activities(scene, execution) == 2
    scene.pass_time(0.2)
    assert open_activities(scene, execution) == 0


def test_the_clocks_of_a_task_that_is_given_back_stand(scene: Scene) -> None:
    execution, call = three_at_once(scene)
    tasks = scene.answer(call)["tasks"]
    given_back = [scene.make("RespondActivityTaskFailed", taskToken=each["taskToken"]) for each in tasks[1:]]
    for each in given_back:
        each.not_begun = "p"

    scene.turn(*given_back)
    scene.pass_time(20)

    assert scene.types(execution).count("ActivityTaskTimedOut") == 1
    assert open_activities(scene, execution) == 2
    assert {scene.poll("Activity")["activityId"] for _ in range(2)} == {"b", "c"}


def test_a_task_that_is_given_back_goes_to_a_poll_that_waits_and_its_clocks_begin_anew(scene: Scene) -> None:
    execution, call = three_at_once(scene)
    last = scene.answer(call)["tasks"][2]
    other = scene.begin_poll("Activity")
    given_back = scene.make("RespondActivityTaskFailed", taskToken=last["taskToken"])
    given_back.not_begun = "p"
    scene.pass_time(5)

    scene.turn(given_back)
    scene.pass_time(8.9)

    assert scene.answer(other)["activityId"] == "c"
    assert open_activities(scene, execution) == 1
    scene.pass_time(0.2)
    assert open_activities(scene, execution) == 0


# What is on offer again is not lost


def test_all_activity_tasks_are_still_on_offer_where_the_ring_has_no_room_for_them(scene: Scene) -> None:
    scene.start("many")
    count = PLACES // 2 + 10
    scene.decide(*(schedule(f"a{number}", startToCloseTimeout="10") for number in range(count)))
    polls = [poll(scene, f"p{number}") for number in range(count)]
    scene.turn(*polls)
    for unread in polls:
        scene.service.offer_again(unread)
    scene.turn()
    for number in range(PLACES + 10):
        scene.start(f"w{number}")
        scene.turn(other := poll(scene, f"other {number}", "Decision"))
        token = scene.answer(other)["taskToken"]
        scene.call("RespondDecisionTaskCompleted", taskToken=token, decisions=[COMPLETE])

    scene.reopen()

    found = {scene.poll("Activity")["activityId"] for _ in range(count)}
    assert found == {f"a{number}" for number in range(count)}
    assert scene.begin_poll("Activity") not in scene.answers


def test_what_is_offered_again_stays_in_memory_however_long_its_list_is(scene: Scene) -> None:
    matching, key = Matching(scene.service._store), (1, "activity", "l")
    unread = [Task(execution_id=1, scheduled_event_id=n, started_event_id=n + 1) for n in range(1_500)]
    for task in unread:
        matching.offer_again(key, task)
    for number in range(1_000):
        matching.offer(key, execution_id=2, scheduled_event_id=number, priority=0)

    taken = [matching.take(key) for _ in range(2_500)]

    assert taken[:1_500] == unread
    assert [task.scheduled_event_id for task in taken[1_500:] if task is not None] == list(range(1_000))
    assert matching.take(key) is None


# Turns that are lost


@pytest.mark.usefixtures("slow_disk")
@pytest.mark.parametrize("poll_id", ["p", ""])
def test_the_clocks_stand_though_the_turn_that_stopped_them_is_lost(busy: Scene, poll_id: str) -> None:
    execution = with_activity(busy)
    unread, lost = poll(busy, poll_id), signal(busy)
    busy.turn(unread)
    busy.note(busy.service.durable(wait=True))
    with no_file_grows():
        busy.service.offer_again(unread)
        busy.turn(lost)
        busy.note(busy.service.durable(wait=True))
    assert isinstance(busy.answers[lost], InternalFailure)

    busy.service.more_waits = lambda: False
    busy.pass_time(20)

    assert timed_out(busy, execution) == ""
    busy.reopen()
    busy.pass_time(20)
    assert timed_out(busy, execution) == ""
    hand_out(busy)


@pytest.mark.usefixtures("slow_disk")
def test_the_clocks_stand_though_a_lost_turn_had_handed_it_out_again(busy: Scene) -> None:
    execution = with_activity(busy)
    unread, lost = poll(busy), poll(busy)
    busy.turn(unread)
    busy.service.offer_again(unread)
    busy.turn()
    busy.note(busy.service.durable(wait=True))
    with no_file_grows():
        busy.turn(lost)
        busy.note(busy.service.durable(wait=True))
    assert isinstance(busy.answers[lost], InternalFailure)

    busy.service.more_waits = lambda: False
    busy.pass_time(20)

    assert timed_out(busy, execution) == ""
    hand_out(busy)
    busy.pass_time(10.1)
    assert timed_out(busy, execution) == "START_TO_CLOSE"


def with_activity(busy: Scene) -> dict[str, str]:
    """The scene's execution, which has scheduled an activity."""
    busy.service.more_waits = lambda: False
    busy.decide(schedule("a", startToCloseTimeout="10"))
    busy.service.more_waits = lambda: True
    return busy.open_run("first")


def signal(busy: Scene) -> Call:
    return busy.make("SignalWorkflowExecution", domain=DOMAIN, workflowId="first", signalName="s")


# A database from before


#: The table and the statement of the versions up to 3.
_HEARTBEAT_3 = """
DROP TABLE heartbeat;
CREATE TABLE heartbeat (
    execution_id       INTEGER NOT NULL,
    scheduled_event_id INTEGER NOT NULL,
    at                 REAL NOT NULL,
    details            TEXT,
    PRIMARY KEY (execution_id, scheduled_event_id)
) WITHOUT ROWID;
PRAGMA user_version = 3;
"""
_SAVE_HEARTBEAT_3 = (
    "INSERT INTO heartbeat (execution_id, scheduled_event_id, at, details) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET at = excluded.at, details = excluded.details"
)


def test_heartbeats_of_a_version_without_such_clocks_are_kept_those_in_its_redo_log_too(scene: Scene) -> None:
    executions = [scene.start(name) for name in ("in the file", "in the log")]
    for _ in executions:
        scene.decide(schedule("a", heartbeatTimeout="10", startToCloseTimeout="30"))
        hand_out(scene)
    beat_at = scene.clock.now() + 5
    scene.service.close()
    written_by_version_3(scene.database, beat_at)

    scene.open_again()
    scene.pass_time(14.9)

    assert [timed_out(scene, execution) for execution in executions] == ["", ""]
    scene.pass_time(0.2)
    assert [scene.last(each, "ActivityTaskTimedOut")["details"] for each in executions] == ["file", "log"]


def written_by_version_3(database: Path, at: float) -> None:
    """A heartbeat of the first execution in the file, and one of the second in the log."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(_HEARTBEAT_3)
        connection.execute(_SAVE_HEARTBEAT_3, (1, 5, at, "file"))
        salt = connection.execute("SELECT value FROM meta WHERE name = 'redo'").fetchone()[0]
    log = RedoLog(redo_log_of(database), synced=False)
    log.take_up(salt)
    assert log.append([(_SAVE_HEARTBEAT_3, [(2, 5, at, "log")])])
    log.close()

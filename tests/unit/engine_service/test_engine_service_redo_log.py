"""The redo log: what it holds after any end; and that merged turns come to the same as single ones."""

from __future__ import annotations

import errno
import os
import select
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowyd.engine.overlap import When
from flowyd.engine.redo_log import MOST_BYTES, SALT_BYTES, RedoLog, redo_log_of
from flowyd.engine.store import Store
from flowyd.engine.writes import ExecutionRow, Statement
from flowyd.errors import StoreError
from tests.unit.engine_service.aio_contexts import end_contexts
from tests.unit.engine_service.no_space import no_file_grows

SALT = bytes(range(SALT_BYTES))
OTHER_SALT = bytes(SALT_BYTES)
#: Each record begins with a block of its own.
BLOCK_BYTES = 4096


Turns = list[list[Statement]]


def turn(number: int, size: int = 10) -> list[Statement]:
    return [
        ("INSERT INTO t VALUES (?, ?)", [[number, "x" * size]]),
        ("DELETE FROM u WHERE a = ?", [[number]]),
    ]


@contextmanager
def log(
    path: Path, *, salt: bytes = SALT, synced: bool = True
) -> Iterator[tuple[RedoLog, list[list[Statement]]]]:
    """An open log, and what was in it."""
    opened = RedoLog(path, synced=synced)
    try:
        yield opened, opened.take_up(salt)
    finally:
        opened.close()


def left_in(path: Path, *, salt: bytes = SALT) -> list[list[Statement]]:
    with log(path, salt=salt) as (_, left):
        return left


def write(path: Path, turns: list[list[Statement]], *, synced: bool = True) -> list[int]:
    """Appends the turns; where each record ends in the file."""
    ends = []
    with log(path, synced=synced) as (opened, _):
        for statements in turns:
            assert opened.append(statements)
            ends.append(len(path.read_bytes().rstrip(b"\0")))
    return ends


def test_what_was_appended_is_there_in_order(tmp_path: Path) -> None:
    turns = [turn(number) for number in range(5)]

    write(tmp_path / "log", turns)

    assert left_in(tmp_path / "log") == turns


def test_an_opened_log_goes_on_behind_what_is_there(tmp_path: Path) -> None:
    turns = [turn(number) for number in range(5)]

    write(tmp_path / "log", turns[:2])
    write(tmp_path / "log", turns[2:])

    assert left_in(tmp_path / "log") == turns


def test_what_the_database_has_seen_is_not_there_again(tmp_path: Path) -> None:
    with log(tmp_path / "log") as (opened, _):
        for number in range(5):
            opened.append(turn(number))
        opened.start_over(OTHER_SALT)
        opened.append(turn(5))

    assert left_in(tmp_path / "log", salt=OTHER_SALT) == [turn(5)]


@pytest.mark.parametrize("synced", [True, False])
def test_a_record_cut_off_at_any_byte_is_as_if_never_begun(tmp_path: Path, synced: bool) -> None:
    path = tmp_path / "log"
    turns = [turn(0), turn(1)]
    _, end = write(path, turns, synced=synced)
    whole = path.read_bytes()

    for cut in range(BLOCK_BYTES, end):
        path.write_bytes(whole[:cut] + bytes(len(whole) - cut))
        assert left_in(path) == turns[:1]


def test_a_hole_between_synced_records_is_damage_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, [turn(0), turn(1), turn(2)])
    with path.open("r+b") as file:
        file.seek(BLOCK_BYTES + 40)
        file.write(b"\xff")

    with pytest.raises(
        StoreError, match=r"log: damaged: turn 1 cannot be read, but turn 2 can\. Restore a backup"
    ):
        left_in(path)


def test_a_hole_between_records_that_were_not_synced_ends_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, [turn(0), turn(1), turn(2)], synced=False)
    with path.open("r+b") as file:
        file.seek(BLOCK_BYTES + 40)
        file.write(b"\xff")

    assert left_in(path) == [turn(0)]


@pytest.mark.parametrize("refused_at", ["the opening", "the first write"])
def test_a_file_system_that_knows_no_direct_writes_takes_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused_at: str
) -> None:
    direct: set[int] = set()
    open_file, write_file = os.open, os.pwrite

    def opened(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECT and refused_at == "the opening":
            raise OSError(errno.EINVAL, "no direct writes")
        file = open_file(path, flags, mode)
        if flags & os.O_DIRECT:
            direct.add(file)
        else:
            direct.discard(file)
        return file

    def written(file: int, content: bytes, at: int) -> int:
        if file in direct:
            raise OSError(errno.EINVAL, "no direct writes")
        return write_file(file, content, at)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "pwrite", written)
    turns = [turn(0), turn(1, 10 * BLOCK_BYTES), turn(2)]

    write(tmp_path / "log", turns)

    assert left_in(tmp_path / "log") == turns


def test_a_full_log_takes_nothing_more_and_keeps_what_it_has(tmp_path: Path) -> None:
    with log(tmp_path / "log") as (opened, _):
        assert opened.append(turn(0, MOST_BYTES // 2))
        assert not opened.append(turn(1, MOST_BYTES // 2))

    assert left_in(tmp_path / "log") == [turn(0, MOST_BYTES // 2)]
    assert (tmp_path / "log").stat().st_size <= MOST_BYTES


# The store over a log


@contextmanager
def store_over(database: Path, *, with_log: bool = True, overlaps: bool = False) -> Iterator[Store]:
    """A store over the file, which has the schema; it ends without a word, as when the process is killed.

    `overlaps`: turns can be committed later, where the file system lets them.
    """
    is_new = not database.exists()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        if is_new:
            connection.executescript(files("flowyd.engine").joinpath("schema.sql").read_text())
            connection.execute(
                "INSERT INTO domain (name, status, retention_days) VALUES ('d', 'REGISTERED', '1')"
            )
        if not with_log:
            yield Store(connection)
            return
        redo_log = RedoLog(redo_log_of(database), synced=overlaps)
        try:
            store = Store(connection, redo_log)
            if overlaps:
                begin_to_overlap(store)
            yield store
        finally:
            redo_log.close()


def begin_to_overlap(store: Store) -> None:
    """The first record proves that the file can be written in the background."""
    place = 99
    store.writes.add_hand_out((1, "r", "p", 1, 1, 1, 1, "activity", "l", place))
    store.commit()
    store.writes.drop_hand_out(place)
    store.commit()
    store.checkpoint()


def stored(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows that turns write, as another process sees them."""
    with closing(sqlite3.connect(database)) as connection:
        tables = ("execution", "event", "task", "heartbeat", "hand_out", "execution_tag")
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}


def event_count(database: Path) -> int:
    return len(stored(database)["event"])


def test_a_durable_turn_is_owed_until_the_checkpoint(tmp_path: Path) -> None:
    with store_over(tmp_path / "db") as store:
        store.writes.add_event(1, 1, "{}")
        store.commit()
        assert store.owed_turns == 1
        assert event_count(tmp_path / "db") == 0
        assert list(store.events(1, 1, 1)) == ["{}"], "its own reads see it"

        store.checkpoint()

        assert store.owed_turns == 0
        assert event_count(tmp_path / "db") == 1


def test_what_was_owed_at_the_end_is_owed_by_the_next(tmp_path: Path) -> None:
    with store_over(tmp_path / "db") as store:
        store.writes.add_event(1, 1, "{}")
        store.commit()
        store.writes.add_event(1, 2, "{}")

    with store_over(tmp_path / "db") as store:
        assert store.owed_turns == 1
        assert list(store.events(1, 1, 9)) == ["{}"], "the turn without a commit never was"
        store.checkpoint()

    with store_over(tmp_path / "db") as store:
        assert store.owed_turns == 0
        assert event_count(tmp_path / "db") == 1


def test_a_turn_that_failed_takes_nothing_durable_with_it(tmp_path: Path) -> None:
    with store_over(tmp_path / "db") as store:
        store.writes.add_event(1, 1, "{}")
        store.commit()
        store.writes.add_event(1, 2, "{}")
        assert len(list(store.events(1, 1, 9))) == 2

        store.rollback()

        assert len(list(store.events(1, 1, 9))) == 1
        store.writes.add_event(1, 2, "[]")
        store.commit()
        store.checkpoint()
        assert [body for *_, body in stored(tmp_path / "db")["event"]] == ["{}", "[]"]


def test_a_turn_in_which_what_came_went_again_writes_nothing(tmp_path: Path) -> None:
    with store_over(tmp_path / "db") as store:
        store.writes.add_task((1, "activity", "l"), 1, 5, (0, 1))
        store.writes.drop_task(1, 5)
        store.commit()

        assert store.owed_turns == 0


def test_a_direct_write_is_committed_by_the_database_with_all_that_is_owed(tmp_path: Path) -> None:
    with store_over(tmp_path / "db") as store:
        store.writes.add_event(1, 1, "{}")
        store.commit()
        store.begin()
        store.connection.execute("INSERT INTO pruning (execution_id) VALUES (1)")
        store.commit()

        assert store.owed_turns == 0
        assert event_count(tmp_path / "db") == 1


def test_a_turn_that_the_log_has_no_room_for_is_committed_by_the_database(tmp_path: Path) -> None:
    with store_over(tmp_path / "db") as store:
        store.writes.add_event(1, 1, "{}")
        store.commit()
        store.writes.add_event(1, 2, "x" * MOST_BYTES)
        store.commit()

        assert store.owed_turns == 0
        assert event_count(tmp_path / "db") == 2


def test_a_log_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    with store_over(tmp_path / "db"):
        pass
    os.truncate(redo_log_of(tmp_path / "db"), 0)
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as connection:
        redo_log = RedoLog(redo_log_of(tmp_path / "db"), synced=False)
        store = Store(connection, redo_log)
        redo_log.close()
        store.writes.add_event(1, 1, "{}")

        store.commit()

        assert event_count(tmp_path / "db") == 1


# Turns that are made durable later


@contextmanager
def overlapping(database: Path) -> Iterator[Store]:
    """A store whose turns can be committed later; skips the test where they cannot."""
    with store_over(database, overlaps=True) as store:
        if store.fileno() is None:
            pytest.skip("no writes in the background here")
        yield store


def begin_turns(store: Store, *numbers: int) -> None:
    """Turns of one event each, to be made durable later."""
    for number in numbers:
        store.writes.add_event(1, number, "{}")
        store.commit(When.MEANWHILE)


def later_turns(store: Store) -> tuple[int, int]:
    """How many are committed, and how many of these are durable, apart from those that began it."""
    return store.committed - 2, store.durable - 2


def left_by(database: Path) -> list[int]:
    """The events that the next engine finds."""
    with store_over(database) as store:
        store.checkpoint()
    return sorted(int(str(row[1])) for row in stored(database)["event"])


@pytest.mark.usefixtures("slow_disk")
def test_turns_that_end_while_one_is_written_share_the_next_record(tmp_path: Path) -> None:
    with overlapping(tmp_path / "db") as store:
        begin_turns(store, 1, 2, 3)
        store.look()
        assert later_turns(store) == (3, 0)
        assert store.owed_turns == 0

        store.wait()

        assert later_turns(store) == (3, 3)
        assert store.owed_turns == 2
    assert left_by(tmp_path / "db") == [1, 2, 3]


@pytest.mark.usefixtures("slow_disk")
def test_what_was_not_waited_for_at_a_kill_is_a_beginning_of_what_was_committed(tmp_path: Path) -> None:
    with overlapping(tmp_path / "db") as store:
        begin_turns(store, 1, 2, 3)

    assert left_by(tmp_path / "db") == [1]


@pytest.mark.parametrize("waits", [True, False])
def test_where_the_end_of_a_record_is_not_told_the_database_takes_what_was_committed(
    tmp_path: Path, waits: bool
) -> None:
    with overlapping(tmp_path / "db") as store:
        begin_turns(store, 1, 2)
        assert store.is_writing
        end_contexts()

        if waits:
            store.wait()
        else:
            store.look()

        assert not store.is_writing
        assert later_turns(store) == (2, 2)
        assert event_count(tmp_path / "db") == 2
        begin_turns(store, 3)
        assert later_turns(store) == (3, 3)
    assert left_by(tmp_path / "db") == [1, 2, 3]


def test_looking_finds_turns_durable_in_their_order(tmp_path: Path) -> None:
    with overlapping(tmp_path / "db") as store:
        for number in range(1, 30):
            begin_turns(store, number)
            committed, durable = later_turns(store)
            assert durable < committed == number
        while store.is_writing:
            select.select([store.fileno()], [], [], 10)
            store.look()
        assert later_turns(store) == (29, 29)

    assert left_by(tmp_path / "db") == list(range(1, 30))


@pytest.mark.usefixtures("slow_disk")
@pytest.mark.parametrize("what", ["events", "hand_outs", "begin", "checkpoint", "commit", "flush"])
def test_whatever_needs_the_database_first_makes_durable_what_is_committed(tmp_path: Path, what: str) -> None:
    with overlapping(tmp_path / "db") as store:
        begin_turns(store, 1, 2)
        if what == "commit":
            store.writes.add_event(1, 3, "{}")

        getattr(store, what)(*((1, 1, 2) if what == "events" else ()))

        assert not store.is_writing
        assert store.committed == store.durable
    assert left_by(tmp_path / "db")[:2] == [1, 2]


@pytest.mark.usefixtures("slow_disk")
def test_a_run_that_came_with_a_turn_not_durable_yet_is_found(tmp_path: Path) -> None:
    with overlapping(tmp_path / "db") as store:
        for number in (1, 3):
            store.writes.add_execution(row(number))
            store.commit(When.MEANWHILE)
            assert store.find_run(1, "w1", f"r{number}") == number
            store.writes.save_execution(closed(row(number)))
            store.commit()
        begin_turns(store, 1)
        store.writes.add_execution(row(5))
        store.commit(When.MEANWHILE)

        assert store.find_run(1, "w1", "r5") == 5


@pytest.mark.usefixtures("slow_disk")
def test_turns_in_which_what_came_went_again_are_durable_without_a_record(tmp_path: Path) -> None:
    with overlapping(tmp_path / "db") as store:
        begin_turns(store, 1)
        store.writes.add_task((1, "activity", "l"), 1, 5, (0, 1))
        store.commit(When.MEANWHILE)
        store.writes.drop_task(1, 5)
        store.commit(When.MEANWHILE)

        store.wait()

        assert later_turns(store) == (3, 3)
        assert store.owed_turns == 1


@pytest.mark.usefixtures("slow_disk")
def test_a_rollback_takes_nothing_of_turns_that_were_committed_before(tmp_path: Path) -> None:
    with overlapping(tmp_path / "db") as store:
        begin_turns(store, 1, 2)
        store.writes.add_event(1, 3, "{}")

        store.rollback()

        assert later_turns(store) == (2, 2)
    assert left_by(tmp_path / "db") == [1, 2]


@pytest.mark.usefixtures("slow_disk")
@pytest.mark.parametrize("way", ["wait", "checkpoint", "rollback", "commit"])
def test_turns_whose_record_fails_are_committed_by_the_database(tmp_path: Path, way: str) -> None:
    with overlapping(tmp_path / "db") as store:
        with no_file_grows():
            begin_turns(store, 1)
        begin_turns(store, 2, 3)
        if way == "commit":
            store.writes.add_event(1, 4, "{}")

        getattr(store, way)()

        assert store.durable == store.committed
        assert event_count(tmp_path / "db") == 3
        begin_turns(store, 5)
        assert store.is_writing, "the log is as good as new"
        store.wait()
    assert left_by(tmp_path / "db") == [1, 2, 3, *([4] if way == "commit" else []), 5]


@pytest.mark.usefixtures("slow_disk")
def test_turns_whose_record_cannot_be_begun_are_committed_by_the_database(tmp_path: Path) -> None:
    with overlapping(tmp_path / "db") as store:
        begin_turns(store, 1)
        store.writes.add_event(1, 2, "x" * MOST_BYTES)
        store.commit(When.MEANWHILE)
        assert later_turns(store) == (2, 0)

        store.wait()

        assert later_turns(store) == (2, 2)
        assert event_count(tmp_path / "db") == 2


@pytest.mark.usefixtures("slow_disk")
def test_if_neither_can_be_written_exactly_the_turns_that_are_not_durable_are_forgotten(
    tmp_path: Path,
) -> None:
    with overlapping(tmp_path / "db") as store:
        begin_turns(store, 1)
        store.wait()
        with no_file_grows():
            begin_turns(store, 2, 3)
            with pytest.raises(sqlite3.OperationalError):
                store.wait()
            store.rollback()

        assert later_turns(store) == (1, 1)
        assert list(store.events(1, 1, 9)) == ["{}"]
        begin_turns(store, 2)
        assert later_turns(store) == (2, 2), "the database commits until it has succeeded once"
        begin_turns(store, 3)
        assert later_turns(store) == (3, 2)
        store.wait()
    assert left_by(tmp_path / "db") == [1, 2, 3]


@pytest.mark.usefixtures("slow_disk")
def test_a_turn_that_cannot_be_written_down_takes_only_those_with_it_that_share_its_record(
    tmp_path: Path,
) -> None:
    with overlapping(tmp_path / "db") as store:
        begin_turns(store, 1)
        store.writes.add_event(1, 2, "\ud800")
        store.commit(When.MEANWHILE)
        with pytest.raises(UnicodeEncodeError):
            store.wait()

        store.rollback()

        assert later_turns(store) == (1, 1)
        begin_turns(store, 2)
        store.wait()
    assert left_by(tmp_path / "db") == [1, 2]


def test_much_that_is_owed_comes_into_the_transaction_before_the_checkpoint(tmp_path: Path) -> None:
    with store_over(tmp_path / "db") as store:
        turns = 0
        while not store.connection.in_transaction:
            turns += 1
            store.writes.add_event(1, turns, "{}")
            store.commit()
            store.take_over()
        assert 100 < turns < 1_000
        assert event_count(tmp_path / "db") == 0

        store.rollback()
        store.checkpoint()

        assert event_count(tmp_path / "db") == turns


def test_little_that_is_owed_waits_for_the_checkpoint(tmp_path: Path) -> None:
    with store_over(tmp_path / "db") as store:
        store.writes.add_event(1, 1, "{}")
        store.commit()

        store.take_over()

        assert not store.connection.in_transaction


# Merging


def row(number: int) -> ExecutionRow:
    return ExecutionRow(
        id=number,
        domain_id=1,
        workflow_id=f"w{number % 2}",
        run_id=f"r{number}",
        type_name="t",
        type_version="1",
        started_at=float(number),
        tag_list='["red"]' if number % 3 else None,
    )


def closed(row: ExecutionRow) -> ExecutionRow:
    row.closed_at, row.close_status = 9.0, "COMPLETED"
    return row


class Life:
    """Makes the writes an engine could make, one random step after the other, in several stores alike."""

    def __init__(self, steps: st.DataObject, *stores: Store) -> None:
        self.steps = steps
        self.stores = stores
        self.open: dict[str, ExecutionRow] = {}
        self.tasks: list[tuple[int, int]] = []
        self.places: set[int] = set()
        self.number = 0

    def write(self, what: str, *arguments: object) -> None:
        for store in self.stores:
            getattr(store.writes, what)(*arguments)

    def step(self) -> None:
        kinds = [self.start, self.close, self.task, self.take, self.beat, self.hand_out, self.empty]
        self.steps.draw(st.sampled_from(kinds))()

    def next(self) -> int:
        self.number += 1
        return self.number

    def start(self) -> None:
        new = row(self.next())
        if new.workflow_id not in self.open:
            self.open[new.workflow_id] = new
            self.write("add_execution", new)
            self.write("add_event", new.id, 1, "{}")

    def some_open(self) -> ExecutionRow | None:
        return self.steps.draw(st.sampled_from(list(self.open.values()))) if self.open else None

    def close(self) -> None:
        if (ended := self.some_open()) is not None:
            ended.closed_at, ended.close_status = float(self.next()), "COMPLETED"
            self.write("save_execution", ended)
            self.write("end_heartbeats", ended.id)
            del self.open[ended.workflow_id]

    def task(self) -> None:
        if (of := self.some_open()) is not None:
            number = self.next()
            self.tasks.append((of.id, number))
            self.write("add_task", (1, "activity", "l"), of.id, number, (0, number))

    def take(self) -> None:
        if self.tasks:
            self.write("drop_task", *self.tasks.pop(self.steps.draw(st.integers(0, len(self.tasks) - 1))))

    def beat(self) -> None:
        if (of := self.some_open()) is not None:
            at, waits = float(self.next()), self.steps.draw(st.integers(0, 1))
            self.write("save_heartbeat", (of.id, self.steps.draw(st.integers(1, 3)), at, None, at, waits))

    def hand_out(self) -> None:
        place, number = self.steps.draw(st.integers(0, 3)), self.next()
        new = (number, "r", "p", 1, number, number + 1, 1, "activity", "l", place)
        is_certain = place in self.places and self.steps.draw(st.booleans())
        self.write("change_hand_out" if is_certain else "add_hand_out", new)
        self.places.add(place)

    def empty(self) -> None:
        if self.places:
            place = self.steps.draw(st.sampled_from(sorted(self.places)))
            self.places.discard(place)
            self.write("drop_hand_out", place)


@settings(deadline=None)
@given(
    steps=st.data(),
    ends=st.lists(
        st.sampled_from(
            [
                *("", *When, *When, "look", "wait", "write_gathered", "read", "read and NOW"),
                *("take_over", "checkpoint", "kill"),
            ]
        ),
        max_size=40,
    ),
)
def test_merged_turns_come_to_the_same_as_turns_committed_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, steps: st.DataObject, ends: list[str | When]
) -> None:
    folder = tmp_path_factory.mktemp("turns")
    with (
        store_over(folder / "single", with_log=False) as single,
        ExitStack() as killed,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr("flowyd.engine.store._MANY_EVENTS", 1)
        merged = killed.enter_context(store_over(folder / "merged", overlaps=True))
        life = Life(steps, single, merged)
        for end in ends:
            life.step()
            if end in ("read", "read and NOW"):
                merged.hand_outs()
            if end in ("look", "wait", "write_gathered", "take_over"):
                # What is committed, not the turn that goes on.
                getattr(merged, str(end))()
            elif end not in ("", "read"):
                single.commit()
                merged.commit(end if isinstance(end, When) else When.NOW)
            if end == "checkpoint":
                merged.checkpoint()
            if end == "kill":
                merged.wait()
                killed.close()
                merged = killed.enter_context(store_over(folder / "merged", overlaps=True))
                life.stores = (single, merged)
        for store in life.stores:
            store.commit()
            store.checkpoint()

    assert stored(folder / "merged") == stored(folder / "single")

"""What workers had in hand is found after their death, whoever died with them, and kept until settled."""

from __future__ import annotations

import os
import select
import selectors
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from flowyd.control.in_hand import InHand, PollUnderWay, decode_in_hand, encode_in_hand
from flowyd.control.reports import TaskInHand
from flowyd.errors import ProtocolError
from flowyd.supervisor.estates import Estates
from flowyd.worker.hand import Hand

POLL = PollUnderWay(action="PollForActivityTask", task_list="work", poll_id="p1")


def task(token: str) -> TaskInHand:
    return TaskInHand(
        kind="activity", task_token=token, type_name="t", type_version="1", workflow_id="w", run_id="r"
    )


def record(*tokens: str, polls: tuple[PollUnderWay, ...] = ()) -> InHand:
    return InHand(
        pid=os.getpid(),
        pool="images",
        kind="activity",
        slot=0,
        task_list="work",
        tasks=tuple(task(token) for token in tokens),
        polls=polls,
    )


@pytest.fixture
def estates(tmp_path: Path) -> Estates:
    return Estates(tmp_path / "in-hand", selectors.DefaultSelector())


def left_by_another(estates: Estates, content: bytes) -> Path:
    """A file of a dead worker of an earlier supervisor."""
    path, fd = estates.make_file("images", 0)
    os.write(fd, content)
    os.close(fd)
    return path


def test_a_record_is_read_as_written_whatever_longer_one_was_there_before() -> None:
    longer, shorter = encode_in_hand(record("a" * 500)), encode_in_hand(record("b", polls=(POLL,)))

    assert decode_in_hand(shorter + longer[len(shorter) :]) == record("b", polls=(POLL,))


@pytest.mark.parametrize(
    "content",
    [encode_in_hand(record("a"))[:-1], b"x", b"\x00" * 64, encode_in_hand(record("a")).replace(b"a", b"b")],
    ids=["cut off", "short", "zeros", "altered"],
)
def test_what_is_no_whole_record_is_refused(content: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_in_hand(content)


def test_what_dead_workers_had_is_taken_over_and_kept_until_it_is_settled(estates: Estates) -> None:
    path = left_by_another(estates, encode_in_hand(record("t1", "t2", polls=(POLL,))))
    found: list[InHand] = []

    estates.left_behind(found.append)

    assert found == [record("t1", "t2", polls=(POLL,))]
    estates.settle(["t1", "p1"])
    assert path.exists()
    estates.settle(["t2"])
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"not ours"], ids=["empty", "foreign"])
def test_files_that_say_nothing_are_ignored_and_removed(estates: Estates, content: bytes) -> None:
    path = left_by_another(estates, content)

    estates.left_behind(lambda found: pytest.fail(f"{found}"))

    assert not path.exists()


def test_a_living_worker_is_left_alone_until_it_ends(tmp_path: Path) -> None:
    selector = selectors.DefaultSelector()
    estates = Estates(tmp_path / "in-hand", selector)
    _, fd = estates.make_file("images", 0)
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        Hand(replace(record(), pid=os.getpid()), fd).hold((task("t1"),))
        os.write(tell, b"x")
        signal.pause()
    try:
        os.close(fd)
        assert select.select([told], [], [], 10)[0]
        found: list[InHand] = []
        estates.left_behind(found.append)
        assert found == []
    finally:
        os.kill(pid, signal.SIGKILL)

    for key, events in selector.select(10):
        key.data(events)
    os.waitpid(pid, 0)

    assert [left.tasks for left in found] == [(task("t1"),)]


def test_a_hand_knows_its_orphans_until_their_turn_is_over(estates: Estates) -> None:
    path, fd = estates.make_file("images", 0)

    def written() -> list[str]:
        in_hand = decode_in_hand(path.read_bytes())
        assert in_hand is not None
        return [each.task_token for each in in_hand.tasks]

    hand = Hand(record("o1", "o2"), fd)
    assert written() == ["o1", "o2"]
    hand.hold((task("o1"),))
    assert written() == ["o1", "o2"]
    hand.hold((task("o2"),))
    assert written() == ["o2"]
    hand.begin_poll("PollForActivityTask", "work", lambda: "p1")
    assert written() == []
    os.close(fd)


def test_a_poll_keeps_its_id_in_the_file_until_its_answer_was_read(estates: Estates) -> None:
    path, fd = estates.make_file("images", 0)
    ids = iter(["p1", "p2"])
    hand = Hand(record(), fd)

    def poll() -> str:
        return hand.begin_poll("PollForActivityTask", "work", lambda: next(ids))

    assert [poll(), poll()] == ["p1", "p1"]
    in_hand = decode_in_hand(path.read_bytes())
    assert in_hand is not None
    assert in_hand.polls == (POLL,)
    hand.answered("PollForActivityTask", "work")
    assert poll() == "p2"
    os.close(fd)


def test_a_successor_repeats_the_polls_of_the_worker_before(estates: Estates) -> None:
    _, fd = estates.make_file("images", 0)
    hand = Hand(record(polls=(POLL,)), fd)

    assert hand.begin_poll("PollForActivityTask", "work", lambda: "new") == "p1"
    assert hand.begin_poll("PollForActivityTask", "other", lambda: "new") == "new"
    os.close(fd)


def test_a_task_goes_to_the_file_with_the_id_of_the_next_poll(estates: Estates) -> None:
    path, fd = estates.make_file("images", 0)
    hand = Hand(record(), fd)
    hand.begin_poll("PollForActivityTask", "work", lambda: "p0")
    hand.answered("PollForActivityTask", "work", "p1")
    hand.hold((task("t1"),))
    written = path.read_bytes()

    assert decode_in_hand(written) == record("t1", polls=(POLL,))
    assert hand.begin_poll("PollForActivityTask", "work", lambda: "new", hand.tasks) == "p1"
    assert path.read_bytes() == written
    os.close(fd)


def test_a_poll_that_was_never_sent_leaves_the_file_with_the_task(estates: Estates) -> None:
    path, fd = estates.make_file("images", 0)
    hand = Hand(record(), fd)
    hand.begin_poll("PollForActivityTask", "work", lambda: "p0")
    hand.answered("PollForActivityTask", "work", "p1")
    hand.hold((task("t1"),))
    hand.hold(())

    assert decode_in_hand(path.read_bytes()) == record()
    assert hand.begin_poll("PollForActivityTask", "work", lambda: "p2") == "p2"
    os.close(fd)


def test_what_a_living_child_has_in_hand_is_read_and_left_to_it(estates: Estates) -> None:
    path, fd = estates.make_file("images", 0)
    estates.give(path, 4711)
    assert estates.of_living(4711) is None

    os.write(fd, encode_in_hand(record("t1", "t2")))
    os.close(fd)

    assert estates.of_living(4711) == record("t1", "t2")
    assert estates.of_living(4712) is None
    assert estates.of_dead(4711) == record("t1", "t2")

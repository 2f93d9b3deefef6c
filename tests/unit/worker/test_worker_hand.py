"""Of activity tasks that came together, the file says how many were begun, whenever its worker is killed."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace

from flowyd.control.in_hand import (
    ANSWERS_AT,
    BEGUN_AT,
    InHand,
    PollUnderWay,
    decode_answers,
    decode_in_hand,
    encode_begun,
    encode_in_hand,
)
from flowyd.control.reports import TaskInHand
from flowyd.errors import ProtocolError
from flowyd.worker.hand import Hand
from flowyd.worker.reporting import Reporter

POLL = "PollForActivityTask"
OWNER = InHand(pid=os.getpid(), pool="images", kind="activity", slot=0, task_list="work")


def task(token: str) -> TaskInHand:
    return TaskInHand(
        kind="activity", task_token=token, type_name="t", type_version="1", workflow_id="w", run_id="r"
    )


A, B, C, D = TASKS = tuple(task(token) for token in "abcd")


class File:
    """A hand's file."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @property
    def content(self) -> bytes:
        return os.pread(self.fd, 65_536, 0)

    @property
    def in_hand(self) -> InHand:
        found = decode_in_hand(self.content)
        assert found is not None
        return found

    def shares(self) -> tuple[str, str, str]:
        """Tokens of what is answered, run, and not begun."""
        found = self.in_hand
        return tokens(found.answered), tokens(found.running), tokens(found.not_begun)


def tokens(tasks: tuple[TaskInHand, ...]) -> str:
    return "".join(each.task_token for each in tasks)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    fd = os.open(tmp_path / "hand", os.O_RDWR | os.O_CREAT)
    yield File(fd)
    os.close(fd)


@pytest.fixture
def hand(file: File) -> Hand:
    return Hand(OWNER, file.fd)


# The record.


@pytest.mark.parametrize("begun", [1, 2, 4])
def test_a_record_is_read_with_the_number_that_it_was_written_with(begun: int) -> None:
    in_hand = replace(OWNER, tasks=TASKS, came_with="p", begun=begun)

    assert decode_in_hand(encode_in_hand(in_hand)) == in_hand


def test_another_number_at_its_place_leaves_the_rest_of_the_record() -> None:
    record = bytearray(encode_in_hand(replace(OWNER, tasks=TASKS, came_with="p")))

    record[BEGUN_AT : BEGUN_AT + 8] = encode_begun(3)

    assert decode_in_hand(record) == replace(OWNER, tasks=TASKS, came_with="p", begun=3)


def test_in_a_record_of_an_older_daemon_all_tasks_are_begun() -> None:
    body = (
        b'{"pid":1,"pool":"images","kind":"activity","slot":0,"task_list":"work","tasks":['
        b'{"kind":"activity","task_token":"a","type_name":"t","type_version":"1","workflow_id":"w","run_id":"r"},'
        b'{"kind":"activity","task_token":"b","type_name":"t","type_version":"1","workflow_id":"w","run_id":"r"}'
        b'],"polls":[{"action":"PollForActivityTask","task_list":"work","poll_id":"p1"}]}'
    )

    found = decode_in_hand(b"%08x %08x\n%b" % (zlib.crc32(body), len(body), body))

    assert found is not None
    assert (found.running, found.not_begun) == ((A, B), ())
    assert found.polls == (PollUnderWay(action=POLL, task_list="work", poll_id="p1"),)


@pytest.mark.parametrize("number", [b"00000000", b"-0000001", b"0000000x", b"00000001 00000001"])
def test_a_record_with_another_head_is_refused(number: bytes) -> None:
    record = encode_in_hand(replace(OWNER, tasks=TASKS, came_with="p"))

    with pytest.raises(ProtocolError):
        decode_in_hand(record.replace(b"00000001", number, 1))


# The hand.


def test_of_tasks_that_came_together_the_first_is_begun_from_the_start(file: File, hand: Hand) -> None:
    hand.hold(TASKS, "p")

    assert file.shares() == ("", "a", "bcd")
    assert file.in_hand.came_with == "p"


def test_tasks_whose_poll_is_not_known_are_all_begun(file: File, hand: Hand) -> None:
    hand.hold(TASKS)

    assert file.shares() == ("", "abcd", "")


def test_beginning_the_next_task_writes_a_number_and_nothing_else(file: File, hand: Hand) -> None:
    hand.hold(TASKS, "p")
    before = file.content

    hand.begin(3)

    after = file.content
    assert file.shares() == ("ab", "c", "d")
    assert (after[:BEGUN_AT], after[BEGUN_AT + 8 :]) == (before[:BEGUN_AT], before[BEGUN_AT + 8 :])


def test_what_was_begun_stays_begun(file: File, hand: Hand) -> None:
    hand.hold(TASKS, "p")
    hand.begin(3)

    hand.begin(2)

    assert file.shares() == ("ab", "c", "d")


def test_of_the_next_tasks_again_only_the_first_is_begun(file: File, hand: Hand) -> None:
    hand.hold((A, B), "p")
    hand.begin(2)

    hand.hold((C, D), "q")

    assert file.shares() == ("", "c", "d")
    assert file.in_hand.came_with == "q"


def test_a_task_that_came_alone_after_several_is_begun(file: File, hand: Hand) -> None:
    hand.hold(TASKS, "p")
    hand.hold((D, A))

    assert file.shares() == ("", "da", "")


@pytest.mark.parametrize("begun", [1, 2, 4])
def test_a_record_that_is_written_anew_for_a_poll_keeps_the_number(
    file: File, hand: Hand, begun: int
) -> None:
    hand.hold(TASKS, "p")
    hand.begin(begun)

    hand.begin_poll(POLL, "work", lambda: "q", hand.tasks)

    assert [poll.poll_id for poll in file.in_hand.polls] == ["q"]
    assert (file.in_hand.came_with, file.in_hand.begun) == ("p", begun)
    hand.begin(4)
    assert file.shares() == ("abc", "d", "")


def test_other_tasks_beside_a_poll_are_all_begun(file: File, hand: Hand) -> None:
    hand.hold(TASKS, "p")

    hand.begin_poll(POLL, "work", lambda: "q", [A, B])

    assert file.shares() == ("", "ab", "")


def test_a_hand_at_rest_holds_nothing(file: File, hand: Hand) -> None:
    hand.hold(TASKS, "p")
    hand.begin(2)

    hand.rest()

    assert file.in_hand == OWNER


def test_tasks_of_dead_workers_are_never_taken_for_those_of_the_poll(file: File) -> None:
    """They came with other polls: the service would not take them back."""
    hand = Hand(replace(OWNER, tasks=(C, D)), file.fd)

    hand.hold((A, B), "p")
    assert file.shares() == ("", "abcd", "")

    hand.begin(2)
    hand.begin_poll(POLL, "work", lambda: "q", hand.tasks)
    assert file.shares() == ("a", "b", "")


def test_a_worker_killed_between_two_tasks_had_begun_the_first_of_them(file: File) -> None:
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        hand = Hand(OWNER, file.fd)
        hand.hold(TASKS, "p")
        hand.begin(2)
        os.write(tell, b"x")
        signal.pause()
        hand.begin(3)
    try:
        assert select.select([told], [], [], 10)[0]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(told)
        os.close(tell)

    assert file.shares() == ("a", "b", "cd")


def test_a_file_that_cannot_be_told_of_a_task_begun_says_nothing() -> None:
    """Else that task would be given back, and run once more."""
    fd = os.memfd_create("hand", os.MFD_ALLOW_SEALING)
    hand = Hand(OWNER, fd)
    hand.hold(TASKS, "p")
    assert os.fstat(fd).st_size > 0
    # It takes nothing any more, as a full disk.
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)

    hand.begin(2)

    assert os.fstat(fd).st_size == 0
    hand.hold((A, B), "q")
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_a_hand_without_a_file_begins_tasks_too() -> None:
    hand = Hand()

    hand.hold(TASKS, "p")
    hand.begin(2)

    assert hand.tasks == TASKS


class Hands(RuleBasedStateMachine):
    """Whatever is done in whatever order, the file says what is in hand and how much of it is begun."""

    def __init__(self) -> None:
        super().__init__()
        self.fd = os.memfd_create("hand")
        self.tasks: tuple[TaskInHand, ...] = ()
        self.came_with = ""
        self.begun = 1
        self.ids = 0

    def teardown(self) -> None:
        os.close(self.fd)

    @initialize(orphans=st.lists(st.sampled_from("xyz"), unique=True))
    def start(self, orphans: list[str]) -> None:
        self.orphans = {token: task(token) for token in orphans}
        self.hand = Hand(replace(OWNER, tasks=tuple(self.orphans.values())), self.fd)

    def new_id(self) -> str:
        self.ids += 1
        return f"p{self.ids}"

    @rule(number=st.integers(0, 4), came_with=st.sampled_from(["", "p", "q"]))
    def hold(self, number: int, came_with: str) -> None:
        for each in self.tasks:
            self.orphans.pop(each.task_token, None)
        self.tasks, self.came_with, self.begun = TASKS[:number], came_with, 1
        self.hand.hold(self.tasks, came_with)
        self.check()

    @rule()
    def hold_an_orphan(self) -> None:
        for each in self.tasks:
            self.orphans.pop(each.task_token, None)
        self.tasks, self.came_with, self.begun = tuple(self.orphans.values())[:1], "", 1
        self.hand.hold(self.tasks)
        self.check()

    @rule()
    def begin(self) -> None:
        if self.begun < len(self.tasks):
            self.begun += 1
            self.hand.begin(self.begun)
        self.check()

    @rule()
    def poll(self) -> None:
        self.orphans.clear()
        self.hand.begin_poll(POLL, "work", self.new_id, self.hand.tasks)
        self.check()

    @rule()
    def read_an_answer(self) -> None:
        self.hand.answered(POLL, "work", self.new_id())

    def check(self) -> None:
        found = File(self.fd).in_hand
        in_file = {*self.tasks, *self.orphans.values()}
        assert {*found.answered, *found.running, *found.not_begun} == in_file
        assert len(found.tasks) == len(in_file)
        if self.came_with and not self.orphans:
            assert found.came_with == self.came_with
            assert found.answered == self.tasks[: self.begun - 1]
            assert found.not_begun == self.tasks[self.begun :]
        else:
            assert (found.answered, found.not_begun) == ((), ())


TestHands = Hands.TestCase


# The reporter.


def test_running_the_tasks_one_after_the_other_begins_them(file: File, hand: Hand) -> None:
    reporter = Reporter(None, hand)
    shares = []
    for each in TASKS:
        reporter.running(each, limit_s=None, together=TASKS, came_with="p")
        shares.append(file.shares())

    assert shares == [("", "a", "bcd"), ("a", "b", "cd"), ("ab", "c", "d"), ("abc", "d", "")]


def test_running_another_than_the_first_begins_those_before_it(file: File, hand: Hand) -> None:
    """As where the first is quarantined."""
    reporter = Reporter(None, hand)
    reporter.running(C, limit_s=None, together=TASKS, came_with="p")

    assert file.shares() == ("ab", "c", "d")


def test_running_tasks_of_a_poll_that_is_not_known_writes_once(file: File, hand: Hand) -> None:
    reporter = Reporter(None, hand)
    reporter.running(A, limit_s=None, together=TASKS)
    before = file.content

    reporter.running(B, limit_s=None, together=TASKS)

    assert file.content == before
    assert file.shares() == ("", "abcd", "")


def test_a_task_that_runs_alone_is_begun(file: File, hand: Hand) -> None:
    Reporter(None, hand).running(A, limit_s=None, came_with="p")

    assert file.shares() == ("", "a", "")


# Answers.


def answers(file: File) -> dict[str, dict[str, str]]:
    """What the file says that tasks were answered with, by token."""
    content = os.pread(file.fd, 65_536, ANSWERS_AT)
    return {token: given.request for token, given in decode_answers(content).items()}


def answer_of(token: str, result: str = "") -> dict[str, str]:
    return {"taskToken": token, "result": result}


def test_the_file_says_what_tasks_were_answered_with(file: File, hand: Hand) -> None:
    hand.hold(TASKS, "p")
    for each in (A, B):
        hand.note_answer("RespondActivityTaskCompleted", answer_of(each.task_token, "long" * 999))
        hand.begin(2)

    assert answers(file) == {each.task_token: answer_of(each.task_token, "long" * 999) for each in (A, B)}
    assert file.in_hand is not None
    assert file.in_hand.begun == 2


def test_the_answers_to_new_tasks_take_the_place_of_those_before(file: File, hand: Hand) -> None:
    hand.hold(TASKS, "p")
    for each in TASKS:
        hand.note_answer("RespondActivityTaskCompleted", answer_of(each.task_token, "long" * 99))
    hand.hold((task("new"),))
    hand.note_answer("RespondActivityTaskFailed", answer_of("new"))

    assert answers(file)["new"] == answer_of("new")


def test_another_answer_to_a_task_counts(file: File, hand: Hand) -> None:
    hand.hold((A,))
    hand.note_answer("RespondActivityTaskCompleted", answer_of("a", "refused"))
    hand.note_answer("RespondActivityTaskFailed", answer_of("a"))

    assert answers(file) == {"a": answer_of("a")}


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_answers_are_read_up_to_the_one_that_is_cut_off(file: File, hand: Hand, cut: int) -> None:
    hand.hold(TASKS, "p")
    for each in (A, B):
        hand.note_answer("RespondActivityTaskCompleted", answer_of(each.task_token))
    os.ftruncate(file.fd, os.fstat(file.fd).st_size - cut)

    assert answers(file) == {"a": answer_of("a")}


def test_a_file_that_takes_no_answer_still_says_what_is_begun() -> None:
    """As with a limit for the size of files."""
    fd = os.memfd_create("hand", os.MFD_ALLOW_SEALING)
    file = File(fd)
    hand = Hand(OWNER, fd)
    hand.hold(TASKS, "p")
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)

    hand.note_answer("RespondActivityTaskCompleted", answer_of("a"))
    hand.begin(2)

    assert answers(file) == {}
    assert file.shares() == ("a", "b", "cd")
    os.close(fd)


def test_what_is_no_answer_is_none() -> None:
    for content in (b"", b"\0" * 99, b"1 2 3\n", b"00000000 00000002\n{}", b"zz zz\n"):
        assert decode_answers(content) == {}

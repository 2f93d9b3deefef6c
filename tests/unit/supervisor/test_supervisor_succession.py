"""Who answers for a dead worker that had several activity tasks in hand and had not come to all of them."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from flowyd.config.records import Pool, PoolKind
from flowyd.control.in_hand import ANSWERS_AT, GivenAnswer, InHand, encode_answer, encode_in_hand
from flowyd.control.reports import Report, TaskInHand
from flowyd.supervisor.burials import Burials
from flowyd.supervisor.child import Child
from flowyd.supervisor.deaths import MemoryWatch
from flowyd.supervisor.envoys import Envoys
from flowyd.supervisor.errands import Errands
from flowyd.supervisor.estates import Estates
from flowyd.supervisor.fates import Fates
from flowyd.supervisor.gathering import Gathered
from flowyd.supervisor.nursery import Nursery
from flowyd.supervisor.pools import PoolState
from flowyd.supervisor.quarantine import open_quarantine
from flowyd.supervisor.roster import Roster
from flowyd.supervisor.succession import Succession
from flowyd.worker.hand import Hand
from flowyd.worker.reporting import Reporter
from flowyd.worker.spec import HANDED_ON, Errand, ServiceSpec


def task(token: str) -> TaskInHand:
    return TaskInHand(
        kind="activity",
        task_token=token,
        type_name="resize",
        type_version="1",
        workflow_id="w",
        run_id="r",
        activity_id=f"resize-{token}",
        quarantine_key=f"key-{token}",
    )


A, B, C, D = TASKS = tuple(task(token) for token in "abcd")
#: A worker of an earlier supervisor, with the second of its tasks under way.
LEFT = InHand(
    pid=4711, pool="images", kind="activity", slot=0, task_list="work", tasks=TASKS, came_with="p1", begun=2
)
ENDED = "worker died: it ended with the daemon (pool images, pid 4711)"
ENDED_BEFORE = "worker died before it began the task: it ended with the daemon (pool images, pid 4711)"


class Supervisor:
    """As much of one as sees to dead workers of a pool."""

    def __init__(self, folder: Path) -> None:
        self.selector = selectors.DefaultSelector()
        config = Pool(
            name="images", kind=PoolKind.ACTIVITY, task_list="work", processes=1, quarantine_deaths=1
        )
        self.pool = PoolState(config=config, processes=1)
        pools = {"images": self.pool}
        self.roster = Roster(pools)
        self.folder = folder / "in-hand"
        self.estates = Estates(self.folder, self.selector)
        self.quarantine = open_quarantine(folder / "quarantine.json", folder / "keys")
        self.fates = Fates(self.quarantine)
        self.errands = Errands(self.estates.settle)
        self.succession = Succession(pools, self.estates, self.errands)
        self.nursery = Nursery(self.selector, Gathered(self.selector), self._take)
        self.burials = Burials(
            roster=self.roster,
            nursery=self.nursery,
            succession=self.succession,
            errands=self.errands,
            envoys=Envoys(self.roster, self.nursery, self.errands),
            fates=self.fates,
            memory=MemoryWatch(None),
        )

    def _take(self, child: Child, reports: list[Report]) -> None:
        for report in reports:
            self.fates.reported(child, report)

    def start(self, work: Callable[[Reporter], int]) -> Child:
        """A worker that does this."""
        legacy = self.succession.legacy(self.pool, 0)

        def main(reports_fd: int) -> int:
            owner = InHand(pid=os.getpid(), pool="images", kind="activity", slot=0, task_list="work")
            return work(Reporter(reports_fd, Hand(owner, legacy.hand_fd)))

        child = self.nursery.bring_up(main, pool="images", rank=2, keep=legacy.keep)
        self.roster.children[child.pid] = child
        self.succession.begun(child, legacy)
        return child

    def hear(self, child: Child, running: TaskInHand) -> None:
        """Listens until the child has reported that it runs the task."""
        while child.task != running:
            for key, events in self.selector.select(10):
                key.data(events)

    def bury(self, child: Child) -> None:
        """Buries it when it has ended."""
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        self.burials.reap()

    def take_over(self, record: bytes) -> None:
        """Finds the file of a worker of an earlier supervisor."""
        _, fd = self.estates.make_file("images", 0)
        os.write(fd, record)
        os.close(fd)
        self.estates.left_behind(self.burials.take_over)

    def errand(self) -> Errand:
        """The errand that is due."""
        [errand] = self.errands.due(ServiceSpec(domain="d", engine_socket=Path("none")), "info")
        return errand

    def news(self) -> dict[str, tuple[str, str]]:
        """By token of the task that the service is told of, why, and the poll it is given back to."""
        obituaries = self.errand().obituaries
        told = {each.task.task_token: (each.reason, each.came_with) for each in obituaries}
        assert len(told) == len(obituaries), "each once"
        return told


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path)


def run_two_of_four(reporter: Reporter) -> None:
    for each in (A, B):
        reporter.running(each, limit_s=None, together=TASKS, came_with="p1")


def die_in_the_second(reporter: Reporter) -> int:
    run_two_of_four(reporter)
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def die_in_one_of_four(reporter: Reporter) -> int:
    """Nobody knows in which, as where it runs several at once."""
    reporter.running(B, limit_s=None, together=TASKS)
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def hand_on_the_second(reporter: Reporter) -> int:
    run_two_of_four(reporter)
    return HANDED_ON


def test_what_a_dead_worker_had_begun_is_failed_and_the_rest_given_back(supervisor: Supervisor) -> None:
    worker = supervisor.start(die_in_the_second)
    supervisor.bury(worker)

    how = f"killed by SIGKILL (pool images, pid {worker.pid})"
    failed, given_back = f"worker died: {how}", f"worker died before it began the task: {how}"
    assert supervisor.news() == {
        "a": (failed, ""),
        "b": (failed, ""),
        "c": (given_back, "p1"),
        "d": (given_back, "p1"),
    }


def test_tasks_whose_poll_is_not_known_are_all_failed(supervisor: Supervisor) -> None:
    worker = supervisor.start(die_in_one_of_four)
    supervisor.bury(worker)

    failed = f"worker died: killed by SIGKILL (pool images, pid {worker.pid})"
    assert supervisor.news() == dict.fromkeys("abcd", (failed, ""))


def test_last_words_are_those_of_the_task_that_was_run(supervisor: Supervisor) -> None:
    def die_with_words(reporter: Reporter) -> int:
        run_two_of_four(reporter)
        os.write(2, b"out of paper\n")
        return die_in_the_second(reporter)

    supervisor.bury(supervisor.start(die_with_words))

    details = {each.task.task_token: each.details for each in supervisor.errand().obituaries}
    assert details == {"a": "", "b": "out of paper", "c": "", "d": ""}


def test_a_death_counts_against_the_task_that_was_run_alone(supervisor: Supervisor) -> None:
    supervisor.bury(supervisor.start(die_in_the_second))

    assert [each.key for each in supervisor.quarantine.tasks()] == ["key-b"]


def test_a_death_counts_against_the_task_that_was_begun_last_and_not_reported(supervisor: Supervisor) -> None:
    def die_before_the_report(reporter: Reporter) -> int:
        run_two_of_four(reporter)
        reporter.hand.begin(3)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    supervisor.bury(supervisor.start(die_before_the_report))

    assert [each.key for each in supervisor.quarantine.tasks()] == ["key-c"]
    assert {token: poll for token, (_, poll) in supervisor.news().items()} == {
        "a": "",
        "b": "",
        "c": "",
        "d": "p1",
    }


def test_only_the_task_that_a_replaced_worker_did_not_know_is_handed_on(supervisor: Supervisor) -> None:
    supervisor.bury(supervisor.start(hand_on_the_second))

    assert supervisor.pool.orphans == [B]
    assert {token: poll for token, (_, poll) in supervisor.news().items()} == {
        "a": "",
        "c": "p1",
        "d": "p1",
    }
    assert supervisor.quarantine.tasks() == ()


def test_the_log_names_what_is_given_back(supervisor: Supervisor, caplog: pytest.LogCaptureFixture) -> None:
    worker = supervisor.start(die_in_the_second)
    with caplog.at_level(logging.INFO):
        supervisor.bury(worker)

    assert (
        f"images[{worker.pid}] had not begun all that it had in hand; given back: "
        "resize resize-c of w, resize resize-d of w"
    ) in caplog.messages


def test_the_stop_report_tells_of_what_was_run_and_not_of_what_was_not_begun(supervisor: Supervisor) -> None:
    def wait_in_the_second(reporter: Reporter) -> int:
        run_two_of_four(reporter)
        signal.pause()
        return 0

    worker = supervisor.start(wait_in_the_second)
    supervisor.hear(worker, B)
    supervisor.fates.stop_begins({worker: supervisor.succession.in_hand(worker)})
    os.kill(worker.pid, signal.SIGKILL)
    supervisor.bury(worker)

    [count, line] = supervisor.fates.stop_report().splitlines()
    assert count == "1 task was in flight"
    assert line.startswith(f"resize resize-b of w (images[{worker.pid}]): killed by SIGKILL after ")


@pytest.mark.parametrize("finds", ["its own", "an earlier supervisor's"])
def test_a_file_is_kept_until_all_is_failed_or_given_back(supervisor: Supervisor, finds: str) -> None:
    if finds == "its own":
        supervisor.bury(supervisor.start(die_in_the_second))
    else:
        supervisor.take_over(encode_in_hand(LEFT))
    kept = []

    for pid, code in ((1, 1), (2, 0)):
        errand = supervisor.errand()
        supervisor.errands.started(pid, errand)
        kept.append(len(list(supervisor.folder.iterdir())))
        supervisor.errands.ended(pid, code)
        kept.append(len(list(supervisor.folder.iterdir())))

    assert kept == [1, 1, 1, 0]


@pytest.mark.parametrize("begun", [1, 2, 4])
def test_of_a_worker_that_ended_with_the_daemon_the_rest_is_given_back_too(
    supervisor: Supervisor, begun: int
) -> None:
    supervisor.take_over(encode_in_hand(replace(LEFT, begun=begun)))

    expected = {each.task_token: (ENDED, "") for each in TASKS[:begun]}
    expected |= {each.task_token: (ENDED_BEFORE, "p1") for each in TASKS[begun:]}
    assert supervisor.news() == expected


def test_of_an_older_daemons_worker_all_is_failed(supervisor: Supervisor) -> None:
    body = msgspec.json.encode(replace(LEFT, came_with="", begun=1))

    supervisor.take_over(b"%08x %08x\n%b" % (zlib.crc32(body), len(body), body))

    assert supervisor.news() == dict.fromkeys("abcd", (ENDED, ""))


def answered(token: str, action: str = "RespondActivityTaskCompleted") -> GivenAnswer:
    return GivenAnswer(action=action, request={"taskToken": token, "result": token.upper()})


def given(supervisor: Supervisor) -> dict[str, GivenAnswer | None]:
    """By token of the task that the service is told of, what its worker had answered."""
    return {each.task.task_token: each.answer for each in supervisor.errand().obituaries}


def die_with_answers(reporter: Reporter) -> int:
    """The second is answered, and the third not begun yet."""
    reporter.running(A, limit_s=None, together=TASKS, came_with="p1")
    reporter.hand.note_answer("RespondActivityTaskCompleted", {"taskToken": "a", "result": "A"})
    reporter.running(B, limit_s=None, together=TASKS, came_with="p1")
    reporter.hand.note_answer("RespondActivityTaskFailed", {"taskToken": "b", "result": "B"})
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_a_task_that_a_dead_worker_had_answered_is_answered_so_again(supervisor: Supervisor) -> None:
    supervisor.bury(supervisor.start(die_with_answers))

    failed = answered("b", "RespondActivityTaskFailed")
    assert given(supervisor) == {"a": answered("a"), "b": failed, "c": None, "d": None}


def test_a_single_task_that_a_dead_worker_had_answered_is_answered_so_again(supervisor: Supervisor) -> None:
    def die_with_one(reporter: Reporter) -> int:
        reporter.running(A, limit_s=None)
        reporter.hand.note_answer("RespondActivityTaskCompleted", {"taskToken": "a", "result": "A"})
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    supervisor.bury(supervisor.start(die_with_one))

    assert given(supervisor) == {"a": answered("a")}


def test_answers_of_a_worker_that_ended_with_the_daemon_are_sent_again(supervisor: Supervisor) -> None:
    record = encode_in_hand(replace(LEFT, begun=3)).ljust(ANSWERS_AT, b"\0")

    # The last one is of a task before these.
    supervisor.take_over(record + b"".join(encode_answer(answered(token)) for token in "abx"))

    assert given(supervisor) == {"a": answered("a"), "b": answered("b"), "c": None, "d": None}

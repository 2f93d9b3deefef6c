"""What the lines of a worker are tagged with, and which of its reports are heard at once."""

from __future__ import annotations

import os
import selectors
from typing import Any

import pytest

from flowyd.control.reports import Report, TaskInHand, WorkerState, encode_report
from flowyd.supervisor.child import Child
from flowyd.supervisor.gathering import Gathered
from flowyd.supervisor.nursery import Nursery, task_tags

EXECUTION = {"workflow_id": "order-7", "run_id": "22x"}


def child(kind: str) -> Child:
    found = Child(pid=1, pool="p", rank=1, slot=0, generation=0, started_at=0.0, started_wall_at=0.0)
    task = TaskInHand(kind=kind, task_token="t", type_name="resize", type_version="1", **EXECUTION)
    found.report = Report(state=WorkerState.RUNNING, since=0.0, until=None, task=task)
    return found


@pytest.mark.parametrize(
    ("kind", "tags"), [("activity", {"activity": "resize", **EXECUTION}), ("decision", EXECUTION)]
)
def test_only_an_activitys_lines_name_an_activity(kind: str, tags: dict[str, Any]) -> None:
    assert task_tags(child(kind)) == tags


def test_reports_gather_only_once_the_child_is_ready() -> None:
    selector = selectors.DefaultSelector()
    gathered = Gathered(selector)
    states: list[WorkerState] = []
    nursery = Nursery(selector, gathered, lambda _, reports: states.extend(each.state for each in reports))
    go_on, told = os.pipe()

    def work(reports_fd: int) -> int:
        os.write(reports_fd, encode_report(Report(state=WorkerState.LOADING, since=0.0, until=None)))
        os.read(go_on, 1)
        os.write(reports_fd, encode_report(Report(state=WorkerState.POLLING, since=0.0, until=None)))
        return 0

    def hear(state: WorkerState) -> bool:
        while state not in states:
            for key, events in selector.select(10):
                key.data(events)
        return any(fd in gathered for fd in worker.readers)

    worker = nursery.bring_up(work, pool="p", rank=1, keep=[go_on])
    loading_gathers = hear(WorkerState.LOADING)
    os.write(told, b"x")
    polling_gathers = hear(WorkerState.POLLING)
    os.waitpid(worker.pid, 0)
    nursery.drain(worker)
    os.close(go_on)
    os.close(told)

    assert (loading_gathers, polling_gathers) == (False, True)
    assert not worker.readers

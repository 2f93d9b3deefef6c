"""What a worker does with a task of a type that it does not know."""

from __future__ import annotations

import pytest

from flowyd.control.reports import TaskInHand
from flowyd.worker.rolling import Rolling, hold_back
from flowyd.worker.stopping import HandedOn, StopSignal

TASK = TaskInHand(
    kind="activity",
    task_token="token",
    type_name="triple",
    type_version="1",
    workflow_id="w",
    run_id="r",
)


def test_it_is_not_held_back_when_no_module_is_on_its_way() -> None:
    hold_back(TASK, Rolling(), StopSignal())


@pytest.mark.parametrize("under_way", [True, False])
def test_a_worker_that_is_to_be_replaced_hands_it_on(under_way: bool) -> None:
    rolling, stop = Rolling(), StopSignal()
    rolling.set(under_way=under_way)
    stop.request()

    with pytest.raises(HandedOn):
        hold_back(TASK, rolling, stop)

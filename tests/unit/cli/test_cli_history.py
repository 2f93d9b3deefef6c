"""`flowyd history`: which events a page has room for."""

from __future__ import annotations

from flowyd.cli.history import lines
from flowyd.cli.output import Page
from flowyd.console.view_model import history
from tests.unit.console.console_script import START
from tests.unit.console.console_script import history as events

EXECUTION = {"workflowId": "told", "runId": "r"}
ROWS = history.rows(
    events(*((float(n), "WorkflowExecutionSignaled", {"signalName": f"s{n}"}) for n in range(30)))
)


def page(*, live: bool) -> Page:
    return Page(width=80, height=12, colours=False, live=live)


def test_a_screen_that_follows_shows_the_newest_events_and_how_many_came_before() -> None:
    found = lines(EXECUTION, ROWS, page=page(live=True), now=START, following=True)

    assert len(found) <= page(live=True).height - 2
    assert "s29" in found[-1]
    assert found[1] == "… 23 earlier events"


def test_a_history_that_is_printed_once_is_whole() -> None:
    found = lines(EXECUTION, ROWS, page=page(live=True), now=START, following=False)

    assert sum("WorkflowExecutionSignaled" in line for line in found) == 30


def test_what_follows_into_a_pipe_is_whole() -> None:
    found = lines(EXECUTION, ROWS, page=page(live=False), now=START, following=True)

    assert sum("WorkflowExecutionSignaled" in line for line in found) == 30

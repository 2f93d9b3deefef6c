"""Listing and counting executions, against a plain filter over the same rows."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from flowyd.engine import visibility
from flowyd.swf.faults import UnknownResourceFault, ValidationException
from tests.unit.engine_edge.engine_edge_registry import RegistryInMemory

EVER = {"oldestDate": 0}
STATUSES = ["COMPLETED", "FAILED", "CANCELED", "TERMINATED", "CONTINUED_AS_NEW", "TIMED_OUT"]


def rows() -> list[dict[str, Any]]:
    """Sixty executions, a third of them open, with every member that a filter asks about."""
    dice = random.Random(1)
    made = []
    for number in range(60):
        row: dict[str, Any] = {
            "workflow_id": f"w{dice.randrange(8) if number % 3 else number}",
            "run_id": f"r{number}",
            "type_name": dice.choice(["a", "b"]),
            "type_version": dice.choice(["1", "2"]),
            "started_at": 100.0 + number // 2,
        }
        if dice.random() < 0.5:
            row["tag_list"] = dice.sample(["x", "y", "z"], 2)
        if number % 3:
            row |= {"closed_at": 140.0 + dice.randrange(20), "close_status": dice.choice(STATUSES)}
        made.append(row)
    return made


ROWS = rows()


@pytest.fixture(scope="module")
def registry() -> RegistryInMemory:
    """The rows above in the domain `d`."""
    registry = RegistryInMemory()
    registry.register_domain()
    for row in ROWS:
        registry.add_execution(**{"workflow_id": "", "started_at": 0.0, **row})
    return registry


#: Filter → what it says about a row.
FILTERS: dict[str, tuple[dict[str, Any], Any]] = {
    "all": ({}, lambda _: True),
    "id": ({"executionFilter": {"workflowId": "w3"}}, lambda row: row["workflow_id"] == "w3"),
    "name": ({"typeFilter": {"name": "a"}}, lambda row: row["type_name"] == "a"),
    "type": (
        {"typeFilter": {"name": "a", "version": "2"}},
        lambda row: (row["type_name"], row["type_version"]) == ("a", "2"),
    ),
    "tag": ({"tagFilter": {"tag": "y"}}, lambda row: "y" in row.get("tag_list", [])),
    "unknown tag": ({"tagFilter": {"tag": ""}}, lambda _: False),
    "status": (
        {"closeStatusFilter": {"status": "TIMED_OUT"}},
        lambda row: row.get("close_status") == "TIMED_OUT",
    ),
}
TIMES = {
    "ever": EVER,
    "from": {"oldestDate": 110},
    "between": {"oldestDate": 105.0, "latestDate": 145},
    "never": {"oldestDate": 500},
}
CASES = [
    (status, about, filtered, time)
    for status, about, filtered, time in itertools.product(
        ("Open", "Closed"), ("startTimeFilter", "closeTimeFilter"), FILTERS, TIMES
    )
    if not (status == "Open" and (about == "closeTimeFilter" or filtered == "status"))
]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("status", "about", "filtered", "time"), CASES)
def test_every_filter_lists_and_counts_what_it_says(
    registry: RegistryInMemory, status: str, about: str, filtered: str, time: str, backwards: bool
) -> None:
    members, fits = FILTERS[filtered]
    bounds = TIMES[time]
    column = "started_at" if about == "startTimeFilter" else "closed_at"
    wanted = [
        (row[column], number)
        for number, row in enumerate(ROWS)
        if ("closed_at" in row) == (status == "Closed")
        and fits(row)
        and bounds["oldestDate"] <= row[column] <= bounds.get("latestDate", 1e9)
    ]
    query = {"domain": "d", about: bounds, **members}

    pages = registry.pages(
        f"List{status}WorkflowExecutions",
        "executionInfos",
        **query,
        maximumPageSize=4,
        reverseOrder=backwards,
    )
    count = registry.answer(f"Count{status}WorkflowExecutions", **query)

    listed = [info["execution"]["runId"] for page in pages for info in page]
    assert listed == [f"r{number}" for _, number in sorted(wanted, reverse=not backwards)]
    assert all(len(page) == 4 for page in pages[:-1])
    assert count == {"count": len(wanted), "truncated": False}


def test_an_open_execution_has_exactly_these_members(registry: RegistryInMemory) -> None:
    del registry
    fresh = RegistryInMemory()
    fresh.register_domain()
    fresh.add_execution("w", 100.0)

    answer = fresh.answer("ListOpenWorkflowExecutions", domain="d", startTimeFilter=EVER)

    assert answer == {
        "executionInfos": [
            {
                "cancelRequested": False,
                "execution": {"runId": "run of w", "workflowId": "w"},
                "executionStatus": "OPEN",
                "startTimestamp": 100.0,
                "workflowType": {"name": "type", "version": "1"},
            }
        ]
    }


def test_a_closed_execution_shows_how_and_when_and_no_cancel_request() -> None:
    registry = RegistryInMemory()
    registry.register_domain()
    registry.add_execution(
        "w", 100.0, closed_at=101.5, close_status="CANCELED", cancel_requested=1, tag_list=["", None]
    )

    answer = registry.answer("ListClosedWorkflowExecutions", domain="d", closeTimeFilter=EVER)

    info = answer["executionInfos"][0]
    assert (info["closeStatus"], info["closeTimestamp"]) == ("CANCELED", 101.5)
    assert info["cancelRequested"] is False
    assert info["tagList"] == ["", None]


def test_a_closing_execution_moves_under_its_tags() -> None:
    registry = RegistryInMemory()
    registry.register_domain()
    registry.add_execution("w", 100.0, tag_list=["x"])
    registry.connection.execute("UPDATE execution SET closed_at = 101.0, close_status = 'FAILED'")
    tagged = {"domain": "d", "startTimeFilter": EVER, "tagFilter": {"tag": "x"}}

    assert registry.answer("CountOpenWorkflowExecutions", **tagged)["count"] == 0
    assert registry.answer("CountClosedWorkflowExecutions", **tagged)["count"] == 1
    registry.connection.execute("DELETE FROM execution")
    assert registry.answer("CountClosedWorkflowExecutions", **tagged)["count"] == 0


def test_counting_stops_at_its_bound(registry: RegistryInMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visibility, "MOST_COUNTED", 10)

    answer = registry.answer("CountClosedWorkflowExecutions", domain="d", startTimeFilter=EVER)

    assert answer == {"count": 10, "truncated": True}


REFUSED = {
    "no time": ({}, "Must specify time filter"),
    "two times": ({"startTimeFilter": EVER, "closeTimeFilter": EVER}, "Cannot specify both"),
    "two filters": (
        {"startTimeFilter": EVER, "tagFilter": {"tag": "x"}, "executionFilter": {"workflowId": "w"}},
        "more than one exclusive filter",
    ),
}


@pytest.mark.parametrize("action", ["ListClosedWorkflowExecutions", "CountClosedWorkflowExecutions"])
@pytest.mark.parametrize(("members", "message"), REFUSED.values(), ids=REFUSED)
def test_filters_that_exclude_each_other_are_refused(
    registry: RegistryInMemory, action: str, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationException, match=message):
        registry.call(action, domain="d", **members)


def test_an_unknown_domain_is_refused(registry: RegistryInMemory) -> None:
    with pytest.raises(UnknownResourceFault, match="Unknown domain: x"):
        registry.call("CountOpenWorkflowExecutions", domain="x", startTimeFilter=EVER)


@pytest.mark.parametrize(("status", "about", "filtered"), sorted({case[:3] for case in CASES}))
def test_no_list_is_sorted_after_it_was_found(
    registry: RegistryInMemory, status: str, about: str, filtered: str
) -> None:
    statements: list[str] = []
    registry.connection.set_trace_callback(statements.append)
    registry.call(f"List{status}WorkflowExecutions", domain="d", **{about: EVER}, **FILTERS[filtered][0])
    registry.connection.set_trace_callback(None)

    plan = registry.connection.execute(f"EXPLAIN QUERY PLAN {statements[-1]}").fetchall()

    assert (status, filtered) == ("Open", "id") or not [step for step in plan if "TEMP B-TREE" in step[3]]

"""The filter of the executions list."""

from __future__ import annotations

import pytest

from flowyd.console.view_model.query import close_status, matches, parse
from tests.unit.console.console_script import START, execution

NOW = START + 7_200

OPEN = execution("order-1", tags=("nightly",))
FAILED = execution("order-2", status="FAILED", closed_at=START + 60.0, type_name="billing")
LATE = execution("other", started_at=NOW - 60, status="TIMED_OUT", closed_at=NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [OPEN, FAILED, LATE]),
        ("order", [OPEN, FAILED]),
        ("ORDER-2", [FAILED]),
        ("nightly", [OPEN]),
        ("billing 1", [FAILED]),
        ("type:image", [OPEN, LATE]),
        ("id:order type:billing", [FAILED]),
        ("tag:night", [OPEN]),
        ("status:open", [OPEN]),
        ("status:timed", [LATE]),
        ("status:failed order", [FAILED]),
        ("since:1h", [LATE]),
        ("before:1h", [OPEN, FAILED]),
        ("-order", [LATE]),
        ("-status:open", [FAILED, LATE]),
        ("status:", [OPEN, FAILED, LATE]),
        ("what:ever", []),
        ("since:soon", [OPEN, FAILED, LATE]),
    ],
)
def test_all_terms_of_a_filter_must_hold(text: str, expected: list[object]) -> None:
    asked = parse(text)

    found = [e for e in (OPEN, FAILED, LATE) if matches(asked, e, now=NOW)]

    assert {e.workflow_id for e in found} == {e.workflow_id for e in expected}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("status:failed", "FAILED"), ("status:timedout", "TIMED_OUT"), ("status:c", None), ("order", None)],
)
def test_the_service_is_asked_for_one_close_status_when_only_one_is_meant(
    text: str, expected: str | None
) -> None:
    assert close_status(parse(text)) == expected

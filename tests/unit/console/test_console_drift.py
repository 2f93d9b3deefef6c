"""A type whose module names other defaults than are registered is called drift; the values are named."""

from __future__ import annotations

from flowyd.console.view_model import modules, types
from flowyd.console.view_model.cells import plain
from flowyd.control.drift import Drift, drifts_in, sentence
from flowyd.control.status import DaemonStatus
from tests.unit.console.console_script import START, daemon, pool, worker

LONGER = Drift(
    type="resize 1",
    differences=(
        "heartbeat is not set there and 30 in the module",
        "start_to_close is 300 there and 60 in the module",
    ),
)
TRACEBACK = "Traceback (most recent call last):\nSyntaxError: invalid syntax"
INFO = {
    "activityType": {"name": "resize", "version": "1"},
    "status": "REGISTERED",
    "description": "makes it small",
    "creationDate": START,
}


def status(reason: str, *served: str) -> DaemonStatus:
    return daemon(pool(worker(7), broken_modules={"a.py": reason}, served_types=served))


def drawn(row: types.TypeRow, title: str) -> str:
    column = next(c for c in types.type_columns(now=START) if c.title == title)
    return plain(column.draw(row, 80))


def drawn_module(row: modules.ModuleRow, title: str) -> str:
    column = next(c for c in modules.module_columns() if c.title == title)
    return plain(column.draw(row, 80))


def test_a_sentence_of_drift_is_read_as_it_was_written() -> None:
    other = Drift(type="crop 2", differences=("task_list is a there and b in the module",))

    assert drifts_in(f"{sentence(LONGER)}\n{sentence(other)}") == (LONGER, other)


def test_another_reason_holds_no_drift() -> None:
    assert drifts_in(TRACEBACK) == ()


def test_a_registered_type_shows_what_drifted() -> None:
    (row,) = types.type_rows("activity", [INFO], status(sentence(LONGER)))

    assert drawn(row, "Status") == "≠ drift"
    assert drawn(row, "Served by") == "no pool here"
    assert drawn(row, "Description") == "; ".join(LONGER.differences)
    assert all(difference in plain(types.drift_note(row)) for difference in LONGER.differences)
    assert types.type_found(row, "drift start_to_close")


def test_a_drifted_type_that_older_code_serves_is_shown_as_both() -> None:
    (row,) = types.type_rows("activity", [INFO], status(sentence(LONGER), "resize 1"))

    assert (drawn(row, "Status"), drawn(row, "Served by")) == ("≠ drift", "pixels")


def test_drift_of_an_activity_does_not_touch_the_workflow_type_of_that_name() -> None:
    info = {**INFO, "workflowType": INFO["activityType"]}

    (row,) = types.type_rows("workflow", [info], status(sentence(LONGER)))

    assert drawn(row, "Status") == "registered"
    assert types.drift_note(row) == ()


def test_a_module_that_drifted_is_told_from_one_that_is_broken() -> None:
    drifted, _ = modules.module_rows(status(sentence(LONGER), "crop 1"))
    broken, _ = modules.module_rows(status(TRACEBACK, "crop 1"))

    assert (drawn_module(drifted, "State"), drawn_module(broken, "State")) == ("≠ drift", "✘ quarantined")
    assert drawn_module(drifted, "Reason") == f"resize 1: {', '.join(LONGER.differences)}"
    assert modules.module_found(drifted, "drift")
    assert not modules.module_found(broken, "drift")


def test_drift_is_counted_apart_from_quarantine() -> None:
    found = modules.module_rows(
        daemon(pool(worker(7), broken_modules={"a.py": sentence(LONGER), "b.py": TRACEBACK}))
    )

    assert plain(modules.summary(found)) == "  1 type served  1 quarantined  1 drift"

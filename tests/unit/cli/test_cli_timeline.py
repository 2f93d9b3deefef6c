"""The timeline of one execution as lines and for machines."""

from __future__ import annotations

from flowyd.cli.output import Page
from flowyd.cli.timeline import view_of
from tests.unit.console.console_script import START, execution, history, scheduled

NOW = START + 10
EVENTS = history(
    (0.0, "ActivityTaskScheduled", scheduled("resize-0-0")),
    (5.0, "ActivityTaskStarted", {"scheduledEventId": 1, "identity": "w"}),
    (10.0, "ActivityTaskCompleted", {"scheduledEventId": 1, "result": "1"}),
    (0.0, "DecisionTaskScheduled", {"taskList": {"name": "d"}}),
    (0.0, "TimerStarted", {"timerId": "nap", "startToFireTimeout": "20"}),
)


def page(width: int | None) -> Page:
    return Page(width=width, height=24, colours=False, live=False)


def test_waiting_and_running_are_told_apart_and_fit_the_page() -> None:
    view = view_of(execution(), EVENTS, decisions=False, now=NOW)

    title, heading, activity, timer = view.lines(page(80))
    bar = activity.rpartition("10s")[2].strip()

    assert title.startswith("order-1  ▶ open")
    assert "0" in heading
    assert abs(bar.count("░") - bar.count("█")) <= 1
    assert set(bar) == {"░", "█"}
    assert "┄ nap" in timer
    assert max(map(len, (heading, activity, timer))) <= 80


def test_decisions_are_shown_on_request() -> None:
    assert "decision" in "".join(view_of(execution(), EVENTS, decisions=True, now=NOW).lines(page(100)))


def test_machines_get_how_long_each_waited_and_ran() -> None:
    spans = view_of(execution(), EVENTS, decisions=False, now=NOW).members()["spans"]

    assert [(s["kind"], s["waited_s"], s["worked_s"]) for s in spans] == [
        ("activity", 5.0, 5.0),
        ("timer", 10.0, None),
    ]


def test_an_execution_without_anything_says_so() -> None:
    assert (
        view_of(execution(), [], decisions=False, now=NOW).lines(page(80))[1] == "nothing was scheduled yet"
    )

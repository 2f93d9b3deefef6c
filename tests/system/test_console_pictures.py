"""Pinned pictures of the console's tables, as text: what stands where, what is cut, what is left out.

Where they should look otherwise, `FLOWYD_NEW_PICTURES=1 pytest` on this file writes them anew; look at the
difference before it is committed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult

import flowyd.console.app
from flowyd.console.view_model import timeline, waiting, workers
from flowyd.console.view_model.cells import Column
from flowyd.console.view_model.spans import spans
from flowyd.console.widgets.row_table import RowTable
from tests.unit.console.console_script import START, daemon, history, pool, scheduled, worker

PICTURES = Path(__file__).parent / "pictures"
NOW = START + 90
LONG_ID = "22xCJkqfwUyQN448PVz2jRwqftemYsDRWmogBk1Kep4OY-picture-1-0"

STATUS = daemon(
    pool(
        worker(
            1201,
            "running",
            task={"type_name": "resize", "workflow_id": LONG_ID, "activity_id": "resize-0-0"},
            heartbeat_age_s=2.0,
            tasks_done=1_204,
            tasks_failed=3,
            rss_bytes=48 << 20,
            started_at=START,
            restarts=1,
            last_death="killed by SIGKILL",
        ),
        worker(1202, "hung", task={"type_name": "resize", "workflow_id": "order-7", "activity_id": "a"}),
        worker(0, "back-off", retry_in_s=4.0, restarts=12, last_death="exit status 1"),
        broken_modules={"/srv/activities/captions.py": "ModuleNotFoundError: no captions"},
    ),
    pool(worker(1301), name="mail", task_list="mail", draining=True),
)

HISTORY = history(
    (0.0, "ActivityTaskScheduled", scheduled("resize-0-0")),
    (5.0, "ActivityTaskStarted", {"scheduledEventId": 1, "identity": "host:7:images"}),
    (30.0, "ActivityTaskFailed", {"scheduledEventId": 1, "startedEventId": 2, "reason": "no"}),
    (30.0, "TimerStarted", {"timerId": "resize-0-1-retry", "startToFireTimeout": "20"}),
    (50.0, "TimerFired", {"timerId": "resize-0-1-retry", "startedEventId": 4}),
    (50.0, "ActivityTaskScheduled", scheduled("resize-0-1")),
    (70.0, "ActivityTaskStarted", {"scheduledEventId": 6, "identity": "host:8:images"}),
    (80.0, "TimerStarted", {"timerId": "reminder", "startToFireTimeout": "3600"}),
)


class Stage(App[None]):
    """A table and nothing else, in the console's own styles."""

    CSS_PATH = Path(flowyd.console.app.__file__).parent / "console.tcss"

    def __init__(self, items: Sequence[Any], columns: Sequence[Column[Any]]) -> None:
        super().__init__()
        self._given = items, columns

    def compose(self) -> ComposeResult:
        yield RowTable[Any](id="table")

    def on_mount(self) -> None:
        self.query_one(RowTable).show(*self._given)


def the_workers() -> Stage:
    return Stage(workers.rows(STATUS), workers.columns(now=NOW))


def the_timeline() -> Stage:
    found = spans(HISTORY)
    axis = timeline.axis(found, started_at=START, closed_at=None, now=NOW)
    return Stage(found, timeline.columns(axis, now=NOW))


def the_waits() -> Stage:
    context = '{"waits_for": ["signal approved-0"], "more": 0, "at": "/f.py:3"}'
    found = waiting.waits(
        spans(HISTORY), workflow_id="w", run_id="run", status=STATUS, now=NOW, context=context
    )
    return Stage(found, waiting.columns(found))


def drawn(stage: Stage, width: int) -> str:
    """What the stage looks like on a screen of that width."""

    async def draw() -> str:
        async with stage.run_test(size=(width, 12)) as pilot:
            await pilot.pause()
            strips = stage.screen._compositor.render_strips()
            return "\n".join(strip.text.rstrip() for strip in strips).rstrip() + "\n"

    return asyncio.run(draw())


@pytest.mark.parametrize(
    ("name", "stage", "width"),
    [
        ("workers-80", the_workers, 80),
        ("workers-160", the_workers, 160),
        ("timeline-80", the_timeline, 80),
        ("waits-120", the_waits, 120),
    ],
)
def test_a_table_looks_as_it_did(name: str, stage: Callable[[], Stage], width: int) -> None:
    found = drawn(stage(), width)
    pinned = PICTURES / f"{name}.txt"
    if os.environ.get("FLOWYD_NEW_PICTURES"):
        pinned.write_text(found)

    assert found == pinned.read_text()


def test_the_row_under_the_cursor_has_one_ground_in_sixteen_colours() -> None:
    """It is reversed there, so a colour of its text would be its ground."""

    async def colours() -> set[object]:
        stage = the_workers()
        async with stage.run_test(size=(160, 12)) as pilot:
            stage.theme = "ansi-dark"
            await pilot.pause()
            table = stage.query_one(RowTable)
            table.focus()
            await pilot.pause()
            styles = [segment.style for segment in table.render_line(1) if segment.style is not None]
            assert all(style.reverse for style in styles)
            return {style.color for style in styles}

    assert len(asyncio.run(colours())) == 1

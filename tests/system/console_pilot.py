"""Drives the console as a reader would, against a real engine or daemon: keys in, text out."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual import events
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from flowyd.console.app import Console
from flowyd.console.backend import Target
from flowyd.console.memory import Memory
from flowyd.console.widgets.row_table import RowTable
from flowyd.swf.lean import LeanClient
from tests.system.running_daemon import DOMAIN, RunningDaemon

Script = Callable[[Pilot[None]], Awaitable[None]]

SIZE = (80, 24)

#: A module with the workflow type of every `Bench`.
SOURCE = '''
from flowyd import Workflow, workflow

@workflow("small", 1, "decisions")
class Small(Workflow):
    def run(self, url: str, size: int = 256):
        """Makes a picture small."""
'''


class Bench:
    """A fresh domain on an engine, with one workflow type, and a console on it."""

    def __init__(self, endpoint: str, *, directories: tuple[Path, ...] = (), read_only: bool = False) -> None:
        self.domain = f"console-{uuid.uuid4()}"
        self.client = LeanClient(endpoint)
        self.memory = Memory(None)
        self.target = Target(
            domain=self.domain,
            backend="embedded",
            connect=lambda: LeanClient(endpoint),
            workflow_directories=directories,
            read_only=read_only,
        )
        self.call("RegisterDomain", name=self.domain, workflowExecutionRetentionPeriodInDays="1")
        self.call(
            "RegisterWorkflowType",
            domain=self.domain,
            name="small",
            version="1",
            defaultTaskList={"name": "decisions"},
            defaultChildPolicy="TERMINATE",
            defaultTaskStartToCloseTimeout="60",
            defaultExecutionStartToCloseTimeout="600",
        )
        self.call(
            "RegisterActivityType",
            domain=self.domain,
            name="resize",
            version="1",
            defaultTaskList={"name": "images"},
            defaultTaskScheduleToStartTimeout="60",
            defaultTaskScheduleToCloseTimeout="NONE",
            defaultTaskStartToCloseTimeout="60",
            defaultTaskHeartbeatTimeout="NONE",
        )

    def call(self, action: str, **request: Any) -> dict[str, Any]:
        return self.client.call(action, request)

    def start(self, workflow_id: str, **members: Any) -> str:
        """Starts an execution; its run id."""
        kind = {"name": "small", "version": "1"}
        return str(
            self.call(
                "StartWorkflowExecution",
                domain=self.domain,
                workflowId=workflow_id,
                workflowType=kind,
                **members,
            )["runId"]
        )

    def decide(self, *decisions: dict[str, Any]) -> None:
        """Answers the next decision task."""
        task = self.call("PollForDecisionTask", domain=self.domain, taskList={"name": "decisions"})
        self.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=list(decisions))

    def open_ids(self) -> set[str]:
        """Workflow ids of what is open."""
        infos = self.call("ListOpenWorkflowExecutions", domain=self.domain, startTimeFilter={"oldestDate": 0})
        return {info["execution"]["workflowId"] for info in infos["executionInfos"]}

    def events(self, workflow_id: str, run_id: str) -> list[dict[str, Any]]:
        """The history of an execution."""
        execution = {"workflowId": workflow_id, "runId": run_id}
        found: list[dict[str, Any]] = self.call(
            "GetWorkflowExecutionHistory", domain=self.domain, execution=execution
        )["events"]
        return found

    def run(self, script: Script, *, size: tuple[int, int] = SIZE) -> None:
        """Runs the console and the script that presses its keys."""
        run_console(Console(self.target, memory=self.memory, theme="flowyd-dark"), script, size=size)


def schedule(activity_id: str) -> dict[str, Any]:
    """The decision that schedules a resize."""
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityId": activity_id,
            "activityType": {"name": "resize", "version": "1"},
        },
    }


def daemon_target(daemon: RunningDaemon) -> Target:
    """A console's target on a daemon."""
    return Target(
        domain=DOMAIN,
        backend="embedded",
        connect=daemon.client,
        control_socket=daemon.runtime / "control.sock",
        workflow_directories=(daemon.folder / "workflows",),
        command_options=("--config", str(daemon.config)),
    )


def run_console(console: Console, script: Script, *, size: tuple[int, int] = SIZE) -> None:
    """Runs a console without a terminal, and the script that presses its keys."""

    async def whole() -> None:
        async with console.run_test(size=size, notifications=True) as pilot:
            await script(pilot)

    asyncio.run(whole())


async def until(pilot: Pilot[None], look: Callable[[], object], *, within_s: float = 20.0) -> None:
    """Waits until `look` is true; fails with what the screen shows."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            if look():
                return
        except LookupError:
            # The screen that is looked for is not there yet.
            pass
        assert time.monotonic() < deadline, f"not within {within_s} s; the screen shows:\n{screen(pilot)}"
        await pilot.pause(0.02)


async def shown(pilot: Pilot[None], *texts: str) -> str:
    """Waits until all these texts are on the screen; the whole of it."""
    await until(pilot, lambda: all(text in screen(pilot) for text in texts))
    return screen(pilot)


async def opened(pilot: Pilot[None], kind: type[Screen[Any]]) -> None:
    """Waits until a screen of that kind takes keys and shows its text.

    A screen is on top before it is mounted: until then it has no text, no fields, and nobody hears a key.
    """

    def stands() -> bool:
        top = pilot.app.screen
        if not (isinstance(top, kind) and all(widget.is_mounted for widget in (top, *top.walk_children()))):
            return False
        taken = top.focused is not None and top.focused.has_focus and bool(top.focused.size.area)
        return taken and bool(screen(pilot).strip())

    await until(pilot, stands)


async def gone(pilot: Pilot[None], text: str) -> None:
    """Waits until the text is not on the screen, which shows others."""
    await until(pilot, lambda: screen(pilot).strip() and text not in screen(pilot))


def screen(pilot: Pilot[None]) -> str:
    """The text on the screen."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def table(pilot: Pilot[None], name: str) -> RowTable[Any]:
    """A table of the screen that is shown; LookupError while there is none."""
    found = pilot.app.screen.query(f"#{name}")
    if not found:
        raise LookupError(name)
    return found.first(RowTable)


def ids(pilot: Pilot[None]) -> list[str]:
    """The workflow ids listed, in order."""
    return [item.workflow_id for item in table(pilot, "executions").items]


def field(pilot: Pilot[None], name: str) -> Input:
    """A field of the dialog that is shown; LookupError while there is none."""
    found = pilot.app.screen.query(f"#{name}")
    if not found:
        raise LookupError(name)
    return found.first(Input)


#: Textual's names of keys that are no letters.
NAMES = {" ": "space", ":": "colon", "/": "slash", "-": "minus", ".": "full_stop", '"': "quotation_mark"}


async def type_text(pilot: Pilot[None], text: str) -> None:
    """Types a text key by key."""
    await pilot.press(*(NAMES.get(character, character) for character in text))


def type_ahead(pilot: Pilot[None], *texts: str) -> None:
    """Types in one go, without a look at the screen: texts, and keys by name in angle brackets."""
    for text in texts:
        named = text[1:-1] if text.startswith("<") else ""
        for key in [named] if named else text:
            pilot.app.post_message(events.Key(NAMES.get(key, key), None if named else key))


async def confirm(pilot: Pilot[None]) -> None:
    """Presses the button of the dialog that is shown."""
    button = pilot.app.screen.query_one("#go")
    button.focus()
    # A button that was just pressed still shows it, and takes no further press meanwhile.
    await until(pilot, lambda: pilot.app.screen.focused is button and not button.has_class("-active"))
    await pilot.press("enter")

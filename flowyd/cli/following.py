"""Following one execution to its end: a live board on a terminal, plain lines elsewhere.

SWF has no call that waits for events, so what is shown is looked at again and again: often while things
happen, less often while nothing does. Only new events are fetched. Where the service tells of the end
(`flowyd.swf.closing`), that is shown at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

from flowyd.cli import answers, exits
from flowyd.cli.answers import Event, Execution
from flowyd.cli.output import Page, page_of, print_json, safe
from flowyd.cli.progress_view import board, moment_line
from flowyd.cli.reaching import Service
from flowyd.cli.show_view import failure_lines, payload
from flowyd.console.view_model import wording
from flowyd.console.view_model.spans import Span, attributes, spans
from flowyd.errors import UnreachableError
from flowyd.swf.closing import CloseWait

_Answer = TypeVar("_Answer")

#: Pause between two looks while events come, and the longest one: near, and at Amazon, which throttles.
_PAUSES_S = {False: (0.1, 1.0), True: (1.0, 5.0)}
#: How long a service that went away is waited for.
PATIENCE_S = 60.0
#: Events that end an execution, with the word for it.
ENDINGS = {
    "WorkflowExecutionCompleted": "completed",
    "WorkflowExecutionFailed": "failed",
    "WorkflowExecutionTimedOut": "timed out",
    "WorkflowExecutionCanceled": "canceled",
    "WorkflowExecutionTerminated": "terminated",
    "WorkflowExecutionContinuedAsNew": "continued as new",
}


def follow(reached: Service, execution: Execution, *, as_json: bool) -> int:
    """Follows until the execution and those that continue it have ended: 0 only if the last completed.

    With `as_json` nothing is shown while it goes on, and one object at the end.
    """
    page = page_of()
    display = _Board(page) if page.live else _Lines()
    while True:
        close = CloseWait(reached.client, domain=reached.domain, execution=execution)
        try:
            with closing(close):
                if as_json:
                    events = _quietly(reached, execution, close)
                else:
                    events = _shown(reached, execution, close, display)
        except KeyboardInterrupt:
            print(f"\nit goes on without you; see: flowyd show {execution['workflowId']}", file=sys.stderr)
            raise
        last = events[-1]
        if last["eventType"] != "WorkflowExecutionContinuedAsNew":
            break
        execution = {**execution, "runId": attributes(last)["newExecutionRunId"]}
    if as_json:
        print_json(ending(execution, last))
    else:
        print("\n".join(ending_lines(last, events[0])))
    return exits.DONE if last["eventType"] == "WorkflowExecutionCompleted" else exits.FAILED


def ending(execution: Execution, last: Event) -> dict[str, Any]:
    """How it ended, for machines: ids, status and what the closing event says."""
    members = {name: value for name, value in attributes(last).items() if not name.endswith("EventId")}
    return {**execution, "status": ENDINGS[last["eventType"]].replace(" ", "_").upper(), **members}


def ending_lines(last: Event, first: Event) -> list[str]:
    """How it ended, for people."""
    members = attributes(last)
    took = wording.duration(float(last["eventTimestamp"]) - float(first["eventTimestamp"]))
    lines = [f"{ENDINGS[last['eventType']]} after {took}"]
    if "result" in members:
        top, *rest = payload(members["result"])
        return [*lines, f"result   {top}", *(f"         {line}" for line in rest)]
    reason = next((members[name] for name in ("reason", "cause", "timeoutType") if members.get(name)), "")
    return [*lines, *(f"  {line}" for line in failure_lines(reason, members.get("details") or ""))]


def _quietly(reached: Service, execution: Execution, close: CloseWait) -> list[Event]:
    """The whole history, once it is closed."""
    pause_s, longest_s = _PAUSES_S[reached.remote]
    while _patiently(reached, partial(close.wait, pause_s)) is None:
        pause_s = min(pause_s * 1.5, longest_s)
    return _patiently(reached, partial(answers.history, reached, execution))


def _shown(reached: Service, execution: Execution, close: CloseWait, display: _Board | _Lines) -> list[Event]:
    """The whole history, once it is closed, and until then what is new in it."""
    shortest_s, longest_s = _PAUSES_S[reached.remote]
    display.begin(execution)
    events, pause_s = _patiently(reached, partial(answers.history, reached, execution)), shortest_s
    while True:
        closed = bool(events) and events[-1]["eventType"] in ENDINGS
        display.show(spans(events))
        if closed:
            display.end()
            return events
        close.pause(pause_s)
        known = len(events)
        events = _patiently(reached, partial(answers.history, reached, execution, events))
        pause_s = shortest_s if len(events) > known else min(pause_s * 1.5, longest_s)


def _patiently(reached: Service, ask: Callable[[], _Answer]) -> _Answer:
    """The answer, also when the service is restarted meanwhile: the execution outlives it, so do we."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except UnreachableError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(_PAUSES_S[reached.remote][1])


class _Lines:
    """A line for each change, for pipes and logs."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def begin(self, execution: Execution) -> None:
        print(f"workflow id  {safe(execution['workflowId'])}\nrun id       {execution['runId']}", flush=True)

    def show(self, found: tuple[Span, ...]) -> None:
        now = time.time()
        for span in found:
            if span.kind.value in ("decision", "signal", "cancel", "marker"):
                continue
            change = f"{span.event_id} {span.started_at} {span.outcome}"
            if change not in self._said:
                self._said.add(change)
                print(moment_line(span, now=now), flush=True)

    def end(self) -> None:
        pass


class _Board:
    """A board that is written over in place (cursor up and erase, ECMA-48)."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._title = ""
        self._written = 0

    def begin(self, execution: Execution) -> None:
        self._title = f"{safe(execution['workflowId'])}  run {execution['runId']}"
        self._written = 0

    def show(self, found: tuple[Span, ...]) -> None:
        self._page = page_of()
        lines = board(found, now=time.time(), page=self._page, title=self._title)
        up = f"\x1b[{self._written}A" if self._written else ""
        sys.stdout.write(up + "".join(f"\x1b[2K{line}\n" for line in lines) + "\x1b[J")
        sys.stdout.flush()
        self._written = len(lines)

    def end(self) -> None:
        self._written = 0

"""What one execution is, in a few lines above its timeline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Part, Tone, cut, one_line
from flowyd.console.view_model.executions import Execution, ran_s, status_cell
from flowyd.console.view_model.history import flat
from flowyd.console.view_model.spans import Event, Span, attributes

#: Names of SWF's openCounts and how they are said.
_COUNTS = {
    "openActivityTasks": "activity",
    "openDecisionTasks": "decision",
    "openTimers": "timer",
    "openChildWorkflowExecutions": "child",
    "openLambdaFunctions": "lambda",
}
_PLURALS = {"activity": "activities", "child": "children"}


def lines(
    execution: Execution,
    description: Mapping[str, Any],
    events: Sequence[Event],
    *,
    source_line: str,
    now: float,
) -> tuple[Cell, ...]:
    """Status, type and times; input; result or failure, or what is open and where the code stands."""
    found = [_first(execution, now), _second(execution, description)]
    given = attributes(events[0]).get("input") if events else None
    if given:
        found.append((Part("input    ", Tone.DIM), Part(one_line(flat(given)))))
    ended = _end(events)
    if ended is not None:
        found.append(ended)
    elif description.get("openCounts"):
        found.append((Part("open     ", Tone.DIM), Part(open_text(description["openCounts"]))))
        at = stands_at(description)
        if at:
            found.append((Part("stands   ", Tone.DIM), Part(f"{at}  "), Part(source_line, Tone.STRONG)))
    return tuple(found)


def stands_at(description: Mapping[str, Any]) -> str:
    """File and line that flowyd's decider noted in the execution context; empty where it noted none."""
    try:
        context = json.loads(description.get("latestExecutionContext") or "")
    except ValueError:
        return ""
    at = context.get("at") if isinstance(context, dict) else None
    return at if isinstance(at, str) else ""


def _first(execution: Execution, now: float) -> Cell:
    start = wording.moment(execution.started_at, now=now)
    end = f" to {wording.moment(execution.closed_at, now=now)}" if execution.closed_at is not None else ""
    return (
        *status_cell(execution),
        Part(f"  {execution.type_name} {execution.type_version}", Tone.STRONG),
        Part(f"  {wording.duration(ran_s(execution, now))}"),
        Part(f"  {start}{end}", Tone.DIM),
        Part("".join(f"  #{tag}" for tag in execution.tags), Tone.WAITING),
    )


def _second(execution: Execution, description: Mapping[str, Any]) -> Cell:
    settings = description.get("executionConfiguration") or {}
    task_list = (settings.get("taskList") or {}).get("name", "")
    limit = settings.get("executionStartToCloseTimeout", "NONE")
    text = f"list {task_list}"
    if limit.isdigit():
        text += f", at most {wording.duration(float(limit))}"
    if execution.parent:
        text += f", child of {execution.parent[0]}"
    return (Part("run      ", Tone.DIM), Part(execution.run_id), Part(f"  {text}", Tone.DIM))


def _end(events: Sequence[Event]) -> Cell | None:
    """Result or failure in one line; None while open."""
    kind = events[-1]["eventType"] if events else ""
    if not kind.startswith("WorkflowExecution") or kind in _NOT_ENDS:
        return None
    members = attributes(events[-1])
    if kind == "WorkflowExecutionCompleted":
        return (Part("result   ", Tone.DIM), Part(one_line(flat(members.get("result") or "none")), Tone.GOOD))
    if kind == "WorkflowExecutionContinuedAsNew":
        return (Part("goes on  ", Tone.DIM), Part(members.get("newExecutionRunId", "")))
    said = (members.get(name) for name in ("reason", "cause", "timeoutType", "details"))
    text = next((str(part) for part in said if part), "no reason given")
    return (Part("reason   ", Tone.DIM), Part(one_line(text), Tone.BAD))


_NOT_ENDS = {"WorkflowExecutionStarted", "WorkflowExecutionSignaled", "WorkflowExecutionCancelRequested"}


def open_text(counts: Mapping[str, int]) -> str:
    """SWF's openCounts in words."""
    found = []
    for member, noun in _COUNTS.items():
        count = counts.get(member, 0)
        if count:
            found.append(f"{count} {_PLURALS.get(noun, noun + 's') if count > 1 else noun}")
    return ", ".join(found) or "nothing is scheduled"


def joined(cells: Sequence[Cell], width: int) -> Cell:
    """The lines below each other, each cut to the width."""
    found: list[Part] = []
    for place, parts in enumerate(cells):
        if place:
            found.append(Part("\n"))
        found += cut(parts, width - 2)
    return tuple(found)


def found(span: Span, words: Sequence[str]) -> bool:
    """Whether all words occur in what the span shows."""
    written = f"{span.kind.value} {span.type} {span.id} {span.outcome} {span.task_list} {span.text}".lower()
    return all(word in written for word in words)

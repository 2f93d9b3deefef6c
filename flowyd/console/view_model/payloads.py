"""Inputs, results and failures in full, for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Part, Tone
from flowyd.console.view_model.history import readable
from flowyd.console.view_model.spans import Event, Span, attributes


def parts(description: Mapping[str, Any], events: Sequence[Event]) -> Cell:
    """Input, then how it ended, then the last execution context."""
    found: list[Part] = []
    first = attributes(events[0]) if events else {}
    _add(found, "Input", first.get("input"))
    last = events[-1] if events else None
    if last is not None and last["eventType"] != "WorkflowExecutionStarted":
        members = attributes(last)
        for name, title in (
            ("result", "Result"),
            ("cause", "Cause"),
            ("reason", "Reason"),
            ("details", "Details"),
        ):
            if last["eventType"].startswith("WorkflowExecution") and name in members:
                _add(found, title, members[name])
    _add(found, "Execution context", description.get("latestExecutionContext"))
    return tuple(found) or (Part("no input, no result", Tone.DIM),)


def span_parts(span: Span) -> Cell:
    """All that is known of a span."""
    found: list[Part] = []
    facts = {
        "type": span.type,
        "id": span.id,
        "task list": span.task_list,
        "outcome": span.outcome or "open",
        "asked for": wording.full_moment(span.asked_at),
        "begun": wording.full_moment(span.started_at),
        "ended": wording.full_moment(span.ended_at),
        "waited": wording.duration(None if span.started_at is None else span.started_at - span.asked_at),
        "worker": span.identity,
        "event": str(span.event_id),
    }
    for name, value in facts.items():
        if value not in ("", "-"):
            found += [Part(f"{name:<10} ", Tone.DIM), Part(f"{value}\n")]
    if found:
        found.append(Part("\n"))
    _add(found, "Input", span.input)
    _add(found, "Result" if span.outcome == "completed" else "Text", span.text)
    return tuple(found)


def _add(found: list[Part], title: str, text: str | None) -> None:
    if text:
        found += [Part(f"{title}\n", Tone.STRONG), Part(f"{readable(text)}\n\n")]

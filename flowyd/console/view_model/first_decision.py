"""What a dry run found: the first decision that a workflow's code would make, as text.

`flowyd start --dry-run --json` writes the members read here: `type`, `outcome` ("suspended", "completed",
"failed", "canceled", "restarted" or "broken"), `decisions` (SWF's own), `problem` and `warnings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Part, Tone, one_line
from flowyd.console.view_model.history import readable

#: What each kind of decision does, and the members that tell it from others of its kind.
_VERBS = {
    "ScheduleActivityTask": ("schedules activity", "activityType", "activityId"),
    "StartChildWorkflowExecution": ("starts child", "workflowType", "workflowId"),
    "StartTimer": ("starts timer", "timerId", "startToFireTimeout"),
    "RecordMarker": ("records marker", "markerName", "details"),
    "SignalExternalWorkflowExecution": ("signals", "workflowId", "signalName"),
    "RequestCancelExternalWorkflowExecution": ("requests cancel of", "workflowId", "runId"),
    "CompleteWorkflowExecution": ("completes", "result", ""),
    "FailWorkflowExecution": ("fails", "reason", ""),
    "ContinueAsNewWorkflowExecution": ("goes on as a new run", "input", ""),
}
_TONES = {"completed": Tone.GOOD, "failed": Tone.BAD, "broken": Tone.BAD}
#: What stands above the decisions.
_HEADINGS = {
    "suspended": "would wait for {count}:",
    "completed": "would be completed by its first decision:",
    "failed": "would fail at once:",
    "canceled": "would be canceled at once:",
    "restarted": "would go on as a new run at once:",
    "broken": "could not decide: its executions would stand until the code is put right",
}
#: Longest input or result that is written out, characters.
_LONGEST = 400


def parts(found: Mapping[str, Any]) -> Cell:
    """The whole text: nothing of it has happened."""
    return tuple(_parts(found))


def _parts(found: Mapping[str, Any]) -> Iterator[Part]:
    outcome, decisions = found["outcome"], found["decisions"]
    count = wording.plural(len(decisions), "task") if decisions else "nothing that it started itself"
    heading = _HEADINGS[outcome].format(count=count)
    yield Part(f"{found['type']} ", Tone.STRONG)
    yield Part(f"{heading}\n", _TONES.get(outcome, Tone.PLAIN))
    for decision in decisions:
        yield from _decision(decision)
    if found.get("problem"):
        yield Part(f"\n{found['problem']}\n", Tone.BAD)
    for warning in found.get("warnings") or ():
        yield Part(f"\n▲ {warning}\n", Tone.WARN)


def _decision(decision: Mapping[str, Any]) -> Iterator[Part]:
    kind = decision["decisionType"]
    attributes = decision.get(f"{kind[0].lower()}{kind[1:]}DecisionAttributes") or {}
    verb, first, second = _VERBS.get(kind, (kind, "", ""))
    yield Part(f"\n{verb} ", Tone.BUSY)
    yield Part(_said(attributes, first), Tone.STRONG)
    if second:
        yield Part(f"  {_said(attributes, second)}{' s' if kind == 'StartTimer' else ''}", Tone.DIM)
    task_list = (attributes.get("taskList") or {}).get("name")
    if task_list:
        yield Part(f"  on list {task_list}", Tone.DIM)
    if "input" in attributes and first != "input":
        yield Part(f"\n    {_said(attributes, 'input')}")
    if kind == "FailWorkflowExecution" and attributes.get("details"):
        yield Part(f"\n{readable(attributes['details'])}", Tone.DIM)
    yield Part("\n")


def _said(attributes: Mapping[str, Any], member: str) -> str:
    value = attributes.get(member, "")
    if isinstance(value, Mapping):
        return f"{value.get('name')} {value.get('version')}"
    text = one_line(str(value))
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text

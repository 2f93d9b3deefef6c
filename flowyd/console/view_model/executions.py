"""Executions as listed by SWF: one frozen record each, what a table shows of it, and how it is matched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Column, Tone, by_number, by_text, cell, cut_inside

#: How each status is written: sign, word, tone. The sign says it without colours.
STATUSES = {
    "OPEN": ("▶", "open", Tone.BUSY),
    "COMPLETED": ("✔", "completed", Tone.GOOD),
    "FAILED": ("✘", "failed", Tone.BAD),
    "TIMED_OUT": ("◷", "timed out", Tone.BAD),
    "TERMINATED": ("■", "terminated", Tone.WARN),
    "CANCELED": ("⊘", "canceled", Tone.WARN),
    "CONTINUED_AS_NEW": ("↻", "continued", Tone.DIM),
}


@dataclass(frozen=True, slots=True)
class Execution:
    """One workflow execution as SWF's lists and descriptions give it."""

    workflow_id: str
    run_id: str
    type_name: str
    type_version: str
    #: OPEN, or SWF's close status.
    status: str
    started_at: float
    #: None while open.
    closed_at: float | None
    tags: tuple[str, ...]
    cancel_requested: bool
    #: Workflow id and run id of the parent; empty for a root.
    parent: tuple[str, str] | tuple[()]

    @property
    def key(self) -> str:
        """Unique in a domain and the same at each refresh."""
        return f"{self.run_id}/{self.workflow_id}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None and self.status == "OPEN"


def from_info(info: Mapping[str, Any]) -> Execution:
    """The record of SWF's WorkflowExecutionInfo."""
    kind = info["workflowType"]
    execution = info["execution"]
    parent = info.get("parent")
    return Execution(
        execution["workflowId"],
        execution["runId"],
        kind["name"],
        kind["version"],
        info.get("closeStatus") or "OPEN",
        float(info["startTimestamp"]),
        float(info["closeTimestamp"]) if info.get("closeTimestamp") is not None else None,
        tuple(info.get("tagList") or ()),
        bool(info.get("cancelRequested")),
        (parent["workflowId"], parent["runId"]) if parent else (),
    )


def status_cell(execution: Execution) -> Cell:
    """Sign and word; a requested cancel is said."""
    sign, word, tone = STATUSES.get(execution.status, ("?", execution.status.lower(), Tone.WARN))
    if execution.is_open and execution.cancel_requested:
        return cell("▷ canceling", Tone.WARN)
    return cell(f"{sign} {word}", tone)


def ran_s(execution: Execution, now: float) -> float:
    """How long it has been, or was, open, seconds."""
    return (execution.closed_at if execution.closed_at is not None else now) - execution.started_at


def columns(now: float) -> tuple[Column[Execution], ...]:
    """The columns of a list of executions at the moment `now`."""
    return (
        Column(
            title="Status",
            draw=lambda e, _w: status_cell(e),
            order=lambda e: by_text(e.status),
            width=12,
        ),
        Column(
            title="Type",
            draw=lambda e, _w: cell(f"{e.type_name} {e.type_version}"),
            order=lambda e: by_text(f"{e.type_name} {e.type_version}"),
            width=14,
            stretch=2,
        ),
        Column(
            title="Workflow id",
            draw=lambda e, w: cell(cut_inside(e.workflow_id, w), Tone.STRONG),
            order=lambda e: by_text(e.workflow_id),
            width=20,
            stretch=4,
        ),
        Column(
            title="Started",
            draw=lambda e, _w: cell(wording.moment(e.started_at, now=now), Tone.DIM),
            order=lambda e: by_number(-e.started_at),
            width=12,
        ),
        Column(
            title="For",
            draw=lambda e, _w: cell(wording.duration(ran_s(e, now))),
            order=lambda e: by_number(ran_s(e, now)),
            width=8,
            right=True,
        ),
        Column(
            title="Tags",
            draw=lambda e, _w: cell(" ".join(e.tags), Tone.DIM),
            order=lambda e: by_text(" ".join(e.tags)),
            width=10,
            stretch=1,
            spare=2,
        ),
        Column(
            title="Run id",
            draw=lambda e, _w: cell(e.run_id, Tone.DIM),
            order=lambda e: by_text(e.run_id),
            width=16,
            stretch=1,
            spare=3,
        ),
    )

"""What must happen outside an execution after a block: carried out by the service in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from flowyd.engine.rules.events import Attributes


class OfferTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A task may be handed out to pollers of the task list."""

    #: activity or decision.
    kind: str
    task_list: str
    priority: int
    scheduled_event_id: int


class WithdrawTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A task must no longer be handed out: it closed before it was started."""

    scheduled_event_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChild:
    """A child execution is to be started; the parent then learns of it, or of the failure."""

    parent: dict[str, Any]
    #: Attributes of StartChildWorkflowExecutionInitiated, with every value resolved.
    initiated: Attributes
    initiated_event_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartNextRun:
    """The run that a WorkflowExecutionContinuedAsNew announced is to be started."""

    workflow_id: str
    #: Attributes of WorkflowExecutionContinuedAsNew.
    continued: Attributes
    continued_run_id: str
    parent: dict[str, Any] | None
    parent_initiated_event_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportToParent:
    """The parent is to learn that its child closed."""

    parent: dict[str, Any]
    initiated_event_id: int
    child: dict[str, Any]
    workflow_type: dict[str, Any]
    #: The event that closed the child, and its attributes.
    event_type: str
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyChildPolicy:
    """The child policy is to be applied to children of an execution that was terminated or timed out."""

    parent: dict[str, Any]
    #: TERMINATE, REQUEST_CANCEL or ABANDON.
    policy: str
    #: (workflowId, initiatedEventId) of each open child.
    children: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalExternal:
    """A signal is to be delivered; the source then learns of it, or of the failure."""

    source: dict[str, Any]
    #: Attributes of SignalExternalWorkflowExecutionInitiated.
    initiated: Attributes
    initiated_event_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelExternal:
    """A cancel request is to be delivered; the source then learns of it, or of the failure."""

    source: dict[str, Any]
    #: Attributes of RequestCancelExternalWorkflowExecutionInitiated.
    initiated: Attributes
    initiated_event_id: int


TaskEffect = OfferTask | WithdrawTask
#: Between executions; the order in which a block made them is the order in which they are carried out.
AcrossEffect = StartChild | StartNextRun | ReportToParent | ApplyChildPolicy | SignalExternal | CancelExternal
Effect = TaskEffect | AcrossEffect

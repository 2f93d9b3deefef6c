"""A script for the rules: given what happened, when a decision list comes, then these events and effects."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from flowyd.engine.rules.block import Block
from flowyd.engine.rules.decisions import DECISION_MEMBER, complete_decision_task
from flowyd.engine.rules.effects import AcrossEffect, Effect, OfferTask, WithdrawTask
from flowyd.engine.rules.events import Draft, Event, attributes_of
from flowyd.engine.rules.outcome import Surroundings
from flowyd.engine.rules.settings import Quotas
from flowyd.engine.rules.state import ExecutionState

WORKFLOW = {"name": "flow", "version": "1"}
ACTIVITY = {"name": "act", "version": "1"}
START: Draft = (
    "WorkflowExecutionStarted",
    {
        "childPolicy": "TERMINATE",
        "executionStartToCloseTimeout": "1000",
        "parentInitiatedEventId": 0,
        "taskList": {"name": "own"},
        "taskStartToCloseTimeout": "30",
        "workflowType": WORKFLOW,
    },
)
WORKFLOW_DEFAULTS = {
    "defaultChildPolicy": "ABANDON",
    "defaultExecutionStartToCloseTimeout": "500",
    "defaultTaskList": {"name": "default"},
    "defaultTaskStartToCloseTimeout": "20",
}
ACTIVITY_DEFAULTS = {
    "defaultTaskHeartbeatTimeout": "NONE",
    "defaultTaskList": {"name": "default"},
    "defaultTaskScheduleToCloseTimeout": "60",
    "defaultTaskScheduleToStartTimeout": "0",
    "defaultTaskStartToCloseTimeout": "50",
}


@dataclass(frozen=True)
class KnownType:
    """A type as the rules see it."""

    configuration: dict[str, Any]
    status: str = "REGISTERED"


def decision(decision_type: str, **attributes: Any) -> dict[str, Any]:
    """A decision in wire form."""
    return {"decisionType": decision_type, DECISION_MEMBER[decision_type]: attributes}


@dataclass
class Script:
    """One execution under the rules alone; time moves when it is told to."""

    now: float = 1000.0
    quotas: Quotas = field(default_factory=Quotas)
    workflow_types: dict[str, KnownType] = field(
        default_factory=lambda: {"flow": KnownType(WORKFLOW_DEFAULTS)}
    )
    activity_types: dict[str, KnownType] = field(
        default_factory=lambda: {"act": KnownType(ACTIVITY_DEFAULTS)}
    )
    open_executions: int = 1
    events: list[Event] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    state: ExecutionState = field(default_factory=lambda: ExecutionState("w", "run"))

    def happens(self, *drafts: Draft) -> Script:
        """One block with these events, and what follows from them."""
        block = Block(self.state, now=self.now, quotas=self.quotas)
        for draft in drafts:
            block.add(draft)
        self._take(block.finish())
        return self

    def starts(self, **changes: Any) -> Script:
        """The execution starts, with other attributes if given."""
        return self.happens((START[0], START[1] | changes))

    def polled(self) -> Script:
        """The scheduled decision task is handed out."""
        assert self.state.scheduled_decision is not None
        scheduled = self.state.scheduled_decision.scheduled_event_id
        return self.happens(("DecisionTaskStarted", {"scheduledEventId": scheduled}))

    def decides(self, *decisions: dict[str, Any], **request: Any) -> list[tuple[str, dict[str, Any]]]:
        """The decider answers; the events after DecisionTaskCompleted."""
        if self.state.started_decision is None:
            self.polled()
        before = len(self.events)
        block = Block(self.state, now=self.now, quotas=self.quotas)
        complete_decision_task(block, {"decisions": list(decisions), **request}, self.surroundings())
        self._take(block.finish())
        return [(event["eventType"], attributes_of(event)) for event in self.events[before + 1 :]]

    def surroundings(self) -> Surroundings:
        """The domain around the execution."""
        return Surroundings(
            quotas=self.quotas,
            activity_type=lambda named: self.activity_types.get(named["name"]),
            workflow_type=lambda named: self.workflow_types.get(named["name"]),
            open_executions=lambda: self.open_executions,
            new_run_id=lambda: "next-run",
        )

    def limited(self, **quotas: int) -> Script:
        """The same script under other quotas."""
        self.quotas = replace(self.quotas, **quotas)
        return self

    @property
    def types(self) -> list[str]:
        """The whole history's event types."""
        return [event["eventType"] for event in self.events]

    @property
    def across(self) -> list[AcrossEffect]:
        """Effects between executions so far."""
        return [effect for effect in self.effects if not isinstance(effect, (OfferTask, WithdrawTask))]

    def _take(self, block: Block) -> None:
        self.events += block.events
        self.effects += block.effects

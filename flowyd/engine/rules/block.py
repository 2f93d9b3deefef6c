"""A block: the events that one transaction adds to one execution.

All events of a block have one timestamp. The block folds each event as it comes, so that a later decision of
a list sees what an earlier one did. `finish` applies the two rules that end every block:

1. An event that needs the decider is followed by DecisionTaskScheduled, unless one is scheduled and not
   started; after several of them one follows, behind the whole block. A started decision task delays
   nothing (recorded: the new one stands before the completion of the running one). A completed activity
   counts only where the decider has not said that it need not know yet (`decide_after`).
2. A history that has reached its limit terminates the execution (seen at the service: cause
   EVENT_LIMIT_EXCEEDED, some events late).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowyd.engine.rules import tasks
from flowyd.engine.rules.deadlines import created_by
from flowyd.engine.rules.effects import ApplyChildPolicy, Effect, ReportToParent
from flowyd.engine.rules.events import ATTRIBUTES_MEMBER, CLOSE_STATUS, TRIGGERS, Attributes, Draft, Event
from flowyd.engine.rules.evolve import evolve, note_decide_after
from flowyd.engine.rules.settings import Quotas
from flowyd.engine.rules.state import ExecutionState


class Block:
    """Adds events to one execution; used for one request, timeout or delivery, then finished."""

    __slots__ = ("_needs_decider", "_quotas", "at", "deadline_at", "effects", "events", "state")

    def __init__(self, state: ExecutionState, *, now: float, quotas: Quotas) -> None:
        self.state = state
        #: Timestamps never go back within a history, whatever the clock does between two runs of the engine.
        self.at = now if now > state.last_event_at else state.last_event_at
        self.events: list[Event] = []
        self.effects: list[Effect] = []
        #: The earliest of the deadlines that came up in this block; some may be gone by its end.
        self.deadline_at: float | None = None
        self._quotas = quotas
        self._needs_decider = False

    def add(self, draft: Draft) -> int:
        """Makes the draft the next event and folds it; the id it got."""
        state = self.state
        event_type, attributes = draft
        event_id = state.next_event_id
        event: Event = {
            "eventId": event_id,
            "eventTimestamp": self.at,
            "eventType": event_type,
            ATTRIBUTES_MEMBER[event_type]: attributes,
        }
        evolve(state, event)
        self.events.append(event)
        if event_type in TRIGGERS and not self._may_wait(event_type, attributes):
            self._needs_decider = True
        deadline_at = created_by(state, event)
        if deadline_at is not None and (self.deadline_at is None or deadline_at < self.deadline_at):
            self.deadline_at = deadline_at
        follow = tasks.EFFECTS.get(event_type)
        if follow is not None:
            self.effects += follow(state, event)
        if event_type in CLOSE_STATUS:
            self._closed(event_type, attributes)
        return event_id

    def _may_wait(self, event_type: str, attributes: Attributes) -> bool:
        """Whether the decider has said that it need not know of this event by itself.

        What completes while a decision is being made is judged by what that decision says.
        """
        state = self.state
        said = state.decide_after
        if said is None or event_type != "ActivityTaskCompleted":
            return False
        said.complete(attributes["scheduledEventId"])
        return state.started_decision is not None or not said.needs_decider(state.activities.values())

    def decide_after(self, said: Mapping[str, Any] | None) -> None:
        """Takes in what a decision said of completions, those since it was begun included."""
        state = self.state
        note_decide_after(state, said)
        if state.completed_meanwhile and (
            state.decide_after is None or state.decide_after.needs_decider(state.activities.values())
        ):
            self._needs_decider = True

    def finish(self) -> Block:
        """Applies the rules that end a block; the block itself, complete."""
        state = self.state
        if not state.is_open:
            return self
        if self._needs_decider and state.scheduled_decision is None:
            self.add(("DecisionTaskScheduled", decision_task(state)))
        if state.next_event_id > self._quotas.history_events:
            self.add(terminated(state, cause="EVENT_LIMIT_EXCEEDED"))
        return self

    def _closed(self, event_type: str, attributes: Attributes) -> None:
        state = self.state
        if state.children and event_type in ("WorkflowExecutionTerminated", "WorkflowExecutionTimedOut"):
            children = tuple(
                (child.workflow_id, child.initiated_event_id) for child in state.children.values()
            )
            self.effects.append(
                ApplyChildPolicy(parent=state.execution, policy=attributes["childPolicy"], children=children)
            )
        if state.parent is not None and event_type != "WorkflowExecutionContinuedAsNew":
            self.effects.append(
                ReportToParent(
                    parent=state.parent,
                    initiated_event_id=state.parent_initiated_event_id,
                    child=state.execution,
                    workflow_type=state.workflow_type,
                    event_type=event_type,
                    attributes=attributes,
                )
            )


def decision_task(state: ExecutionState) -> Attributes:
    """Attributes of the next DecisionTaskScheduled: the override's task list, or the execution's own."""
    attributes: Attributes = {
        "scheduleToStartTimeout": "NONE",
        "startToCloseTimeout": state.task_start_to_close,
        "taskList": {"name": state.override_list or state.task_list},
    }
    if state.override_list is not None and state.override_trial is not None:
        attributes["scheduleToStartTimeout"] = state.override_trial
    if state.task_priority is not None:
        attributes["taskPriority"] = state.task_priority
    return attributes


def terminated(state: ExecutionState, *, cause: str, policy: str | None = None) -> Draft:
    """WorkflowExecutionTerminated; the policy is the execution's own unless another one is given."""
    return ("WorkflowExecutionTerminated", {"cause": cause, "childPolicy": policy or state.child_policy})

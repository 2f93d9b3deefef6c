"""What the rules know of one execution: the fold of its history.

`ExecutionState` is changed by `evolve` alone. The records inside are its parts; what was only told to a
worker (inputs of activities, results) stays in the history and is not kept here.
Closing leaves open items where they are: the service goes on counting them in a description.
"""

from __future__ import annotations

from typing import Any

import msgspec

from flowyd.engine.rules.decide_after import DecideAfter


class OpenDecisionTask(msgspec.Struct, kw_only=True, gc=False):
    """A decision task that has not closed."""

    scheduled_event_id: int
    task_list: str
    #: Seconds from start to completion; None for no limit.
    start_to_close_s: int | None
    #: Seconds it may wait on a task list on trial; None for no limit.
    schedule_to_start_s: int | None
    #: When it could first be handed out: scheduled, and no other one started.
    offered_at: float
    #: 0 while it is only scheduled.
    started_event_id: int = 0
    started_at: float = 0.0


class OpenActivityTask(msgspec.Struct, kw_only=True, gc=False):
    """An activity task that has not closed."""

    activity_id: str
    scheduled_event_id: int
    scheduled_at: float
    schedule_to_start_s: int | None
    schedule_to_close_s: int | None
    start_to_close_s: int | None
    heartbeat_s: int | None
    task_list: str
    priority: int
    #: 0 while it is only scheduled.
    started_event_id: int = 0
    #: When its clocks began: the start, or another hand-out (`evolve.note_handed_out_again`).
    began_at: float = 0.0
    #: Last heartbeat, or when its clocks began; heartbeats are not in the history (`evolve.note_heartbeat`).
    heartbeat_at: float = 0.0
    #: Started, but nobody has it: its clocks stand (`evolve.note_offered_again`).
    on_offer_again: bool = False
    #: Details of the last heartbeat that gave some.
    details: str | None = None
    #: The last ActivityTaskCancelRequested; 0 if there was none.
    cancel_requested_event_id: int = 0


class OpenTimer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A timer that has neither fired nor been canceled."""

    timer_id: str
    started_event_id: int
    fires_at: float


class OpenChild(msgspec.Struct, kw_only=True):
    """A child execution that was asked for and has not closed."""

    initiated_event_id: int
    workflow_id: str
    workflow_type: dict[str, Any]
    #: ChildWorkflowExecutionStarted; 0 before.
    started_event_id: int = 0


class OpenLambda(msgspec.Struct, kw_only=True, gc=False):
    """A Lambda function that was scheduled and has not closed."""

    scheduled_event_id: int
    start_to_close_s: int | None
    started_event_id: int = 0
    started_at: float = 0.0


class ExecutionState(msgspec.Struct):
    """One run of a workflow, as its events made it; owned by `evolve`."""

    workflow_id: str
    run_id: str

    #: From WorkflowExecutionStarted: resolved values.
    workflow_type: dict[str, Any] = {}
    child_policy: str = ""
    execution_start_to_close: str = ""
    task_start_to_close: str = ""
    task_list: str = ""
    task_priority: str | None = None
    lambda_role: str | None = None
    tag_list: list[str] | None = None
    #: {workflowId, runId}, None for roots.
    parent: dict[str, Any] | None = None
    parent_initiated_event_id: int = 0
    continued_run_id: str | None = None

    started_at: float = 0.0
    #: None while open.
    closed_at: float | None = None
    close_status: str | None = None
    cancel_requested: bool = False

    next_event_id: int = 1
    last_event_at: float = 0.0

    #: At most one scheduled and not started, at most one started; both may be there.
    scheduled_decision: OpenDecisionTask | None = None
    started_decision: OpenDecisionTask | None = None
    #: DecisionTaskStarted of the last completed decision task.
    previous_started_event_id: int = 0
    #: Task list given in RespondDecisionTaskCompleted, and its trial (wire duration; None: permanent).
    override_list: str | None = None
    override_trial: str | None = None

    #: By scheduledEventId, and scheduledEventId by activityId.
    activities: dict[int, OpenActivityTask] = {}
    activity_ids: dict[str, int] = {}
    #: By timerId.
    timers: dict[str, OpenTimer] = {}
    #: By initiatedEventId.
    children: dict[int, OpenChild] = {}
    #: By scheduledEventId.
    lambdas: dict[int, OpenLambda] = {}

    #: Time of the last start or close of an activity task.
    latest_activity_at: float | None = None
    #: Last executionContext given; None if never.
    latest_context: str | None = None
    #: Ids of the activities that completed since the started decision task was started.
    completed_meanwhile: list[str] = []
    #: Which completions need the decider; None: all of them. Not in the history (`evolve.note_decide_after`).
    decide_after: DecideAfter | None = None

    @property
    def is_open(self) -> bool:
        """True until an event closes the run."""
        return self.closed_at is None

    @property
    def execution(self) -> dict[str, Any]:
        """WorkflowExecution in wire form."""
        return {"workflowId": self.workflow_id, "runId": self.run_id}

    @property
    def priority(self) -> int:
        """Priority of its decision tasks."""
        return int(self.task_priority) if self.task_priority else 0

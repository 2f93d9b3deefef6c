"""Carrying out effects between executions: the other execution is found, and each side gets its events.

Everything happens in the transaction that caused it; the service's delays of some 10 ms between the sides
are not imitated, their order is: the child's first event before the parent's, a signal in its target before
its source learns of it (recorded).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowyd.engine.executions import Executions, Hot
from flowyd.engine.recording import Recorder
from flowyd.engine.rules import across
from flowyd.engine.rules.effects import (
    ApplyChildPolicy,
    CancelExternal,
    ReportToParent,
    SignalExternal,
    StartChild,
    StartNextRun,
)
from flowyd.engine.rules.events import Draft


class Errands:
    """Carries out what executions have asked of one another."""

    def __init__(self, *, executions: Executions, recorder: Recorder) -> None:
        self._executions = executions
        self._recorder = recorder
        self._carry_out: dict[type, Callable[[int, Any], None]] = {
            StartChild: self._start_child,
            StartNextRun: self._start_next_run,
            ReportToParent: self._report_to_parent,
            ApplyChildPolicy: self._apply_child_policy,
            SignalExternal: self._deliver,
            CancelExternal: self._deliver,
        }

    def run(self) -> None:
        """Carries out all that waits, and what comes of it, in the order in which it came up."""
        waiting = self._recorder.errands
        while waiting:
            domain_id, effect = waiting.popleft()
            self._carry_out[type(effect)](domain_id, effect)

    def _start_child(self, domain_id: int, effect: StartChild) -> None:
        workflow_id = effect.initiated["workflowId"]
        taken = self._open(domain_id, {"workflowId": workflow_id}) is not None
        if taken:
            draft = across.parent_learns_of_failed_start(effect, cause="WORKFLOW_ALREADY_RUNNING")
        else:
            run_id = self._recorder.new_run_id()
            self._recorder.start(
                domain_id, workflow_id=workflow_id, run_id=run_id, first=across.child_started(effect)
            )
            draft = across.parent_learns_of_start(effect, run_id=run_id)
        self._append_if_open(domain_id, effect.parent, draft)

    def _start_next_run(self, domain_id: int, effect: StartNextRun) -> None:
        self._recorder.start(
            domain_id,
            workflow_id=effect.workflow_id,
            run_id=effect.continued["newExecutionRunId"],
            first=across.next_run_started(effect),
        )

    def _report_to_parent(self, domain_id: int, effect: ReportToParent) -> None:
        parent = self._open(domain_id, effect.parent)
        if parent is None:
            return
        child = parent.state.children.get(effect.initiated_event_id)
        if child is not None:
            draft = across.parent_learns_of_close(effect, started_event_id=child.started_event_id)
            self._recorder.append(parent, draft)

    def _apply_child_policy(self, domain_id: int, effect: ApplyChildPolicy) -> None:
        for workflow_id, initiated_event_id in effect.children:
            # By workflow id: the run that was started may have continued as a new one.
            child = self._open(domain_id, {"workflowId": workflow_id})
            if child is None or child.state.parent != effect.parent:
                continue
            if child.state.parent_initiated_event_id != initiated_event_id:
                continue
            draft = across.child_policy_event(child.state, effect.policy)
            if draft is not None:
                self._recorder.append(child, draft)

    def _deliver(self, domain_id: int, effect: SignalExternal | CancelExternal) -> None:
        target = self._open(domain_id, effect.initiated)
        if target is None:
            self._append_if_open(domain_id, effect.source, across.source_learns_of_failure(effect))
            return
        draft = (
            across.signaled(effect) if isinstance(effect, SignalExternal) else across.cancel_requested(effect)
        )
        self._recorder.append(target, draft)
        self._append_if_open(
            domain_id, effect.source, across.source_learns(effect, target=target.state.execution)
        )

    def _append_if_open(self, domain_id: int, execution: dict[str, Any], draft: Draft) -> None:
        hot = self._open(domain_id, execution)
        if hot is not None:
            self._recorder.append(hot, draft)

    def _open(self, domain_id: int, execution: dict[str, Any]) -> Hot | None:
        """The open run of the workflow id, if it is the one that is named or none is named."""
        hot = self._executions.open_run(domain_id, execution["workflowId"])
        if hot is None or not hot.state.is_open:
            return None
        run_id = execution.get("runId")
        return hot if run_id is None or run_id == hot.row.run_id else None

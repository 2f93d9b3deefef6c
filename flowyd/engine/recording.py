"""Recording: what a finished block means for store, agenda, task lists and other executions.

`Recorder.change` is the one way in which a history grows. It opens a block on an execution, lets the caller
add to it, finishes it and takes over the result. Effects between executions are queued and carried out by
`carry_out` when the caller is through, each in its own block, until none is left; all of it belongs to the
turn's transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import msgspec

from flowyd.engine.agenda import Agenda
from flowyd.engine.executions import Executions, Hot, new_row
from flowyd.engine.matching import Matching
from flowyd.engine.registry import Registry
from flowyd.engine.rules.block import Block
from flowyd.engine.rules.effects import AcrossEffect, OfferTask, StartNextRun, WithdrawTask
from flowyd.engine.rules.events import Draft
from flowyd.engine.rules.outcome import Surroundings
from flowyd.engine.rules.settings import Quotas
from flowyd.engine.rules.state import ExecutionState
from flowyd.engine.run_ids import RunIds
from flowyd.engine.store import Store
from flowyd.engine.writes import ListKey

_encode = msgspec.json.Encoder().encode

#: An effect between executions, and the domain in which it happens.
Errand = tuple[int, AcrossEffect]


class Recorder:
    """Takes finished blocks into store, agenda and task lists."""

    def __init__(
        self,
        *,
        store: Store,
        executions: Executions,
        matching: Matching,
        agenda: Agenda,
        registry: Registry,
        quotas: Quotas,
        run_ids: RunIds,
    ) -> None:
        self._store = store
        self._executions = executions
        self._matching = matching
        self._agenda = agenda
        self._registry = registry
        self._quotas = quotas
        self.new_run_id = run_ids
        self._surroundings: dict[int, Surroundings] = {}
        #: Timestamp of the turn: epoch seconds, whole milliseconds.
        self.now = 0.0
        #: Effects that wait to be carried out.
        self.errands: deque[Errand] = deque()
        #: Task lists with new tasks since they were last looked at.
        self.offered: dict[ListKey, None] = {}
        #: Executions that closed since the list was last emptied.
        self.closed: list[int] = []

    def surroundings(self, domain_id: int) -> Surroundings:
        """What the rules may ask about a domain."""
        around = self._surroundings.get(domain_id)
        if around is None:
            around = self._surroundings[domain_id] = Surroundings(
                quotas=self._quotas,
                activity_type=partial(self._registry.type, domain_id, "activity"),
                workflow_type=partial(self._registry.type, domain_id, "workflow"),
                open_executions=partial(self._executions.open_count, domain_id),
                new_run_id=self.new_run_id,
            )
        return around

    def change(self, hot: Hot, add: Callable[[Block], object]) -> None:
        """Lets `add` put events into a block on the execution, and records them.

        A fault raised by `add` leaves everything as it was, as long as it raises before it adds.
        """
        block = Block(hot.state, now=self.now, quotas=self._quotas)
        add(block)
        if block.events:
            self._record(hot, block.finish())

    def append(self, hot: Hot, draft: Draft) -> None:
        """Adds one event and what follows from it."""
        self.change(hot, lambda block: block.add(draft))

    def start(self, domain_id: int, *, workflow_id: str, run_id: str, first: Draft) -> Hot:
        """Starts a run; the workflow id has no open one."""
        block = Block(ExecutionState(workflow_id, run_id), now=self.now, quotas=self._quotas)
        block.add(first)
        execution_id = self._executions.next_id()
        row = new_row(block.state, execution_id=execution_id, domain_id=domain_id)
        hot = Hot(row=row, state=block.state)
        self._executions.add(hot)
        self._record(hot, block.finish())
        return hot

    def _record(self, hot: Hot, block: Block) -> None:
        row, state = hot.row, hot.state
        for event in block.events:
            self._store.writes.add_event(row.id, event["eventId"], hot.remember(_encode(event)))
        for effect in block.effects:
            if isinstance(effect, OfferTask):
                self._offer(row.domain_id, row.id, effect)
            elif isinstance(effect, WithdrawTask):
                self._matching.withdraw(row.id, effect.scheduled_event_id)
            elif isinstance(effect, StartNextRun):
                # Before all others: a child of the same list must not take its workflow id.
                self.errands.appendleft((row.domain_id, effect))
            else:
                self.errands.append((row.domain_id, effect))
        if not state.is_open:
            self._close(hot)
            return
        if state.cancel_requested and not row.cancel_requested:
            row.cancel_requested = 1
            self._store.writes.save_execution(row)
        if block.deadline_at is not None:
            self.arm(hot, block.deadline_at)

    def _offer(self, domain_id: int, execution_id: int, effect: OfferTask) -> None:
        key = (domain_id, effect.kind, effect.task_list)
        self._matching.offer(
            key,
            execution_id=execution_id,
            scheduled_event_id=effect.scheduled_event_id,
            priority=effect.priority,
        )
        self.offered[key] = None

    def _close(self, hot: Hot) -> None:
        row, state = hot.row, hot.state
        row.closed_at, row.close_status = state.closed_at, state.close_status
        row.cancel_requested, row.next_deadline_at = 0, None
        self._executions.close(hot)
        self._agenda.drop(row.id)
        self.closed.append(row.id)

    def arm(self, hot: Hot, at: float) -> None:
        """Notes a deadline that came up: the execution is looked at no later than then."""
        row = hot.row
        if row.next_deadline_at is None or at < row.next_deadline_at:
            row.next_deadline_at = at
            self._store.writes.save_execution(row)
        self._agenda.note(row.id, at)

    def rearm(self, hot: Hot, at: float) -> None:
        """Notes the earliest deadline after a look at an execution showed it.

        The row keeps an earlier time, which is still true, unless the agenda would find it again and again.
        """
        row = hot.row
        if row.next_deadline_at is None or at < row.next_deadline_at or at > self._agenda.horizon_at:
            row.next_deadline_at = at
            self._store.writes.save_execution(row)
        self._agenda.note(row.id, at)

"""What becomes of the tasks in workers' hands: ended, killed, quarantined; and the report of it at a stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from flowyd.config.records import PoolKind
from flowyd.control.reports import Report, TaskInHand, WorkerState
from flowyd.supervisor.child import Child
from flowyd.supervisor.quarantine import Quarantine

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _InFlight:
    """A task that was in a worker's hands when the stop began, or came into them afterwards."""

    task: TaskInHand
    pool: str
    pid: int
    since: float
    #: It was handed out while the stop was under way.
    is_late: bool
    fate: str = ""
    #: It ended with its worker alive; a decision is then made, and answered with those that came with it.
    is_ended: bool = False


class Fates:
    """Follows every task from the report that it is in hand to its end."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        #: By task token; None: the daemon is not stopping.
        self._in_flight: dict[str, _InFlight] | None = None

    def reported(self, child: Child, report: Report) -> None:
        """Takes a worker's report: what it held before and holds no more has ended with the worker alive."""
        now_in_hand = _in_hand(report)
        failed = report.tasks_failed > child.failed_seen
        child.failed_seen = report.tasks_failed
        for token, task in child.in_hand.items():
            if token not in now_in_hand:
                self._quarantine.survived(task)
                self._ended(token, "finished, as failed" if failed else "finished")
        for token, task in now_in_hand.items():
            if token not in child.in_hand:
                self._quarantine.taken(task)
                self._expect(child, [task], is_late=True)
        child.in_hand = now_in_hand
        if not now_in_hand:
            self._others_ended(child, but=())
        if report.held is not None:
            self._quarantine.hold(report.held)

    def died(self, child: Child, death: str, *, limit: int | None) -> None:
        """The worker died with what is in its hands, of which not all need have been reported.

        Args:
            limit: its pool's limit of deaths.
        """
        since = child.report.since if child.report is not None else None
        self._expect(child, child.in_hand.values(), is_late=True, since=since)
        self._others_ended(child, but=child.in_hand)
        by_itself = not child.killed and not child.hung
        for token, task in child.in_hand.items():
            if task.kind == PoolKind.ACTIVITY.value:
                if by_itself:
                    self._quarantine.died(task, pool=child.pool, death=death, limit=limit, at=time.time())
                self._note(token, death, "failed with that reason")
            else:
                self._note(token, death, "another decider gets it when its time is over")

    def stop_begins(self, in_hand: Mapping[Child, Iterable[TaskInHand]]) -> None:
        """From now on every task's end is kept for the report; those that each worker has are in flight."""
        self._in_flight = {}
        for child, tasks in in_hand.items():
            self._expect(child, tasks, is_late=False)

    @property
    def tasks_left(self) -> int:
        """How many tasks a stop still waits for."""
        return sum(not entry.fate for entry in (self._in_flight or {}).values())

    def stopping_at_once(self) -> None:
        """Nobody is told of deaths any more: what is in flight times out."""
        for entry in (self._in_flight or {}).values():
            entry.fate = entry.fate or "killed; left to time out"

    def stop_report(self) -> str:
        """Each task in flight at the stop and its fate, a line for each; of later ones those not finished."""
        entries = list((self._in_flight or {}).values())
        if not entries:
            return "no task was in flight"
        lines = [f"{len(entries)} {'task was' if len(entries) == 1 else 'tasks were'} in flight"]
        return "\n".join([*lines, *(_line(entry) for entry in entries)])

    def _expect(
        self, child: Child, tasks: Iterable[TaskInHand], *, is_late: bool, since: float | None = None
    ) -> None:
        """Follows these tasks; `since`: when the worker began with them, if it is not now."""
        if self._in_flight is None:
            return
        since = time.monotonic() if since is None else since
        for task in tasks:
            entry = _InFlight(task=task, pool=child.pool, pid=child.pid, since=since, is_late=is_late)
            self._in_flight.setdefault(task.task_token, entry)

    def _others_ended(self, child: Child, *, but: Collection[str]) -> None:
        """What the worker had besides is not in its hands any more: it came with a task and is answered."""
        for token, entry in list((self._in_flight or {}).items()):
            if entry.pid == child.pid and not entry.fate and token not in but:
                self._ended(token, "finished")

    def _ended(self, token: str, fate: str) -> None:
        """The task ended as it should; one that was handed out during the stop is then no news."""
        entry = (self._in_flight or {}).get(token)
        if self._in_flight is not None and entry is not None and entry.is_late:
            del self._in_flight[token]
            return
        self._note(token, fate)
        if entry is not None:
            entry.is_ended = True

    def _note(self, token: str, fate: str, then: str = "") -> None:
        entry = (self._in_flight or {}).get(token)
        if entry is not None and (entry.is_ended or not entry.fate):
            after = f"{fate} after {time.monotonic() - entry.since:.1f} s"
            entry.fate = f"{after}; {then}" if then else after


def _in_hand(report: Report) -> dict[str, TaskInHand]:
    if report.state is not WorkerState.RUNNING:
        return {}
    tasks = [report.task] if report.task is not None else []
    return {task.task_token: task for task in (*tasks, *report.more_tasks)}


def _line(entry: _InFlight) -> str:
    task = entry.task
    what = f"{task.type_name} {task.activity_id}" if task.activity_id else f"decision of {task.type_name}"
    return (
        f"{what} of {task.workflow_id} ({entry.pool}[{entry.pid}]): "
        f"{entry.fate or 'not known; left to time out'}"
    )

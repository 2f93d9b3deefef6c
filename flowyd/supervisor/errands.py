"""What the supervisor has to ask or tell the SWF service, gathered into errands of short-lived children.

Obituaries go together in one errand, one errand of them at a time; an errand that failed is repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flowyd.control.in_hand import InHand
from flowyd.control.reports import TaskInHand
from flowyd.worker.spec import NOT_BEGUN, TASK_CLOSED, TASK_OPEN, Errand, Obituary, ServiceSpec

logger = logging.getLogger(__name__)

#: So often an obituary is tried; each try waits for the service as long as the limit allows.
_TRIES = 5
#: A task found open is asked about again after this, seconds; sooner when nobody answered.
_OPEN_AGAIN_S = 60.0
_UNANSWERED_AGAIN_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The answer to a question about a child's task."""

    pid: int
    task: TaskInHand
    closed: bool
    #: When not closed: how long until it is worth asking again, seconds.
    again_s: float


class Errands:
    """Errands waiting and under way."""

    #: A longer errand is hung.
    LIMIT_S = 40.0

    def __init__(self, settled: Callable[[Iterable[str]], None]) -> None:
        """`settled`: is told the tokens of tasks that were answered for, given back, or given up."""
        self._settled = settled
        self._obituaries: list[Obituary] = []
        self._questions: list[tuple[int, TaskInHand]] = []
        self._under_way: dict[int, Errand] = {}
        self._asked_about: dict[int, int] = {}
        self._tries: dict[str, int] = {}

    def fail(self, task: TaskInHand, reason: str, details: str = "") -> None:
        """Has the activity task failed, because its worker died or no worker is to have it."""
        self._obituaries.append(Obituary(task=task, reason=reason, details=details))

    def answer_for(self, task: TaskInHand, left: InHand | None, reason: str, details: str = "") -> None:
        """Has a dead worker's activity task answered as the worker had, if its file says how; else failed."""
        answer = left.answers.get(task.task_token) if left is not None else None
        self._obituaries.append(Obituary(task=task, reason=reason, details=details, answer=answer))

    def give_back(self, left: InHand, how: str) -> None:
        """Has the activity tasks that a dead worker had not begun offered to others.

        Args:
            how: such as "killed by SIGKILL (pool images, pid 4711)".
        """
        if not left.not_begun:
            return
        for task in left.not_begun:
            reason = f"{NOT_BEGUN}: {how}"
            self._obituaries.append(Obituary(task=task, reason=reason, came_with=left.came_with))
        logger.info(
            "%s[%d] had not begun all that it had in hand; given back: %s",
            left.pool,
            left.pid,
            ", ".join(
                f"{task.type_name} {task.activity_id} of {task.workflow_id}" for task in left.not_begun
            ),
            extra={"action": "in-hand", "pool": left.pool},
        )

    def ask(self, pid: int, task: TaskInHand) -> None:
        """Has somebody find out whether the child's task is still open."""
        self._questions.append((pid, task))

    def due(self, service: ServiceSpec, log_level: str) -> list[Errand]:
        """The errands to start now; each must be given to `started` or `failed_to_start`."""
        errands = []
        mourning = any(errand.obituaries for errand in self._under_way.values())
        if self._obituaries and not mourning:
            errands.append(Errand(service=service, obituaries=tuple(self._obituaries), log_level=log_level))
            self._obituaries = []
        for _, task in self._questions:
            errands.append(Errand(service=service, question=task, log_level=log_level))
        return errands

    def started(self, pid: int, errand: Errand) -> None:
        """The errand runs as this process."""
        self._under_way[pid] = errand
        if errand.question is not None:
            asked_pid, _ = self._questions.pop(0)
            self._asked_about[pid] = asked_pid

    def failed_to_start(self, errand: Errand) -> None:
        """The errand waits for the next time."""
        self._obituaries = [*errand.obituaries, *self._obituaries]

    def ended(self, pid: int, code: int) -> Asked | None:
        """Takes the errand's exit code; the answer if it asked a question."""
        errand = self._under_way.pop(pid)
        if errand.question is not None:
            again = _OPEN_AGAIN_S if code == TASK_OPEN else _UNANSWERED_AGAIN_S
            return Asked(
                pid=self._asked_about.pop(pid),
                task=errand.question,
                closed=code == TASK_CLOSED,
                again_s=again,
            )
        if code == 0:
            self._settled(obituary.task.task_token for obituary in errand.obituaries)
        else:
            self._again(errand)
        return None

    def _again(self, errand: Errand) -> None:
        for obituary in errand.obituaries:
            token = obituary.task.task_token
            self._tries[token] = self._tries.get(token, 0) + 1
            if self._tries[token] < _TRIES:
                self._obituaries.append(obituary)
                continue
            del self._tries[token]
            self._settled([token])
            logger.error(
                "activity task %s of %s is left to time out: nobody took the news (%s)",
                obituary.task.activity_id,
                obituary.task.workflow_id,
                obituary.reason,
                extra={"action": "errand", "workflow_id": obituary.task.workflow_id},
            )

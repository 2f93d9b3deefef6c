"""Replay: what a workflow object is told of the world, the same wherever the code has been before.

Each question goes to one module: calls to `caller`, timers, signals and deliveries to `waits`, what a run
writes down for itself to `markers`. What is Broken in the answering is never the author's answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any, NoReturn
from uuid import UUID

from flowyd.decider.asking import OPEN_TASKS, Requests
from flowyd.decider.caller import Caller
from flowyd.decider.determinism import Divergence
from flowyd.decider.index import HistoryIndex
from flowyd.decider.markers import Markers
from flowyd.decider.progress import OurFault, Progress
from flowyd.decider.unanswered import Again, Unanswered
from flowyd.decider.waits import Waits
from flowyd.errors import FlowydError
from flowyd.sdk.chance import fraction, uuid4
from flowyd.sdk.placeholder import ResultObject
from flowyd.sdk.scheduling import Callee, ExecutionInfo
from flowyd.sdk.workflow import Restart

#: The run being replayed, for log filters.
current_run: ContextVar[Replay | None] = ContextVar("flowyd_run", default=None)


class Replay:
    """Answers everything one workflow object asks (flowyd.sdk.scheduling.Scheduler)."""

    def __init__(
        self,
        index: HistoryIndex,
        *,
        wait: Callable[[], None],
        open_limit: int = OPEN_TASKS,
        restart_at: int | None = None,
    ) -> None:
        """`wait` is called where the code can go no further, and returns when it goes on."""
        self.index = index
        self._restart_at = restart_at
        self._round_began_at = (0, 0)
        self.progress = Progress(index, wait=wait, follow=self._follow)
        self.requests = Requests(index, self.progress, open_limit=open_limit)
        self.unanswered = Unanswered(self.progress, self.requests)
        self._caller = Caller(index, self.progress, self.requests, self.unanswered)
        self._waits = Waits(index, self.progress, self.requests, self.unanswered)
        self._markers = Markers(index, self.progress, self.requests)
        self._draws = 0

    def renew(self) -> None:
        """The run goes on in another decision: takes in what is new in the history.

        Raises:
            TaskFailed, Divergence: as a run from the top would raise where it comes to such a call.
        """
        self.requests.begin_decision()
        self.unanswered.renew(self.index.take_news())

    def close(self) -> None:
        """The code is over: lets go of what holds what holds it.

        A worker has hundreds of runs a second; to find garbage in circles took it a fifth of its time.
        """
        self.progress.close()
        self.unanswered.close()

    def _follow(self, unfinished: ResultObject[Any], again: Again | None) -> None:
        self.unanswered.follow(unfinished, again)

    @property
    def execution(self) -> ExecutionInfo:
        """Which execution this is."""
        tags = self.index.start.attributes.get("tagList") or () if self.index.start else ()
        return ExecutionInfo(workflow_id=self.index.workflow_id, run_id=self.index.run_id, tags=tuple(tags))

    @property
    def replaying(self) -> bool:
        """Whether the code stands where it stood in an earlier decision already."""
        return self.progress.replaying

    @property
    def history_length(self) -> int:
        """Events of the history when the code first got here."""
        return self.progress.decision

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Around every answer: ends code that goes on after its end; tells our faults from the author's."""
        self.progress.check_running()
        try:
            yield
        except (Divergence, Exception) as error:
            self._refuse(error)

    def _refuse(self, error: Divergence | Exception) -> NoReturn:
        if isinstance(error, FlowydError):
            raise error
        self.progress.end(error if isinstance(error, Divergence) else OurFault(error))

    def task(self, callee: Callee, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> ResultObject[Any]:
        """The result object of the next call of this attribute."""
        # As _answering does, but without the cost of a context manager per known call.
        self.progress.check_running()
        try:
            return self._caller.call(callee, arguments, keywords)
        except (Divergence, Exception) as error:
            self._refuse(error)

    def timer(self, seconds: float) -> ResultObject[None]:
        """The result object of a durable timer."""
        with self._answering():
            return self._waits.timer(seconds)

    def signal(self, name: str) -> ResultObject[Any]:
        """The result object of the next signal of this name."""
        with self._answering():
            return self._waits.signal(name)

    def send_signal(self, workflow_id: str, name: str, value: Any, run_id: str | None) -> ResultObject[None]:
        """Signals another execution."""
        with self._answering():
            return self._waits.send_signal(workflow_id, name, value, run_id)

    def request_cancel(self, workflow_id: str, run_id: str | None) -> ResultObject[None]:
        """Asks another execution to cancel."""
        with self._answering():
            return self._waits.request_cancel(workflow_id, run_id)

    def side_effect(self, produce: Callable[[], Any]) -> Any:
        """What `produce` returned when the code first got here."""
        self.progress.check_running()
        return self._markers.side_effect(produce)

    def changed(self, change_id: str) -> bool:
        """False where this execution went on with the code as it was before the change."""
        with self._answering():
            return self._markers.changed(change_id)

    def begins_round(self, restart: Restart) -> bool:
        """Whether the restart goes on in this run, which has not come to `restart_at` events yet.

        Not if it wants other settings; nor if the round that ends here asked for nothing: it might never end.
        """
        stands_at = (len(self.progress.asked_for), self.progress.order)
        if self._restart_at is None or restart.settings or stands_at == self._round_began_at:
            return False
        if self.unanswered.blocked:
            # What these will ask for belongs to this round, which only a run from the top can tell.
            self.unanswered.can_go_on = False
        self.progress.pass_by(self.requests.settled)
        self._round_began_at = (len(self.progress.asked_for), self.progress.order)
        return self.progress.decision < self._restart_at

    def now(self) -> datetime:
        """When the decision began in which the code first got here, UTC."""
        return datetime.fromtimestamp(self.index.time_of(self.progress.decision), tz=timezone.utc)

    def _seed(self) -> str:
        self._draws += 1
        return f"{self.index.run_id} {self._draws}"

    def random(self) -> float:
        """The next number of this run, in [0, 1)."""
        return fraction(self._seed())

    def uuid4(self) -> UUID:
        """The next UUID of this run."""
        return uuid4(self._seed())

"""What workflow code asks of whoever runs it: the seam between the authors' classes and a replay.

The decider answers from a history; `flowyd.testing` answers by running the activity on the spot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

from flowyd.sdk.placeholder import ResultObject
from flowyd.sdk.settings import TaskSettings


class TaskKind(str, Enum):
    """What a proxy asks for."""

    ACTIVITY = "activity"  #: an activity task
    CHILD = "child workflow"  #: an execution of its own, started as a child


@dataclass(frozen=True, slots=True)
class Callee:
    """Whom the calls of a proxy ask, and how; the same object for every call without options()."""

    kind: TaskKind
    #: The proxy's name on the workflow class.
    attribute: str
    type_name: str
    type_version: str
    settings: TaskSettings
    #: Arguments to input text, result text to value.
    serialize: Callable[..., str]
    deserialize: Callable[[str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionInfo:
    """Which execution this is."""

    workflow_id: str
    run_id: str
    tags: tuple[str, ...] = ()


class Scheduler(Protocol):
    """Runs one workflow object once."""

    @property
    def execution(self) -> ExecutionInfo:
        """Which execution this is."""
        ...

    @property
    def replaying(self) -> bool:
        """Whether the code stands where it stood in an earlier decision already."""
        ...

    @property
    def history_length(self) -> int:
        """Events of the history when the code first got here."""
        ...

    def task(self, callee: Callee, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> ResultObject[Any]:
        """The result object of the next call of this attribute."""
        ...

    def timer(self, seconds: float) -> ResultObject[None]:
        """The result object of a durable timer."""
        ...

    def signal(self, name: str) -> ResultObject[Any]:
        """The result object of the next signal of this name that was not asked for before."""
        ...

    def send_signal(self, workflow_id: str, name: str, value: Any, run_id: str | None) -> ResultObject[None]:
        """Signals another execution; finished when it was delivered."""
        ...

    def request_cancel(self, workflow_id: str, run_id: str | None) -> ResultObject[None]:
        """Asks another execution to cancel; finished when the request was delivered."""
        ...

    def side_effect(self, produce: Callable[[], Any]) -> Any:
        """What `produce` returned when the code first got here."""
        ...

    def changed(self, change_id: str) -> bool:
        """False where this execution went on with the code as it was before the change."""
        ...

    def now(self) -> datetime:
        """When the decision began in which the code first got here, UTC."""
        ...

    def random(self) -> float:
        """The next number of this run, in [0, 1)."""
        ...

    def uuid4(self) -> UUID:
        """The next UUID of this run."""
        ...

"""What a HistoryIndex holds: the things a history tells of, each as one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

Event = Mapping[str, Any]
Attributes = Mapping[str, Any]


class Kind(str, Enum):
    """What a decision can ask for and later hear of again."""

    ACTIVITY = "activity"
    CHILD = "child workflow"
    TIMER = "timer"
    SIGNAL = "signal to"  #: a signal to another execution
    CANCEL = "cancel request to"  #: a request to another execution
    ARRIVAL = "signal"  #: a signal to this execution; nothing asks for it

    __hash__ = str.__hash__  # Enum's own is Python code, and every look-up of an index needs one


#: What was asked for, or is waited for: a kind and an id.
Target = tuple[Kind, str]


class State(str, Enum):
    """How far it is."""

    OPEN = "open"  #: scheduled or running
    COMPLETED = "completed"  #: completed; fired; delivered
    FAILED = "failed"
    TIMED_OUT = "timed out"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    REFUSED = "refused"  #: the service would not start it
    THROTTLED = "throttled"  #: refused for a limit or a rate; can be asked for again

    __hash__ = str.__hash__  # as above


@dataclass(slots=True, kw_only=True)
class Asked:
    """One thing that a decision asked for, as the history tells it. Changed by HistoryIndex only."""

    kind: Kind
    id: str
    #: Name and version of the type; of a timer its seconds, of a signal its name.
    what: str
    #: None where the event does not say.
    input: str | None
    state: State
    #: Event id of the DecisionTaskCompleted that asked for it.
    decision_id: int
    #: Event id of what ended it; 0 while open.
    order: int = 0
    result: str | None = None
    reason: str = ""
    details: str | None = None
    timeout_kind: str | None = None
    cancel_requested: bool = False
    #: How often the service refused it for a limit or a rate.
    refusals: int = 0


def is_own_timer(kind: Kind, asked_id: str) -> bool:
    """Whether this is a timer the author asked for, `timer-<n>`, not a delay or pause of a call."""
    return kind is Kind.TIMER and asked_id.startswith("timer-") and asked_id[6:].isdigit()


def arrival_of(signal_name: str, number: int) -> Target:
    """What code waits for that wants the signal of this name and number."""
    return (Kind.ARRIVAL, f"{signal_name}-{number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A signal or marker: the id of its event, and its text."""

    order: int
    text: str | None


@dataclass(slots=True, kw_only=True)
class Decided:
    """One completed decision."""

    started_id: int
    started_at: float
    completed_id: int
    #: Open right after it: tasks with their delays and pauses, and timers of the author's own.
    open_after: int
    timers_after: int
    #: Length of the inputs it asked with; what was refused counts as long as an input may be.
    input_characters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What WorkflowExecutionStarted says."""

    input: str | None
    type_name: str
    type_version: str
    attributes: Attributes
    #: UTC epoch seconds.
    at: float

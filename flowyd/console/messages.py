"""What threads tell the screens, and the screens each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.message import Message

from flowyd.console.backend import Seen
from flowyd.console.view_model.actions import Step


@dataclass
class Fetched(Message):
    """A screen's question has been answered."""

    answer: Any
    #: How long asking took, seconds.
    took_s: float


@dataclass
class NotFetched(Message):
    """A screen's question was refused, or nobody answered."""

    error: Exception


@dataclass
class StatusSeen(Message):
    """The daemon has told its status."""

    seen: Seen


@dataclass
class StatusLost(Message):
    """The daemon does not answer."""

    text: str


@dataclass
class SwfAnswers(Message):
    """The SWF service, which did not answer, does."""


@dataclass
class StepDone(Message):
    """One step of an action has been carried out, or refused."""

    step: Step
    #: The request's place among those of its action, from 1, and their number.
    place: int
    total: int
    answer: dict[str, Any]
    #: Why it was refused; empty when it was carried out.
    error: str
    #: What the toast says, such as "terminated".
    done: str

"""Runs an activity as a worker does, and keeps what it answers."""

# ruff: noqa: ARG002
# the signatures are the seam's, whether a test needs all of it or not

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from flowyd import Activity


@dataclass
class Kept:
    """An activity's answers, kept; the service's side of a heartbeat is the given list, then True."""

    answers: list[bool] = field(default_factory=list)
    heartbeats: int = 0
    result: Any = None
    #: What failed, as the operator sees it.
    reason: str | None = None
    canceled: bool = False

    def heartbeat(self, token: str, details: str | None) -> bool:
        self.heartbeats += 1
        return self.answers.pop(0) if self.answers else True

    def complete(self, token: str, result_text: str) -> None:
        self.result = json.loads(result_text)

    def fail(self, token: str, reason: str, details: str | None) -> None:
        self.reason = reason

    def cancel(self, token: str, details: str | None) -> None:
        self.canceled = True


def fresh(activity: type[Activity]) -> Any:
    """An object of the class, to call its methods."""
    return activity(input="[[], {}]", scheduler=Kept(), token="t")


def run(activity: type[Activity], *arguments: Any, heartbeats: list[bool] | None = None) -> Kept:
    """The answers of one task with these arguments."""
    kept = Kept(answers=list(heartbeats or []))
    activity(input=json.dumps([arguments, {}]), scheduler=kept, token="t")()
    return kept

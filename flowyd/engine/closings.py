"""Calls that wait for the end of an execution; a close costs one look-up while nobody waits for it.

What a turn answers is staged, and goes only when the turn is committed: after one that failed, those who
waited before it go on waiting.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowyd.engine.calls import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingWait:
    """A call that waits until an execution is closed."""

    call: Call
    execution_id: int
    #: When it is answered although the execution is open.
    ends_at: float


class ClosingWaits:
    """All calls that wait for an end; each waits equally long, so the oldest one ends first."""

    def __init__(self) -> None:
        self._waits: dict[Call, ClosingWait] = {}
        self._by_execution: dict[int, dict[Call, ClosingWait]] = {}
        self._staged: dict[Call, ClosingWait] = {}

    def add(self, wait: ClosingWait) -> None:
        """Lets a call wait for an execution that is open."""
        self._waits[wait.call] = wait
        self._by_execution.setdefault(wait.execution_id, {})[wait.call] = wait

    def remove(self, call: Call) -> bool:
        """Takes a call away; False if it does not wait."""
        self._staged.pop(call, None)
        wait = self._waits.pop(call, None)
        if wait is not None:
            waiting = self._by_execution[wait.execution_id]
            del waiting[call]
            if not waiting:
                del self._by_execution[wait.execution_id]
        return wait is not None

    def stage(self, closed: Iterable[int], now: float) -> list[ClosingWait]:
        """Those to answer now: for executions that closed, then those whose time is over."""
        for execution_id in closed:
            self._staged.update(self._by_execution.get(execution_id, {}))
        for wait in self._waits.values():
            if wait.ends_at > now:
                break
            self._staged[wait.call] = wait
        return list(self._staged.values())

    def settle(self) -> None:
        """The turn is committed: what it answered waits no more."""
        for call in list(self._staged):
            self.remove(call)

    def take_back(self) -> list[Call]:
        """The turn had no effect: nothing was answered. Gives those who were to be."""
        calls = list(self._staged)
        self._staged.clear()
        return calls

    def next_end(self) -> float | None:
        """When the next call is answered whatever becomes of its execution."""
        return next(iter(self._waits.values())).ends_at if self._waits else None

    def __len__(self) -> int:
        return len(self._waits)

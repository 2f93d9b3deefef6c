"""Stack: code on a stack of its own, which can wait in the middle and be gone back to.

By greenlet, so that a plain `run` can wait as a coroutine does, inside any call. Everything happens in the
caller's thread, one at a time: it is a way of calling, and nothing runs at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from greenlet import getcurrent, greenlet

from flowyd.errors import ProgramError

End = TypeVar("End")


class Stack(Generic[End]):
    """At most one call of some code at a time."""

    def __init__(self) -> None:
        self._strand: greenlet | None = None

    @property
    def waits(self) -> bool:
        """Whether there is code that waits."""
        return self._strand is not None

    def enter(self, code: Callable[[], End]) -> End | None:
        """Calls the code; what it returns, or None where it waits. What it raises goes through."""
        self._strand = greenlet(code)
        self._strand.gr_context = copy_context()
        return self.go_on()

    def go_on(self) -> End | None:
        """Goes back to where the code waits; returns as `enter` does."""
        strand = self._to_be_entered()
        try:
            end: End | None = strand.switch()
        finally:
            self._let_go_if_over(strand)
        return end

    def wait(self) -> None:
        """Called by the code: back to whoever entered, until they go on.

        Raises:
            ProgramError: what calls is not that code, but another thread or greenlet.
        """
        if self._strand is None or getcurrent() is not self._strand or self._strand.parent is None:
            raise ProgramError("results can be waited for only where `run` itself runs, in no other thread")
        self._strand.parent.switch(None)

    def leave(self, by: BaseException) -> End | None:
        """Raises this where the code waits; what the code then returns."""
        strand = self._to_be_entered()
        try:
            end: End | None = strand.throw(by)
        finally:
            self._let_go_if_over(strand)
        return end

    def _to_be_entered(self) -> greenlet:
        strand = self._strand
        assert strand is not None
        strand.parent = getcurrent()
        return strand

    def _let_go_if_over(self, strand: greenlet) -> None:
        """Code that is over would keep its context, and all that is in it, for nothing."""
        if strand.dead:
            self._strand = None

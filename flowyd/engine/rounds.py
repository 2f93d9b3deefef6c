"""Rounds of the event loop: what is to be done when all that was ready has been seen to, before another look.

asyncio runs what `call_soon` was given in the next round, and looks at all descriptors in between, without
waiting. For a turn after each message that is half of all looks, and they find next to nothing.
"""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Callable


class RoundSelector(selectors.EpollSelector):
    """Finds what is ready, and with it, as the last of each round, itself."""

    def __init__(self) -> None:
        super().__init__()
        #: A descriptor that is never readable stands for the end of the round.
        self._end = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._end_key: selectors.SelectorKey | None = None
        self._is_under_way = False
        self._last: list[Callable[[], object]] = []

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on rounds have an end; the loop is the one that asks this selector."""
        self._loop = loop
        loop.add_reader(self._end, self._end_round)
        self._end_key = self.get_key(self._end)

    def call_last(self, callback: Callable[[], object]) -> None:
        """Calls at the end of the round that is under way, or else soon."""
        if self._is_under_way:
            self._last.append(callback)
        else:
            self._loop.call_soon(callback)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector.select`."""
        ready = super().select(timeout)
        if ready and self._end_key is not None:
            ready.append((self._end_key, selectors.EVENT_READ))
            self._is_under_way = True
        return ready

    def close(self) -> None:
        super().close()
        os.close(self._end)

    def _end_round(self) -> None:
        self._is_under_way = False
        last, self._last = self._last, []
        for callback in last:
            callback()

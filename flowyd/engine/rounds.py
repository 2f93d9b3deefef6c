"""Rounds of the event loop: what is to be done when all that was ready has been seen to, before another look.

asyncio runs what `call_soon` was given in the next round, and looks at all descriptors in between, without
waiting. For a turn after each message that is half of all looks, and they find next to nothing.
What is to be read directly is called as soon as it is found, without a handle of the loop's own.
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
        #: Readers that are called here, by descriptor.
        self._direct: dict[int, Callable[[], None]] = {}

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
        if not ready or self._end_key is None:
            return ready
        self._is_under_way = True
        left = []
        for each in ready:
            key, events = each
            read = self._direct.get(key.fd)
            if read is None or events != selectors.EVENT_READ:
                left.append(each)
            else:
                read()
        if left:
            left.append((self._end_key, selectors.EVENT_READ))
        else:
            self._end_round()
        return left

    def read_directly(self, fd: int, read: Callable[[], None]) -> None:
        """Calls the loop's reader of this descriptor from here on; it must not raise."""
        self._direct[fd] = read

    def forget(self, fd: int) -> None:
        """Leaves the descriptor to the loop."""
        self._direct.pop(fd, None)

    def close(self) -> None:
        super().close()
        os.close(self._end)

    def _end_round(self) -> None:
        self._is_under_way = False
        last, self._last = self._last, []
        for callback in last:
            try:
                callback()
            except Exception as error:
                self._loop.call_exception_handler({"message": "At the end of a round", "exception": error})

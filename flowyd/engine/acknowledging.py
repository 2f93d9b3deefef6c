"""Telling a caller that its call was carried out, while the poll that came with it waits.

A task that comes soon tells it too, and saves a message and a wake-up, so a moment is left for one. A worker
that waits for this on one connection must not be kept from a task on another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

#: A task has so long to come, at most, seconds.
_WITHIN_S = 0.02


class Owing(Protocol):
    """A connection that may owe its peer the news."""

    peer: str

    @property
    def has_unread_task(self) -> bool: ...

    def acknowledge(self) -> None: ...


class Acknowledging:
    """All connections, and those that owe it, by peer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._all_of: dict[str, dict[Owing, None]] = {}
        self._owing: dict[str, dict[Owing, None]] = {}
        #: One for all of them: most are told by a task, and a timer for each would cost more than it tells.
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, connection: Owing) -> None:
        """A connection is there."""
        self._all_of.setdefault(connection.peer, {})[connection] = None

    def soon(self, connection: Owing) -> None:
        """A call was carried out; the poll behind it may be answered at once, which tells so.

        Who has a task waiting on another connection is told now.
        """
        for other in self._all_of[connection.peer]:
            if other.has_unread_task:
                connection.acknowledge()
                return
        self._owing.setdefault(connection.peer, {})[connection] = None
        if self._timer is None:
            self._timer = self._loop.call_later(_WITHIN_S, self._all)

    def now(self, peers: Iterable[str]) -> None:
        """These peers have got a task on one of their connections."""
        for peer in peers:
            for connection in self._owing.pop(peer, ()):
                connection.acknowledge()

    def leave(self, connection: Owing) -> None:
        """The connection is gone."""
        self._owing.get(connection.peer, {}).pop(connection, None)
        of_peer = self._all_of[connection.peer]
        del of_peer[connection]
        if not of_peer:
            del self._all_of[connection.peer]

    def _all(self) -> None:
        self._timer = None
        self.now(list(self._owing))

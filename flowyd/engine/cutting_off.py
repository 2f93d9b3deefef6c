"""Which connections are cut off: who takes too long, and who holds most of too much memory."""

from __future__ import annotations

from collections.abc import Sequence

from flowyd.engine.connection import Connection

#: Parts of requests and answers that all connections together may keep in memory; beyond it the largest are
#: cut off.
MOST_BUFFERED_BYTES = 256 * 1_048_576


def cut_off(connections: Sequence[Connection], *, now: float) -> None:
    """Ends connections that are overdue, and those that hold most, if all together hold too much.

    `now`: seconds of the event loop.
    """
    for connection in connections:
        if connection.is_overdue(now):
            connection.abort()
    held = {connection: connection.buffered_bytes for connection in connections}
    total = sum(held.values())
    for connection in sorted(held, key=lambda each: held[each], reverse=True):
        if total <= MOST_BUFFERED_BYTES:
            return
        total -= held[connection]
        connection.abort()

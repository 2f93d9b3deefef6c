"""Answers of tasks that came together, sent one by one and not waited for.

They go over the connection that the tasks came by, each before the next task is begun, and so tell the engine
which tasks have not been begun (`flowyd.engine.leases`). Their acknowledgements are read with what follows.
"""

from __future__ import annotations

from flowyd.swf.lean_connection import Broken, Connection


class AnswerStream:
    """The connection, and how many answers are under way on it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        #: Answers sent and not acknowledged yet.
        self.sent = 0
        #: Whether all of them have left.
        self.is_whole = True

    def send(self, message: bytes) -> None:
        """Sends an answer; if it does not leave, `is_whole` says so."""
        self.sent += 1
        if self.is_whole:
            try:
                self.connection.send(message)
            except Broken:
                self.is_whole = False

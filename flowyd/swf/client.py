"""What every SWF client does, whichever way it speaks.

Requests and answers are SWF's own JSON shapes as dicts, with wire names; timestamps are epoch seconds.
`flowyd.swf.lean` and `flowyd.swf.boto` implement both protocols, and one contract suite runs against each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Request = Mapping[str, Any]
Answer = dict[str, Any]


class SwfClient(Protocol):
    """One caller's way to an SWF service. Not for use from two threads at once."""

    def call(self, action: str, request: Request) -> Answer:
        """The answer of the service; an empty dict where the operation has none.

        Raises:
            SwfFault: the service refused the request.
            UnreachableError: nobody answered; a request that changes something may have been carried out.
            ProtocolError: the answer is not SWF's.
        """
        ...

    def close(self) -> None:
        """Closes connections; the next call opens a new one."""
        ...


class Readable(Protocol):
    """Anything select() can wait for, such as the reading end of a pipe."""

    def fileno(self) -> int: ...


class PollingClient(SwfClient, Protocol):
    """A client whose polls can be withdrawn without losing a task."""

    def poll(self, action: str, request: Request, *, withdraw: Readable) -> Answer | None:
        """The poll's answer, or None when it was withdrawn before a task was handed out.

        As soon as `withdraw` is readable the poll is taken back: a local engine is told and either confirms
        or has handed out a task, which is then returned. Amazon SWF cannot take a poll back (its task would
        be lost), so there the outstanding poll is waited for, 60 s at most.

        Raises:
            SwfFault, UnreachableError, ProtocolError: as `call`.
        """
        ...

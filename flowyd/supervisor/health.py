"""Whether the engine still answers, and the service manager's watchdog, which is pinged only if it does.

The probe is one HTTP request on the engine's socket inside the select loop: any answer proves that the
engine's own loop turned. The ping proves that ours did.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
from enum import Enum
from pathlib import Path

from flowyd.supervisor.notify import Notifier

logger = logging.getLogger(__name__)

#: Between probes where no watchdog asks for more.
INTERVAL_S = 30.0
#: An engine that does not answer for so long is hung.
PATIENCE_S = 20.0

_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Verdict(str, Enum):
    """What is known of the engine."""

    FINE = "fine"  #: it answered, or is not asked
    WAITING = "waiting"  #: asked, no answer yet
    HUNG = "hung"  #: asked, no answer within the patience


class Health:
    """Probes and pings at intervals; the loop asks `next_at` and calls `look`."""

    def __init__(
        self, *, engine_socket: Path | None, notifier: Notifier, selector: selectors.BaseSelector
    ) -> None:
        self._engine_socket = engine_socket
        self._notifier = notifier
        self._selector = selector
        watchdog_s = notifier.watchdog_s
        self._interval_s = min(INTERVAL_S, watchdog_s / 3) if watchdog_s else INTERVAL_S
        self._next_at = 0.0
        self._probe: socket.socket | None = None
        self._asked_at = 0.0

    def next_at(self) -> float | None:
        """When `look` has something to do; None: never."""
        if self._engine_socket is None and self._notifier.watchdog_s is None:
            return None
        return self._next_at

    def look(self, now: float, *, engine_serves: bool) -> Verdict:
        """Pings the watchdog if all is well and asks the engine if it is time to."""
        if now < self._next_at:
            return Verdict.FINE
        self._next_at = now + self._interval_s
        if not engine_serves:
            # A new engine is on its way; the old one's silence says nothing about it.
            self._forget_probe()
        verdict = self._verdict(now)
        if verdict is Verdict.FINE:
            self._notifier.send("WATCHDOG=1")
            if engine_serves:
                self._ask(now)
        if verdict is Verdict.HUNG:
            self._forget_probe()
        if verdict is Verdict.WAITING:
            self._next_at = min(self._next_at, self._asked_at + PATIENCE_S)
        return verdict

    def close(self) -> None:
        """Takes back a probe under way."""
        self._forget_probe()

    def _verdict(self, now: float) -> Verdict:
        if self._probe is None:
            return Verdict.FINE
        return Verdict.HUNG if now - self._asked_at >= PATIENCE_S else Verdict.WAITING

    def _ask(self, now: float) -> None:
        if self._engine_socket is None:
            return
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._probe, self._asked_at = probe, now
        self._next_at = min(self._next_at, now + PATIENCE_S)
        try:
            probe.connect(str(self._engine_socket))
            probe.send(_REQUEST)
        except OSError as error:
            logger.debug("the engine cannot be asked: %s", error)
            return
        self._selector.register(probe, selectors.EVENT_READ, lambda _: self._forget_probe())

    def _forget_probe(self) -> None:
        if self._probe is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._probe)
            self._probe.close()
            self._probe = None

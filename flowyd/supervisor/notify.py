"""What systemd is told and what it hands over (sd_notify(3), sd_listen_fds(3), systemd.service(5)).

Without systemd every function here does nothing or answers with nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

#: The first descriptor that socket activation passes (sd_listen_fds(3)).
FIRST_LISTEN_FD = 3


class Notifier:
    """The way to the service manager, taken out of the environment so that no child speaks for us."""

    def __init__(self, address: str | None, watchdog_s: float | None) -> None:
        self._address = address
        #: The manager kills us without a ping for this long; None: no watchdog.
        self.watchdog_s = watchdog_s

    @property
    def listens(self) -> bool:
        """Whether there is a manager."""
        return self._address is not None

    def send(self, *lines: str) -> None:
        """Sends assignments such as READY=1 in one datagram; a manager that does not listen is no error."""
        if self._address is None:
            return
        path = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as manager:
            manager.sendto("\n".join(lines).encode(), path)

    def ready(self, status: str) -> None:
        """Started, or reloaded."""
        self.send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload begins; Type=notify-reload needs the time beside it."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str, *, extend_s: float) -> None:
        """The end begins and may take so long."""
        self.send("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int(extend_s * 1_000_000)}")


def take_notifier(environment: MutableMapping[str, str]) -> Notifier:
    """The notifier that the environment describes; its variables are removed."""
    address = environment.pop("NOTIFY_SOCKET", None)
    usec = environment.pop("WATCHDOG_USEC", "")
    pid = environment.pop("WATCHDOG_PID", "")
    watched = usec.isdigit() and int(usec) > 0 and pid in ("", str(os.getpid()))
    return Notifier(address, int(usec) / 1_000_000 if watched else None)


def take_listening_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets of socket activation, now closed on exec; the variables are removed."""
    count = environment.pop("LISTEN_FDS", "")
    pid = environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    if not count.isdigit() or pid != str(os.getpid()):
        return []
    sockets = []
    for fd in range(FIRST_LISTEN_FD, FIRST_LISTEN_FD + int(count)):
        os.set_inheritable(fd, False)
        sockets.append(socket.socket(fileno=fd))
    return sockets

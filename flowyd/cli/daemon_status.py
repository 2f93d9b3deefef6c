"""The daemon's status, for commands about it and for those that only add to their answer what it says."""

from __future__ import annotations

import argparse
import contextlib

from flowyd.cli.reaching import CONTROL_TIMEOUT_S, ask_daemon
from flowyd.control.status import DaemonStatus, decode_status
from flowyd.errors import FlowydError

#: For those: it answers at once or something is wrong with it; a look at an execution must not wait for it.
BRIEF_S = 2.0


def daemon_status(namespace: argparse.Namespace, *, timeout_s: float = CONTROL_TIMEOUT_S) -> DaemonStatus:
    """What the daemon says of itself.

    Raises:
        FlowydError: it does not answer, or refuses.
    """
    members = ask_daemon(namespace, "status", timeout_s=timeout_s)
    # Of who asks, and not of the daemon.
    members.pop("role", None)
    return decode_status(members)


def status_or_none(namespace: argparse.Namespace) -> DaemonStatus | None:
    """The same, if it answers at once."""
    with contextlib.suppress(FlowydError):
        return daemon_status(namespace, timeout_s=BRIEF_S)
    return None

"""`flowyd stop`: ends the daemon in order, and waits until it has ended."""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flowyd.cli import exits
from flowyd.cli.daemon_status import daemon_status
from flowyd.cli.output import page_of, print_json
from flowyd.cli.reaching import ask_daemon
from flowyd.console.view_model import wording
from flowyd.control.status import DaemonStatus
from flowyd.errors import FlowydError, UnreachableError

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "stop",
        help="end the daemon; tasks in hand are finished first",
        description="Ends the daemon: workers finish the task they have in hand, as long as their pool's "
        "stop_timeout allows, the engine ends last. Executions go on at the next start. Waits until the "
        "daemon has ended.",
    )
    parser.add_argument(
        "--now", action="store_true", help="do not let tasks finish; they are reported as failed"
    )
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the end")
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Stops the daemon.

    Raises:
        UnreachableError: none runs.
        FlowydError: we may not.
    """
    status = daemon_status(namespace)
    if namespace.no_wait:
        _order(namespace)
        return _said(namespace, {"pid": status.pid, "ended": False}, f"pid {status.pid} is stopping")
    with _pid_file(status.pid) as ending:
        begun = time.monotonic()
        _order(namespace)
        _wait(ending, status, live=page_of(sys.stderr).live and not namespace.json)
    took = time.monotonic() - begun
    text = f"the daemon (pid {status.pid}) has ended, after {wording.duration(took)}"
    return _said(namespace, {"pid": status.pid, "ended": True, "seconds": round(took, 3)}, text)


def _order(namespace: argparse.Namespace) -> None:
    ask_daemon(namespace, "stop")
    if namespace.now:
        # The second order means: at once. The daemon may have ended between the two.
        with contextlib.suppress(UnreachableError):
            ask_daemon(namespace, "stop")


@contextlib.contextmanager
def _pid_file(pid: int) -> Iterator[int]:
    """A descriptor that is readable once the process has ended.

    The control socket is not asked for this: under socket activation the question would start the daemon
    again.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError as error:
        raise UnreachableError(f"the daemon (pid {pid}) has ended by itself") from error
    except OSError as error:
        why = f"{error.strerror}; it takes Linux 5.3"
        raise FlowydError(f"cannot wait for the end of pid {pid} ({why}); use --no-wait") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait(ending: int, status: DaemonStatus, *, live: bool) -> None:
    busy = sum(1 for pool in status.pools for worker in pool.workers if worker.task is not None)
    if live and busy:
        print(f"waiting for {wording.plural(busy, 'worker')} with a task in hand", file=sys.stderr)
    try:
        select.select([ending], [], [])
    except KeyboardInterrupt:
        print("\nit goes on stopping without you; at once: flowyd stop --now", file=sys.stderr)
        raise


def _said(namespace: argparse.Namespace, members: dict[str, Any], text: str) -> int:
    if namespace.json:
        print_json(members)
    else:
        print(text)
    return exits.DONE

"""The listening sockets, which the supervisor holds for life so that callers wait through any restart.

They come from systemd's socket activation or are bound here. A lock file in the runtime directory, held
open by the supervisor alone, keeps a second daemon out; with the lock in hand a socket file that nobody
answers is stale and removed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from flowyd.errors import FlowydError

#: Callers that may wait while the engine restarts.
BACKLOG = 1024
#: How long an engine left over from a killed supervisor gets to end before its socket counts as taken.
LEFTOVER_S = 10.0


def lock_runtime_dir(directory: Path) -> int:
    """A descriptor that holds the daemon's lock on the directory.

    Raises:
        FlowydError: another daemon has it, or the directory cannot be used.
    """
    path = directory / "flowyd.lock"
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise FlowydError(f"runtime_dir {directory} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(fd, 32).decode("ascii", "replace").strip()
        os.close(fd)
        raise FlowydError(
            f"another flowyd (pid {owner or 'unknown'}) runs with runtime_dir {directory}; "
            "stop it or give this one a runtime_dir of its own"
        ) from error
    name_owner(fd)
    return fd


def name_owner(lock_fd: int) -> None:
    """Writes into the lock file who we are, for the message to a second daemon."""
    os.truncate(lock_fd, 0)
    os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)


def listen_unix(path: Path, *, mode: int, given: Sequence[socket.socket]) -> socket.socket:
    """The listening socket at the path, taken from systemd's or bound here.

    Raises:
        FlowydError: the path is in use or cannot be bound.
    """
    for candidate in given:
        if candidate.family == socket.AF_UNIX and candidate.getsockname() == str(path):
            return candidate
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o777 & ~mode)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise FlowydError(f"socket {path} cannot be bound: {error.strerror or error}") from error
    finally:
        os.umask(before)
    return listener


def listen_tcp(endpoint: str, *, given: Sequence[socket.socket]) -> socket.socket:
    """The listening socket at "address:port", taken from systemd's or bound here.

    Raises:
        FlowydError: it cannot be bound.
    """
    host, _, port = endpoint.rpartition(":")
    host = host.strip("[]")
    for candidate in given:
        if candidate.family != socket.AF_UNIX and candidate.getsockname()[:2] == (host, int(port)):
            return candidate
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise FlowydError(
            f"[engine] listen: {endpoint} cannot be bound: {error.strerror or error}"
        ) from error
    return listener


def _remove_stale(path: Path) -> None:
    """Removes a socket file that nobody answers; an old engine that is just ending is waited for."""
    deadline = time.monotonic() + LEFTOVER_S
    while _answers(path):
        if time.monotonic() >= deadline:
            raise FlowydError(f"{path}: another process listens there; stop it first")
        time.sleep(0.02)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FlowydError(f"{path} exists and is no socket; remove it or change runtime_dir")
        path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError as error:
            # A full backlog means that somebody listens.
            return error.errno == errno.EAGAIN
    return True

"""How a child comes to be: block signals, fork, install, unblock; at its end flush and `os._exit`.

The parent stays lean and has one thread, so a fork is cheap and safe. The child gets a session of its own
(the whole tree can be killed by group), stdin from /dev/null, stdout and stderr into pipes to the parent, and
a pipe for its reports. Every other descriptor of the parent is closed in it, save those it is given.
When the parent dies, whatever way, the kernel sends the child SIGTERM (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass

from flowyd.supervisor.standing import Standing

#: The child's own code raised: a bug or a broken installation (EX_SOFTWARE).
CRASHED = 70

#: Makes a child write the stacks of all its threads to its stderr, even while it hangs in C code.
DUMP_SIGNAL = signal.SIGUSR1

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """The parent's ends of a new child's pipes; all non-blocking."""

    pid: int
    stdout_fd: int
    stderr_fd: int
    reports_fd: int


def fork_child(main: Callable[[int], int], *, keep: Collection[int], standing: Standing) -> Forked:
    """Forks a child that runs `main(descriptor for reports)` and exits with its answer.

    Args:
        keep: descriptors of ours that the child may have, such as listening sockets.
        standing: what the child is to be.

    Raises:
        OSError: there are no more processes or descriptors; nothing was left open.
    """
    pipes: list[tuple[int, int]] = []
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        for _ in range(3):
            pipes.append(os.pipe2(os.O_CLOEXEC))
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _be_child(main, parent=parent, writers=[w for _, w in pipes], keep=keep, standing=standing)
    except OSError:
        for fd in (fd for pipe in pipes for fd in pipe):
            os.close(fd)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    for reader, writer in pipes:
        os.close(writer)
        os.set_blocking(reader, False)
    stdout, stderr, reports = (reader for reader, _ in pipes)
    return Forked(pid=pid, stdout_fd=stdout, stderr_fd=stderr, reports_fd=reports)


def _be_child(
    main: Callable[[int], int], *, parent: int, writers: list[int], keep: Collection[int], standing: Standing
) -> None:
    """Everything between the fork and `_exit`; never returns."""
    code = CRASHED
    try:
        gc.freeze()
        os.setsid()
        _wire(writers, keep)
        standing.take_on()
        # After it: a change of user takes the arrangement away (prctl(2)).
        _die_with(parent)
        _install_signals()
        code = main(writers[2])
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else CRASHED
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code & 0xFF)


def _die_with(parent: int) -> None:
    """Arranges SIGTERM for the parent's death; a parent that died already means an end at once."""
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        os._exit(CRASHED)


def _wire(writers: list[int], keep: Collection[int]) -> None:
    """stdin, stdout and stderr in their places; all else closed, save `keep` and the reports."""
    for handler in list(logging.getLogger().handlers):
        # The parent's way to the log; the child's own code sets up another one, on stderr.
        logging.getLogger().removeHandler(handler)
        handler.close()
    stdout, stderr, reports = writers
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for fd in (int(name) for name in os.listdir("/proc/self/fd")):
        if fd > 2 and fd != reports and fd not in keep:
            with contextlib.suppress(OSError):
                os.close(fd)
    # The parent's own stream objects may point elsewhere (a test's capture, a detached log file).
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _install_signals() -> None:
    """A fresh process's dispositions and the stack dump on SIGUSR1, then all signals let through.

    SIGTERM before the child's own code has its handler ends the child: it has nothing in hand yet.
    """
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    faulthandler.register(DUMP_SIGNAL, all_threads=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])

"""Processes that a benchmark started: their CPU, their private memory, their end.

Only processes started here are ever signalled, each by its pid, and children by the parent's.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

_STOP_S = 20.0


def spawn(
    argv: Sequence[str],
    *,
    folder: Path,
    log: str,
    environment: Mapping[str, str] | None = None,
    conversation: bool = False,
) -> subprocess.Popen[str]:
    """Starts a process in `folder`; its output goes to the file `log` there.

    With `conversation` its stdin and stdout are pipes, and only stderr goes to the file.
    """
    with (folder / log).open("ab") as output:
        return subprocess.Popen(
            list(argv),
            cwd=folder,
            env=dict(environment) if environment is not None else None,
            stdin=subprocess.PIPE if conversation else subprocess.DEVNULL,
            stdout=subprocess.PIPE if conversation else output,
            stderr=output,
            text=True,
            start_new_session=True,
        )


def tree(pids: Iterable[int]) -> list[psutil.Process]:
    """These processes and all below them that are alive."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for one in (process, *process.children(recursive=True)):
                found[one.pid] = one
    return list(found.values())


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds, user and system, of these processes so far; the kernel counts in hundredths."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def precise_cpu_s(processes: Iterable[psutil.Process]) -> float:
    """As `cpu_s`, in nanosecond steps, from the scheduler's statistics of all live threads."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError):
            for statistics in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
                total += int(statistics.read_text().split()[0])
    return total / 1e9


def private_mib(processes: Iterable[psutil.Process]) -> float:
    """Memory that would be free if these processes were gone (USS), MiB."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().uss
    return total / 2**20


def kill(processes: Sequence[psutil.Process]) -> None:
    """SIGKILL to each of them, then waits until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=_STOP_S)


def kill_left_in(folder: Path) -> None:
    """SIGKILL to what this process started in `folder`, and all below: what a failed start left behind."""
    left = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()) == folder:
                left.append(process.pid)
    kill(tree(left))


def end(roots: Sequence[subprocess.Popen[str]]) -> None:
    """SIGTERM to each root, in order, and SIGKILL to whatever of their trees is left after 20 s."""
    everything = tree(root.pid for root in roots if root.poll() is None)
    for root in roots:
        if root.poll() is None:
            root.terminate()
    deadline = time.monotonic() + _STOP_S
    for root in roots:
        with contextlib.suppress(subprocess.TimeoutExpired):
            root.wait(max(0.1, deadline - time.monotonic()))
    kill([process for process in everything if process.is_running()])
    for root in roots:
        root.wait()

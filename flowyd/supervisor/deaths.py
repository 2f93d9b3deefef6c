"""Why a child died, in words: its exit code or signal, our own part in it, or the kernel's want of memory."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from flowyd.supervisor.plan import StopReason
from flowyd.worker.spec import SERVICE_AWAY

_WHY = {
    StopReason.HUNG: "it was past its deadline",
    StopReason.SHUTDOWN: "the daemon stopped and it did not finish in time",
    StopReason.DRAINED: "its pool was drained and it did not finish in time",
    StopReason.RESIZED: "its pool became smaller and it did not finish in time",
    StopReason.RECYCLED: "it was to be recycled and did not finish in time",
    StopReason.REPLACED: "it was to be replaced and did not finish in time",
    StopReason.WITHDRAWN: "its code was withdrawn and it did not finish in time",
}


def describe_death(status: int, *, stop_reason: StopReason | None, killed: bool, out_of_memory: bool) -> str:
    """Such as "killed by SIGKILL" or "exited with code 3", with our own part in it.

    Args:
        status: as os.waitpid gives it.
        killed: we sent SIGKILL.
        out_of_memory: the kernel killed a process of our control group since the last look.
    """
    code = os.waitstatus_to_exitcode(status)
    if code == SERVICE_AWAY:
        return "ended because the service is away"
    if code >= 0:
        return f"exited with code {code}"
    text = f"killed by {_signal_name(-code)}"
    if killed and stop_reason is not None:
        return f"{text}: {_WHY[stop_reason]}"
    if -code == signal.SIGKILL and out_of_memory:
        return f"{text}: out of memory"
    return text


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class MemoryWatch:
    """Counts the kernel's out-of-memory kills in our control group."""

    def __init__(self, events_file: Path | None) -> None:
        self._file = events_file
        self._kills = self._read()

    def killed_since_last_look(self) -> bool:
        """Whether there was one since the last call."""
        before, self._kills = self._kills, self._read()
        return self._kills > before

    def _read(self) -> int:
        if self._file is None:
            return 0
        try:
            lines = self._file.read_text().splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def memory_events_file() -> Path | None:
    """Where the kernel counts the kills in our control group; None where it does not.

    That is memory.events of cgroup v2, or memory.oom_control of cgroup v1, which has a line of the same form.
    """
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        folder = path.lstrip("/")
        if controllers == "":
            file = Path("/sys/fs/cgroup", folder, "memory.events")
        elif "memory" in controllers.split(","):
            file = Path("/sys/fs/cgroup/memory", folder, "memory.oom_control")
        else:
            continue
        if file.exists():
            return file
    return None

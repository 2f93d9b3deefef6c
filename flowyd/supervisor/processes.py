"""What the kernel tells about a process of ours, read from /proc (proc(5)) so that the parent stays lean."""

from __future__ import annotations

import os

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Resident memory; 0 when the process is gone."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def cpu_s(pid: int) -> float:
    """User and system time used so far, seconds; 0 when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # Fields 14 and 15 of proc(5), counted after the command's name: utime, stime.
    return (int(fields[11]) + int(fields[12])) / _TICKS if len(fields) > 12 else 0.0

"""What the machine is: without it a figure means nothing to anybody else."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

_SYNCS = 50


def facts(folder: Path) -> dict[str, Any]:
    """Processor, memory, versions, load, and what one fsync of 4 KiB costs in `folder`, in ms (median)."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "file_system": _file_system(folder),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load_1min": round(os.getloadavg()[0], 2),
        "fsync_ms": round(fsync_ms(folder), 3),
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def described(facts: dict[str, Any]) -> str:
    """The facts as one line for people."""
    return (
        f"{facts['cores']} cores of {facts['processor']}, {facts['memory_gib']} GiB, "
        f"load {facts['load_1min']} before; "
        f"Linux {facts['kernel']}, {facts['file_system']}, fsync of 4 KiB {facts['fsync_ms']} ms; "
        f"Python {facts['python']}, SQLite {facts['sqlite']}; {facts['at']}"
    )


def fsync_ms(folder: Path) -> float:
    """Median milliseconds of appending 4 KiB to a file in `folder` and fdatasync."""
    spent = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            before = time.perf_counter()
            os.fdatasync(file.fileno())
            spent.append(time.perf_counter() - before)
    return sorted(spent)[_SYNCS // 2] * 1000


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    here = str(folder.resolve())
    mounts = [m for m in psutil.disk_partitions(all=True) if here.startswith(m.mountpoint)]
    return max(mounts, key=lambda m: len(m.mountpoint)).fstype if mounts else "unknown"

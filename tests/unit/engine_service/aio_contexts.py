"""Ends all contexts of asynchronous I/O of this process behind its back: the kernel knows them no more."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path

_IO_DESTROY = {"x86_64": 207, "aarch64": 1}


def end_contexts() -> None:
    """Waits for what is under way in them; whoever asks for its end then gets an error."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    contexts = [line for line in Path("/proc/self/maps").read_text().splitlines() if "/[aio]" in line]
    assert contexts, "nobody has begun asynchronous I/O"
    for line in contexts:
        assert call(_IO_DESTROY[platform.machine()], ctypes.c_ulong(int(line.partition("-")[0], 16))) == 0

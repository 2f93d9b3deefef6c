"""What every test may rely on."""

import ctypes
import logging
import platform
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

# A shell that starts the tests in the background has them ignore SIGINT, and all processes that they start
# would, too: tests that press Ctrl-C need the usual answer to it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Disk:
    """How the disk takes writes in the background."""

    #: Whether none has ended before it is waited for.
    is_slow: bool = True


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    """Leaves the root logger as it was, whatever the test sets up."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk that is slow until it is told otherwise; for writes whose file is opened after this."""
    disk = Disk()
    get_events = {"x86_64": 208, "aarch64": 4}[platform.machine()]
    system_call = ctypes.CDLL(None, use_errno=True).syscall
    system_call.restype = ctypes.c_long

    def answered(number: int, *arguments: object) -> int:
        if disk.is_slow and number == get_events and arguments[1] == 0:
            return 0
        result: int = system_call(number, *arguments)
        return result

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(syscall=answered))
    return disk

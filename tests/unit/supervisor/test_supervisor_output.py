"""Children's output cut into lines, and what is told about their deaths and to the service manager."""

from __future__ import annotations

import logging
import os
import signal
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowyd.supervisor.deaths import MemoryWatch, describe_death
from flowyd.supervisor.notify import Notifier, take_listening_sockets, take_notifier
from flowyd.supervisor.output import LINE_BYTES, RING_LINES, LineCutter, OutputLine, Ring
from flowyd.supervisor.plan import StopReason


@given(st.lists(st.binary(max_size=40)))
def test_lines_are_the_same_however_the_bytes_arrive(chunks: list[bytes]) -> None:
    whole, pieces = LineCutter("stdout"), LineCutter("stdout")
    everything = b"".join(chunks)

    at_once = [*whole.feed(everything, 0.0), *whole.end(0.0)]
    bit_by_bit = [line for chunk in chunks for line in pieces.feed(chunk, 0.0)] + pieces.end(0.0)

    assert at_once == bit_by_bit


@pytest.mark.parametrize(
    ("stream", "raw", "level", "text"),
    [
        ("stderr", b"<3>broken", logging.ERROR, "broken"),
        ("stderr", b"<7>detail", logging.DEBUG, "detail"),
        ("stderr", b"plain", logging.WARNING, "plain"),
        ("stdout", b"<3>just text", logging.INFO, "<3>just text"),
        ("stdout", b"caf\xe9\r", logging.INFO, "caf\ufffd"),
    ],
)
def test_a_line_has_its_severity(stream: str, raw: bytes, level: int, text: str) -> None:
    (line,) = LineCutter(stream).feed(raw + b"\n", 1.0)

    assert line == OutputLine(at=1.0, stream=stream, level=level, text=text)


def test_a_line_without_end_is_cut() -> None:
    lines = LineCutter("stdout").feed(b"x" * (3 * LINE_BYTES + 1), 0.0)

    assert [len(line.text) for line in lines] == [LINE_BYTES] * 3


def test_the_ring_is_bounded_and_last_words_are_those_of_the_task() -> None:
    ring = Ring()
    ring.add(
        [OutputLine(at=float(n), stream="stderr", level=30, text=str(n)) for n in range(RING_LINES + 10)]
    )

    assert len(ring.last(10_000)) == RING_LINES
    assert ring.last_words(since=RING_LINES + 7, count=20) == "507\n508\n509"


@pytest.mark.parametrize(
    ("status", "facts", "text"),
    [
        (3 << 8, {}, "exited with code 3"),
        (signal.SIGSEGV, {}, "killed by SIGSEGV"),
        (signal.SIGKILL, {"out_of_memory": True}, "killed by SIGKILL: out of memory"),
        (
            signal.SIGKILL,
            {"killed": True, "stop_reason": StopReason.HUNG},
            "killed by SIGKILL: it was past its deadline",
        ),
    ],
)
def test_a_death_is_described(status: int, facts: dict[str, object], text: str) -> None:
    known = {"stop_reason": None, "killed": False, "out_of_memory": False, **facts}

    assert describe_death(int(status), **known) == text  # type: ignore[arg-type]


def test_an_out_of_memory_kill_is_seen_once(tmp_path: Path) -> None:
    events = tmp_path / "memory.events"
    events.write_text("low 0\noom 0\noom_kill 1\n")
    watch = MemoryWatch(events)

    events.write_text("low 0\noom 1\noom_kill 2\n")

    assert [watch.killed_since_last_look(), watch.killed_since_last_look()] == [True, False]


def test_the_manager_gets_datagrams_and_the_environment_is_cleared(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        environment = {
            "NOTIFY_SOCKET": address,
            "WATCHDOG_USEC": "30000000",
            "WATCHDOG_PID": str(os.getpid()),
        }

        notifier = take_notifier(environment)
        notifier.ready("2/2 workers")
        ready = manager.recv(1000)
        notifier.reloading()
        reloading = manager.recv(1000)

    assert environment == {}
    assert notifier.watchdog_s == 30
    assert ready == b"READY=1\nSTATUS=2/2 workers"
    assert reloading.startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_an_abstract_address_is_understood() -> None:
    name = f"flowyd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")

        Notifier(f"@{name}", None).send("WATCHDOG=1")

        assert manager.recv(100) == b"WATCHDOG=1"


def test_sockets_meant_for_another_process_are_not_taken() -> None:
    assert take_listening_sockets({"LISTEN_FDS": "1", "LISTEN_PID": "1"}) == []

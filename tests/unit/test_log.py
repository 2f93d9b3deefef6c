"""Log records as lines, as JSON, with severities, and as the journal wants them."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowyd.log import JournalHandler, LogStyle, is_journal_stream, priority_of, set_up_logging

pytestmark = pytest.mark.usefixtures("logs_as_before")


def logged(style: LogStyle) -> list[str]:
    out = io.StringIO()
    set_up_logging("info", style=style, stream=out)
    logger = logging.getLogger("flowyd.test")
    logger.debug("not shown")
    logger.warning("worker %d\nended", 7, extra={"pool": "images", "run_id": "", "action": "reap"})
    return out.getvalue().splitlines()


def test_lines_have_time_level_message_and_fields() -> None:
    first, second = logged(LogStyle.LINES)

    assert first[24:] == "warning worker 7  action=reap  pool=images"
    assert second == "    ended"


def test_control_characters_are_shown_and_not_sent() -> None:
    out = io.StringIO()
    set_up_logging("info", style=LogStyle.LINES, stream=out)

    logging.getLogger("flowyd.test").info("id \x1b[2J")

    assert out.getvalue().endswith("id \\x1b[2J\n")


def test_json_has_one_object_a_line_and_only_known_fields() -> None:
    (line,) = logged(LogStyle.JSON)

    members = json.loads(line)
    assert members["message"] == "worker 7\nended"
    assert {name: members[name] for name in ("level", "logger", "pid", "pool", "action")} == {
        "level": "warning",
        "logger": "flowyd.test",
        "pid": os.getpid(),
        "pool": "images",
        "action": "reap",
    }
    assert "run_id" not in members


def test_prefixed_lines_each_have_their_severity() -> None:
    assert logged(LogStyle.PREFIXED) == ["<4>worker 7", "<4>ended"]


def test_a_traceback_belongs_to_its_record() -> None:
    out = io.StringIO()
    set_up_logging("info", style=LogStyle.PREFIXED, stream=out)

    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.getLogger("flowyd.test").exception("cannot")

    lines = out.getvalue().splitlines()
    assert lines[0] == "<3>cannot"
    assert lines[-1] == "<3>RuntimeError: broken"


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)],
)
def test_levels_have_the_severities_of_syslog(level: int, priority: int) -> None:
    assert priority_of(level) == priority


def test_setting_up_again_replaces() -> None:
    out = io.StringIO()
    set_up_logging("info", stream=io.StringIO())
    set_up_logging("error", stream=out)

    logging.getLogger("flowyd.test").warning("not shown")
    logging.getLogger("flowyd.test").error("shown")

    assert out.getvalue().count("\n") == 1


def test_the_journal_is_known_by_device_and_inode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")

        assert is_journal_stream(stream)
        assert not is_journal_stream(io.StringIO())
        assert not is_journal_stream(sys.__stderr__ or stream)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "journal"))
        listener.settimeout(5)
        yield listener


def record(message: str) -> logging.LogRecord:
    made = logging.LogRecord("flowyd.test", logging.ERROR, __file__, 1, message, (), None)
    made.workflow_id = "order-7"
    return made


def fields_in(datagram: bytes) -> dict[str, str]:
    found = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", datagram)
            value, datagram = datagram[8 : 8 + length], datagram[8 + length + 1 :]
        found[name.decode()] = value.decode()
    return found


def test_the_journal_gets_severity_fields_and_all_lines_in_one_entry(
    journal: socket.socket, tmp_path: Path
) -> None:
    handler = JournalHandler(logging.NullHandler(), str(tmp_path / "journal"))

    handler.handle(record("first\nsecond"))
    handler.close()

    fields = fields_in(journal.recv(65_536))
    assert fields["MESSAGE"] == "first\nsecond"
    assert fields["PRIORITY"] == "3"
    assert fields["WORKFLOW_ID"] == "order-7"
    assert fields["SYSLOG_IDENTIFIER"] == "flowyd"


def test_a_record_too_long_for_a_datagram_goes_as_a_file(journal: socket.socket, tmp_path: Path) -> None:
    handler = JournalHandler(logging.NullHandler(), str(tmp_path / "journal"))

    handler.handle(record("x" * 2_000_000))
    handler.close()

    _, fds, _, _ = socket.recv_fds(journal, 1, 1)
    with open(fds[0], "rb") as file:
        file.seek(0)
        assert fields_in(file.read())["MESSAGE"] == "x" * 2_000_000


def test_without_a_journal_the_record_goes_to_the_fallback(tmp_path: Path) -> None:
    out = io.StringIO()
    handler = JournalHandler(logging.StreamHandler(out), str(tmp_path / "nobody"))

    handler.handle(record("still seen"))

    assert out.getvalue() == "still seen\n"


def test_a_child_after_a_fork_logs_too(journal: socket.socket, tmp_path: Path) -> None:
    handler = JournalHandler(logging.NullHandler(), str(tmp_path / "journal"))
    handler.handle(record("parent"))

    pid = os.fork()
    if pid == 0:
        handler.handle(record("child"))
        os._exit(0)
    os.waitpid(pid, 0)
    handler.close()

    assert [fields_in(journal.recv(65_536))["MESSAGE"] for _ in range(2)] == ["parent", "child"]

"""Where log records go: readable lines on a terminal, the journal under systemd, JSON where asked for.

Under journald (JOURNAL_STREAM names our stderr) records are sent by the journal's native protocol, so that
each has its severity and fields (POOL, WORKFLOW_ID, RUN_ID, …) and stays one entry however many lines it
has. Where that socket cannot be reached, lines begin with `<N>`, which journald understands as severity.

Nothing here holds state that a fork would break: the journal's socket is not connected, each record is one
datagram, and the journal takes the sender's pid from the kernel. Handlers take locks, so nothing may be
logged in a signal handler.
Sources: sd-daemon(3), systemd.exec(5) for JOURNAL_STREAM, "Native Journal Protocol" of systemd.
"""

from __future__ import annotations

import array
import errno
import fcntl
import json
import logging
import os
import re
import socket
import struct
import sys
import time
from enum import Enum
from typing import TextIO

JOURNAL_SOCKET = "/run/systemd/journal/socket"

#: What `extra` may carry, as a field of the journal (in capitals) and a member of JSON lines.
FIELDS = (
    "action",
    "pool",
    "worker_pid",
    "domain",
    "task_list",
    "workflow_id",
    "run_id",
    "activity",
    "activity_id",
    "command",
    "target",
    "uid",
)

#: Severities of syslog(3), which journald uses, by logging's levels.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG_PRIORITY = 7

#: Control characters but line feed and tab: a workflow id must not be able to steer a terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


#: How the kernel says that a datagram is too long.
_TOO_LONG = (errno.EMSGSIZE, errno.ENOBUFS)


class LogStyle(str, Enum):
    """How records are written."""

    LINES = "lines"  #: for people
    JSON = "json"  #: one object a line
    PREFIXED = "prefixed"  #: `<N>` before each line, no time: for a reader that adds it, such as journald
    JOURNAL = "journal"  #: the journal's native protocol


def set_up_logging(level: str, *, style: LogStyle | None = None, stream: TextIO | None = None) -> None:
    """Sends all records of `level` (debug, info, warning, error) and above to stderr or the journal.

    `style` None: what FLOWYD_LOG_FORMAT names, else the journal where our stderr is its stream, else
    lines. May be called again, also after a fork; the last call counts.
    """
    out = stream if stream is not None else sys.stderr
    chosen = style or _style_of_environment() or _style_of_stream(out)
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.addHandler(_handler(chosen, out))
    root.setLevel(level.upper())


def _style_of_environment() -> LogStyle | None:
    named = os.environ.get("FLOWYD_LOG_FORMAT", "")
    return LogStyle(named) if named in {style.value for style in LogStyle} else None


def _style_of_stream(stream: TextIO) -> LogStyle:
    return LogStyle.JOURNAL if is_journal_stream(stream) else LogStyle.LINES


def is_journal_stream(stream: TextIO) -> bool:
    """Whether the stream is the one that systemd connected to the journal (systemd.exec(5))."""
    named = os.environ.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{status.st_dev}:{status.st_ino}"


def priority_of(level: int) -> int:
    """The syslog severity of one of logging's levels."""
    return next((priority for least, priority in _PRIORITIES if level >= least), _DEBUG_PRIORITY)


def fields_of(record: logging.LogRecord) -> dict[str, str]:
    """What the record's `extra` says, of the names in FIELDS, without empty ones."""
    found = {name: getattr(record, name, None) for name in FIELDS}
    return {name: str(value) for name, value in found.items() if value not in (None, "")}


class LineFormatter(logging.Formatter):
    """`TIME level message  name=value…`, later lines of a record indented so that it is seen as one."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        first, *rest = _text(self, record).split("\n")
        fields = "".join(f"  {name}={value}" for name, value in fields_of(record).items())
        start = f"{at}.{int(record.msecs):03d} {record.levelname.lower():<7} {first}"
        return _without_control("\n    ".join([start + fields, *rest]))


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, pid, the fields, and a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        members = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
            **fields_of(record),
        }
        if record.exc_info:
            members["traceback"] = self.formatException(record.exc_info)
        return json.dumps(members, ensure_ascii=False)


class PrefixFormatter(logging.Formatter):
    """`<N>message`, each line with its own severity, as sd-daemon(3) has it."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{priority_of(record.levelno)}>"
        return "\n".join(prefix + line for line in _without_control(_text(self, record)).split("\n"))


class JournalHandler(logging.Handler):
    """Sends each record to journald as one datagram, or gives it to `fallback` when that fails."""

    def __init__(self, fallback: logging.Handler, address: str = JOURNAL_SOCKET) -> None:
        super().__init__()
        self._fallback = fallback
        self._address = address
        self._socket: socket.socket | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(journal_datagram(record, _text(self.formatter or logging.Formatter(), record)))
        except OSError:
            self._fallback.handle(record)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        super().close()

    def _send(self, datagram: bytes) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.sendto(datagram, self._address)
        except OSError as error:
            if error.errno not in _TOO_LONG:
                self._socket.close()
                self._socket = None
                raise
            self._send_as_file(self._socket, datagram)

    def _send_as_file(self, journal: socket.socket, datagram: bytes) -> None:
        """Too long for a datagram: the journal takes a sealed memory file instead."""
        fd = os.memfd_create("flowyd-log", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        try:
            with open(fd, "wb", closefd=False) as file:
                file.write(datagram)
            fcntl.fcntl(
                fd,
                fcntl.F_ADD_SEALS,
                fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL,
            )
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
            journal.sendmsg([b""], rights, 0, self._address)
        finally:
            os.close(fd)


def journal_datagram(record: logging.LogRecord, message: str) -> bytes:
    """The record in the journal's native protocol: `NAME=value`, or with a length where it has lines."""
    fields = {
        "MESSAGE": message,
        "PRIORITY": str(priority_of(record.levelno)),
        "SYSLOG_IDENTIFIER": "flowyd",
        "LOGGER": record.name,
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
        **{name.upper(): value for name, value in fields_of(record).items()},
    }
    return b"".join(
        _journal_field(name, value.encode(errors="backslashreplace")) for name, value in fields.items()
    )


def _journal_field(name: str, value: bytes) -> bytes:
    if b"\n" in value:
        return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name.encode() + b"=" + value + b"\n"


def _handler(style: LogStyle, stream: TextIO) -> logging.Handler:
    if style is LogStyle.JOURNAL:
        return JournalHandler(_handler(LogStyle.PREFIXED, stream))
    handler = logging.StreamHandler(stream)
    formatters = {
        LogStyle.LINES: LineFormatter,
        LogStyle.JSON: JsonFormatter,
        LogStyle.PREFIXED: PrefixFormatter,
    }
    handler.setFormatter(formatters[style]())
    return handler


def _text(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The message, with the traceback if there is one."""
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + formatter.formatException(record.exc_info)
    return text.rstrip("\n")


def _without_control(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)

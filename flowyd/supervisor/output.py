"""What children write to stdout and stderr: cut into lines, kept in a bounded ring, written to our log.

A child's own log lines carry their severity in front as `<N>` (sd-daemon(3)), so they keep it; what else
it prints is logged as information (stdout) or a warning (stderr). Tracebacks of one log record stay in order.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from dataclasses import dataclass

logger = logging.getLogger("flowyd.output")

#: Lines kept of each child.
RING_LINES = 500
#: A longer line is cut into pieces, so that a child that never ends its line costs no memory.
LINE_BYTES = 8192

_SEVERITY = re.compile(rb"<([0-7])>")
_LEVELS = {
    0: logging.CRITICAL,
    1: logging.CRITICAL,
    2: logging.CRITICAL,
    3: logging.ERROR,
    4: logging.WARNING,
    5: logging.INFO,
    6: logging.INFO,
    7: logging.DEBUG,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLine:
    """One line a child wrote."""

    #: Epoch seconds at which the supervisor read it.
    at: float
    #: "stdout" or "stderr".
    stream: str
    level: int
    text: str


class LineCutter:
    """Bytes in, whole lines out, of one stream."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self._rest = b""

    def feed(self, chunk: bytes, at: float) -> list[OutputLine]:
        """The lines that the chunk ends."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        while len(self._rest) > LINE_BYTES:
            lines.append(self._rest[:LINE_BYTES])
            self._rest = self._rest[LINE_BYTES:]
        return [self._line(piece, at) for line in lines for piece in _pieces(line)]

    def end(self, at: float) -> list[OutputLine]:
        """What was written without a closing line end, when the stream ends."""
        rest, self._rest = self._rest, b""
        return [self._line(rest, at)] if rest else []

    def _line(self, raw: bytes, at: float) -> OutputLine:
        level = logging.INFO if self.stream == "stdout" else logging.WARNING
        marked = _SEVERITY.match(raw)
        if marked and self.stream == "stderr":
            level = _LEVELS[int(marked[1])]
            raw = raw[marked.end() :]
        text = raw.decode("utf-8", "replace").rstrip("\r")
        return OutputLine(at=at, stream=self.stream, level=level, text=text)


def _pieces(line: bytes) -> list[bytes]:
    if len(line) <= LINE_BYTES:
        return [line]
    return [line[start : start + LINE_BYTES] for start in range(0, len(line), LINE_BYTES)]


class Ring:
    """The last lines of one child."""

    def __init__(self) -> None:
        self._lines: deque[OutputLine] = deque(maxlen=RING_LINES)

    def add(self, lines: list[OutputLine]) -> None:
        """Keeps the lines, dropping the oldest beyond the limit."""
        self._lines.extend(lines)

    def last(self, count: int) -> list[OutputLine]:
        """The youngest lines, oldest first."""
        return list(self._lines)[-count:] if count > 0 else []

    def last_words(self, *, since: float, count: int = 20) -> str:
        """The youngest lines of stderr since then, for whoever must say why the child died."""
        stderr = [line.text for line in self._lines if line.stream == "stderr" and line.at >= since]
        return "\n".join(stderr[-count:])


def log_lines(lines: list[OutputLine], *, pool: str, pid: int, tags: dict[str, str]) -> None:
    """Writes the lines to our log, tagged with their origin and the task that ran."""
    for line in lines:
        extra = {"action": "output", "pool": pool, "worker_pid": pid, "stream": line.stream, **tags}
        logger.log(line.level, "%s[%d]: %s", pool, pid, line.text, extra=extra)

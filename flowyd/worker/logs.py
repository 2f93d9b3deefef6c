"""A child's log: lines on stderr with their severity in front, which the supervisor reads and passes on."""

from __future__ import annotations

import logging
import sys

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _Marked(logging.Formatter):
    """Puts `<N>` (sd-daemon(3)) in front of every line, so that a traceback keeps its severity."""

    def format(self, record: logging.LogRecord) -> str:
        mark = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(mark + line for line in super().format(record).splitlines() or [""])


def log_to_supervisor(level: str) -> None:
    """Sends all logging of this process to stderr, marked, from the level on (debug, info, …)."""
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(_Marked("%(message)s"))
    root = logging.getLogger()
    root.handlers = [output]
    root.setLevel(level.upper())

"""What happened to the daemon and who asked for it: the supervisor's own log lines, the youngest in memory.

The log is where everything worth telling is said once, with who and what as fields; this ring lets the
console show it without access to the journal. What the log level holds back is not here either, nor is what
workers write: that is in each worker's own ring.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

#: Some days of a quiet daemon, a few minutes of one whose workers die all the time; about 200 kB.
KEPT = 1_000
#: Fields of a log record that are told, where it has them.
_FIELDS = ("action", "pool", "worker_pid", "workflow_id", "uid", "command")


class EventRing(logging.Handler):
    """The youngest records of the supervisor's loggers, as JSON-able members."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self._count += 1
        fields = {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        self._kept.append(
            {
                "number": self._count,
                "at": record.created,
                "level": record.levelname.lower(),
                "text": record.getMessage(),
                **fields,
            }
        )

    def after(self, number: int, most: int) -> list[dict[str, Any]]:
        """The youngest events beyond that number, oldest first, `most` at most."""
        newer = [event for event in self._kept if event["number"] > number]
        return newer[-most:] if most else []

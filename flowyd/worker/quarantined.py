"""Which tasks a worker must not run, by the file of keys that the supervisor keeps."""

from __future__ import annotations

import os
from pathlib import Path

from flowyd.control.quarantine import decode_keys
from flowyd.control.reports import TaskInHand
from flowyd.worker.spec import QUARANTINED


class QuarantineKeys:
    """The file's content, read again when the file is another one."""

    def __init__(self, file: Path | None) -> None:
        self._file = None if file is None else os.fspath(file)
        self._seen: tuple[int, int] | None = None
        self._keys: dict[str, int | None] = {}

    def is_held(self, task: TaskInHand) -> bool:
        """Whether the task must be left open for an operator."""
        self.look()
        return task.quarantine_key in self._keys and self._keys[task.quarantine_key] is None

    def why_failed(self, task: TaskInHand) -> str | None:
        """The reason with which the task must be failed at once, as of the last look; None: it need not."""
        deaths = self._keys.get(task.quarantine_key)
        return None if deaths is None else failure_reason(deaths)

    def look(self) -> None:
        """Reads the file if it has changed."""
        if self._file is None:
            return
        try:
            facts = os.stat(self._file)
            seen = (facts.st_ino, facts.st_mtime_ns)
            if seen != self._seen:
                self._keys = decode_keys(Path(self._file).read_text())
                self._seen = seen
        except FileNotFoundError:
            self._keys, self._seen = {}, None


def failure_reason(deaths: int) -> str:
    """Why a quarantined task failed, as its execution is told."""
    return f"{QUARANTINED}: killed its worker {deaths} {'time' if deaths == 1 else 'times'}"

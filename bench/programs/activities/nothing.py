"""The benchmark's activity: does nothing, or writes down that it ran."""

from __future__ import annotations

import os
from typing import Any

from flowyd import Activity, activity


@activity(name="nothing", version=1, task_list="bench-activities")
class Nothing(Activity):
    """Gives back what it got."""

    def run(self, payload: Any, log: str = "", name: str = "") -> Any:
        """With `log`, appends `name` to that file."""
        if log:
            fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(fd, (name + "\n").encode())
            os.close(fd)
        return payload

"""The benchmark's activity: does nothing, or writes down that it ran."""

from __future__ import annotations

import os
import time
from typing import Any

from flowyd import Activity, activity


@activity(name="nothing", version=1, task_list="bench-activities")
class Nothing(Activity):
    """Gives back what it got."""

    def run(self, payload: Any, log: str = "", name: str = "") -> Any:
        """With `log`, waits until there is a file of that name and `.open`, then appends `name` to `log`."""
        if log:
            while not os.path.exists(log + ".open"):
                time.sleep(0.005)
            fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(fd, (name + "\n").encode())
            os.close(fd)
        return payload

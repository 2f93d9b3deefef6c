"""The storm's activities. A drop-in changes the edition; each attempt is written down where it begins."""

from __future__ import annotations

import hashlib
import os
import random
import time

from flowyd import Activity, activity

EDITION = 0


class _Noted(Activity):
    """Writes down its token and the edition, in one write, so that a kill leaves a whole line or none."""

    def note(self) -> None:
        """One line in the ledger: this attempt has begun, in this process."""
        digest = hashlib.sha256(self.token.encode()).hexdigest()[:24]
        ledger = os.open(os.environ["STORM_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(ledger, f"{digest} {EDITION}\n".encode())
        os.close(ledger)
        # Long enough that kills find tasks in hand.
        time.sleep(random.uniform(0.02, 0.3))


@activity("square", 1, "work", start_to_close=60)
class Square(_Noted):
    """A number's square."""

    def run(self, number: int) -> int:
        """Answers it."""
        self.note()
        return number * number


@activity("total", 1, "work", start_to_close=60)
class Total(_Noted):
    """The sum of numbers."""

    def run(self, *numbers: int) -> int:
        """Answers it."""
        self.note()
        return sum(numbers)

"""The storm's workflow of which there are many. A drop-in changes the edition."""

from __future__ import annotations

from flowyd import ActivityProxy, RetryPolicy, Workflow, workflow

EDITION = 0

_AGAIN = RetryPolicy(maximum_attempts=50, first_interval_s=0, jitter=0)


@workflow("sums", 1, "decide", decision_duration=60)
class Sums(Workflow):
    """Three squares at once, then their sum."""

    square = ActivityProxy("square", 1, retry_policy=_AGAIN)
    total = ActivityProxy("total", 1, retry_policy=_AGAIN)

    def run(self, number: int) -> int:
        """Answers the sum."""
        squares = [self.square(number + more) for more in range(3)]
        total: int = self.total(*squares).result()
        return total

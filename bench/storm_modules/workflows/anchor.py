"""One execution that is open through the whole storm, so that code it does not fit must be refused."""

from __future__ import annotations

from flowyd import ActivityProxy, RetryPolicy, Workflow, workflow

_AGAIN = RetryPolicy(maximum_attempts=50, first_interval_s=0, jitter=0)


@workflow("anchor", 1, "decide", decision_duration=60)
class Anchor(Workflow):
    """A square, a signal at the storm's end, a sum."""

    square = ActivityProxy("square", 1, retry_policy=_AGAIN)
    total = ActivityProxy("total", 1, retry_policy=_AGAIN)

    def run(self, number: int) -> int:
        """Answers the square, with one more."""
        square = self.square(number).result()
        self.signal("end").result()
        total: int = self.total(square, 1).result()
        return total

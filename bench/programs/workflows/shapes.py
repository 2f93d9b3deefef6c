"""The benchmark's workflows: a chain, a fan-out with its join, and three activities."""

from __future__ import annotations

from typing import Any

from flowyd import ActivityProxy, RetryPolicy, Workflow, wait, workflow

_TASK_LIST = "bench-decisions"


@workflow(name="chain", version=1, task_list=_TASK_LIST, workflow_duration=86_400)
class Chain(Workflow):
    """n activities, each after the other."""

    nothing = ActivityProxy(name="nothing", version=1)

    def run(self, n: int, payload: Any) -> int:
        """Answers n."""
        for _ in range(n):
            payload = self.nothing(payload).result()
        return n


@workflow(name="fan", version=1, task_list=_TASK_LIST, workflow_duration=86_400)
class Fan(Workflow):
    """n activities at the same time, then their join."""

    nothing = ActivityProxy(name="nothing", version=1)

    def run(self, n: int, payload: Any) -> int:
        """Answers how many came back."""
        results = [self.nothing(payload) for _ in range(n)]
        wait(results)
        return sum(1 for result in results if result.result())


@workflow(name="three", version=1, task_list=_TASK_LIST, workflow_duration=86_400)
class Three(Workflow):
    """Two activities in parallel, one after both."""

    #: An activity whose worker was killed is run again, as the steps of all peers are.
    nothing = ActivityProxy(name="nothing", version=1, retry_policy=RetryPolicy(first_interval_s=0))

    def run(self, payload: Any, log: str = "", name: str = "") -> Any:
        """Answers what the last one gave back."""
        left = self.nothing(payload, log, name + "/0")
        right = self.nothing(payload, log, name + "/1")
        wait(left, right)
        return self.nothing(right.result(), log, name + "/2").result()

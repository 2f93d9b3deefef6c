"""The workflows whose histories are stored here. Their code must go on fitting these histories."""

from __future__ import annotations

from typing import Any

from flowyd import (
    ActivityProxy,
    CancelRequested,
    RetryPolicy,
    TaskError,
    TaskRefused,
    Workflow,
    WorkflowProxy,
    activity,
    finish,
    finish_order,
    first,
    gather,
    parallel_reduce,
    restart,
    wait,
    workflow,
)


@activity("double", 1, "numbers")
def double(number: int) -> int:
    return 2 * number


@activity("plus", 1, "numbers")
def plus(*numbers: int) -> int:
    return sum(numbers)


@activity("resize", 1, "images")
def resize(url: str, size: int) -> str:
    return f"/tmp/{len(url)}-{size}"


@activity("predominantcolor", 1, "images")
def predominant_color(url: str) -> dict[str, int]:
    return {"red": len(url), "green": 1, "blue": 2}


@activity("renameimage", 1, "images")
def rename_image(path: str, color: str) -> str:
    return f"/tmp/{color}{path}"


@workflow("tutorial", 1, "w")
class Tutorial(Workflow):
    resize = ActivityProxy("resize", 1)
    sum_colors = ActivityProxy("predominantcolor", 1)
    rename = ActivityProxy("renameimage", 1, start_to_close=5)

    def run(self, url: str) -> Any:
        resized = self.resize(url, 256)
        sums = self.sum_colors(url).result()
        return self.rename(resized, max(sums, key=sums.get))


@workflow("dependencies", 1, "w")
class Dependencies(Workflow):
    double = ActivityProxy("double", 1)
    plus = ActivityProxy("plus", 1)

    def run(self) -> Any:
        first_one = self.double(5)
        second = self.double(first_one)
        third = self.double(second)
        return self.plus(first_one, second, third, self.double(50))


@workflow("family", 1, "w")
class Family(Workflow):
    child = WorkflowProxy("dependencies", 1)
    double = ActivityProxy("double", 1)
    plus = ActivityProxy("plus", 1)

    async def run(self, width: int) -> Any:
        doubled = [self.double(number) for number in range(width)]
        total = parallel_reduce(self.plus, doubled)
        ordered = [await result for result in finish_order(doubled)]
        return await gather(total, self.child(), len(ordered))


@workflow("troubles", 1, "w")
class Troubles(Workflow):
    again = ActivityProxy("double", 1, retry_policy=RetryPolicy(first_interval_s=5, jitter=0.5))
    handled = ActivityProxy("plus", 1, error_handling=True, retry=1)
    delayed = ActivityProxy("double", 1, delay=30)

    def run(self) -> Any:
        kept = self.side_effect(lambda: 41) + 1
        late = self.delayed(kept)
        doubled = self.again(kept)
        try:
            self.handled(1, 2).result()
        except TaskError as error:
            return [str(error), doubled, late, self.random() < 1, self.now().year]
        return None


@workflow("approval", 1, "w")
class Approval(Workflow):
    double = ActivityProxy("double", 1)

    def run(self) -> Any:
        try:
            approved, late = self.signal("approve"), self.timer(600)
            if first(approved, late) is late:
                return "late"
            late.cancel()
            self.sleep(1_800)
        except CancelRequested:
            self.double(-1).result()
            raise
        return approved


@workflow("rounds", 1, "w", restart_at=40)
class Rounds(Workflow):
    double = ActivityProxy("double", 1)
    plus = ActivityProxy("plus", 1)

    def run(self, number: int, total: int = 0) -> Any:
        if number == 0:
            return total
        with self.options(start_to_close=7, priority=3):
            doubled = self.double(number)
        return restart(number - 1, self.plus(total, doubled))


@workflow("canceling", 1, "w")
class Canceling(Workflow):
    delayed = ActivityProxy("double", 1, delay=600)
    child = WorkflowProxy("approval", 1, error_handling=True)
    double = ActivityProxy("double", 1)

    def run(self) -> Any:
        late, child, alarm = self.delayed(1), self.child(), self.timer(3_600)
        self.double(2).result()
        self.sleep(30)
        for one in (late, child, alarm):
            one.cancel()
        wait(late, alarm)
        try:
            child.result()
        except TaskError as error:
            return type(error).__name__
        return None


@workflow("changing", 1, "w")
class Changing(Workflow):
    double = ActivityProxy("double", 1)

    def run(self, other: str) -> Any:
        sent = self.send_signal(other, "approve", {"by": "changing"})
        asked = self.request_cancel(other)
        kept = self.side_effect(lambda: [1, 2])
        number = self.double(len(kept)) if self.changed("double it") else 0
        try:
            wait(sent, asked)
            sent.result()
        except TaskRefused as error:
            return [error.reason, number, str(self.uuid4()), self.now().isoformat()]
        return None


@workflow("wide", 1, "w")
class Wide(Workflow):
    double = ActivityProxy("double", 1)

    def run(self, width: int) -> Any:
        return finish(sum(one.result() for one in [self.double(number) for number in range(width)]))


SOURCES = [
    double,
    plus,
    resize,
    predominant_color,
    rename_image,
    Tutorial,
    Dependencies,
    Family,
    Troubles,
    Approval,
    Rounds,
    Canceling,
    Changing,
    Wide,
]

"""The recorded traces of the programming model, with the numbers they were recorded under.

A call owns 1 number per attempt (1 + retry) and one before them if it has a delay; the number of a task is
the numbers owned by the calls before it, plus its attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowyd import ActivityProxy, TaskError, Workflow, WorkflowProxy, workflow
from tests.unit.decider.decider_script import Script

register = workflow("w", 1, "l")


@register
class ReturnsOnly(Workflow):
    def run(self):
        return "hello"


@register
class OneActivity(Workflow):
    a = ActivityProxy("identity", 1)

    def run(self):
        return self.a(7).result()


@register
class HandlesFailures(Workflow):
    a = ActivityProxy("fails", 1, error_handling=True)
    b = ActivityProxy("fails", 1)

    def run(self):
        one = self.a()
        with self.options(error_handling=True):
            two = self.b()
        for result in (one, two):
            with pytest.raises(TaskError):
                result.result()


@register
class PassesErrorsOn(Workflow):
    a = ActivityProxy("fails", 1, error_handling=True)
    b = ActivityProxy("identity", 1, error_handling=True)

    def run(self):
        with pytest.raises(TaskError, match="bad"):
            self.b(self.b(self.a())).result()


@register
class PassesErrorsOnUnhandled(Workflow):
    a = ActivityProxy("fails", 1, error_handling=True)
    b = ActivityProxy("identity", 1)

    def run(self):
        self.b(self.a())


@register
class RaisesInRun(Workflow):
    def run(self):
        raise ValueError("stop")


@register
class Delays(Workflow):
    a = ActivityProxy("identity", 1)
    b = ActivityProxy("identity", 1, delay=5)

    def run(self):
        self.a(0)
        self.b(1)
        with self.options(delay=10):
            self.a(2)


@register
class LoopsUntil(Workflow):
    double = ActivityProxy("double", 1)

    def run(self):
        value = 5
        while value < 100:
            value = self.double(value).result()
        return value - 100


@register
class MapsAndSums(Workflow):
    square = ActivityProxy("square", 1)
    sum = ActivityProxy("sum", 1)

    def run(self):
        return self.sum(*map(self.square, range(5)))


@register
class StartsChild(Workflow):
    child = WorkflowProxy("child", 1)

    def run(self):
        return self.child()


@register
class Dependencies(Workflow):
    a = ActivityProxy("a", 1)
    double = ActivityProxy("double", 1)
    sum = ActivityProxy("sum", 1)

    def run(self):
        first = self.a(10)
        second = self.double(first)
        third = self.double(second)
        fourth = self.a(100)
        return self.sum(first, second, third, fourth)


@register
class Tutorial(Workflow):
    resize = ActivityProxy("resize", 1)
    sum_colors = ActivityProxy("predominantcolor", 1)
    rename = ActivityProxy("renameimage", 1)

    def run(self, url):
        resized = self.resize(url, 256)
        colors = self.sum_colors(url)
        sums = colors.result()
        return self.rename(resized, max(sums, key=sums.get))


class Numbered:
    """A script whose ids are told, and shown, as recorded numbers."""

    def __init__(self, cls: Any, calls: str, *arguments: Any) -> None:
        """`calls`: every call in program order; `a+` is a call of `a` with a delay."""
        self.script = Script(cls, *arguments)
        self.ids: dict[str, int] = {}
        number, counts = 0, dict[str, int]()
        for word in calls.split():
            attribute = word.rstrip("+")
            count = counts[attribute] = counts.get(attribute, -1) + 1
            if word.endswith("+"):
                self.ids[f"{attribute}-{count}-delay"] = number
                number += 1
            for attempt in range(4):
                self.ids[f"{attribute}-{count}-{attempt}"] = number
                self.ids[f"run-{attribute}-{count}-{attempt}"] = number
                number += 1

    def decides(self) -> list[str]:
        return [
            " ".join(str(self.ids.get(word, word)) for word in line.split(" "))
            for line in self.script.decides()
        ]

    def __getattr__(self, verb: str) -> Callable[..., None]:
        def tell(number: int, *what: Any) -> None:
            wanted = next(i for i, n in self.ids.items() if n == number and i in self.script._opened)
            getattr(self.script, verb)(wanted, *what)

        return tell


def _complete(number: int, value: Any = None) -> Callable[[Numbered], None]:
    return lambda run: run.completes(number, value)


def _fail(number: int, reason: str) -> Callable[[Numbered], None]:
    return lambda run: run.fails(number, reason)


def _time_out(number: int) -> Callable[[Numbered], None]:
    return lambda run: run.times_out(number)


def _fire(number: int) -> Callable[[Numbered], None]:
    return lambda run: run.fires(number)


#: Name, class, calls, arguments, then in turn: decisions, what happens, decisions, …
TRACES: list[tuple[str, Any, str, list[Any], list[Any]]] = [
    ("return only", ReturnsOnly, "", [], [['complete "hello"']]),
    ("one activity", OneActivity, "a", [], [["schedule 0"], _complete(0, 7), ["complete 7"]]),
    ("unhandled failure", OneActivity, "a", [], [["schedule 0"], _fail(0, "bad"), ["fail bad"]]),
    (
        "handled failures, by proxy and by block",
        HandlesFailures,
        "a b",
        [],
        [["schedule 0", "schedule 4"], _fail(0, "x"), [], _fail(4, "y"), ["complete null"]],
    ),
    (
        "error passed on with handling",
        PassesErrorsOn,
        "a b b",
        [],
        [["schedule 0"], _fail(0, "bad"), ["complete null"]],
    ),
    (
        "error passed on without handling",
        PassesErrorsOnUnhandled,
        "a b",
        [],
        [["schedule 0"], _fail(0, "bad"), ["fail bad"]],
    ),
    ("exception in run", RaisesInRun, "", [], [["fail stop"]]),
    (
        "timeout, default retry",
        OneActivity,
        "a",
        [],
        [
            *(step for n in range(4) for step in ([f"schedule {n}"], _time_out(n))),
            ["fail A job has timed out."],
        ],
    ),
    (
        "delays",
        Delays,
        "a b+ a+",
        [],
        [
            ["schedule 0", "timer 4 5", "timer 9 10"],
            _complete(0),
            [],
            _fire(4),
            ["schedule 5"],
            _complete(5),
            [],
            _fire(9),
            ["schedule 10"],
            _complete(10),
            ["complete null"],
        ],
    ),
    (
        "loop until at least 100, doubling from 5",
        LoopsUntil,
        "double double double double double",
        [],
        [
            *(step for n in range(5) for step in ([f"schedule {4 * n}"], _complete(4 * n, 10 << n))),
            ["complete 60"],
        ],
    ),
    (
        "map over 0 to 4, then sum",
        MapsAndSums,
        "square square square square square sum",
        [],
        [
            ["schedule 0", "schedule 4", "schedule 8", "schedule 12", "schedule 16"],
            lambda run: (run.completes(0, 0), run.completes(4, 1)),
            [],
            lambda run: (run.completes(8, 4), run.completes(12, 9)),
            [],
            _complete(16, 16),
            ["schedule 20"],
            _complete(20, 30),
            ["complete 30"],
        ],
    ),
    ("child workflow", StartsChild, "child", [], [["child 0"], _complete(0, 5), ["complete 5"]]),
    (
        "dependency example",
        Dependencies,
        "a double double a sum",
        [],
        [
            ["schedule 0", "schedule 12"],
            _complete(0, 10),
            ["schedule 4"],
            _complete(12, 100),
            [],
            _complete(4, 20),
            ["schedule 8"],
            _complete(8, 40),
            ["schedule 16"],
            _complete(16, 170),
            ["complete 170"],
        ],
    ),
    (
        "tutorial workflow, resize first",
        Tutorial,
        "resize sum_colors rename",
        ["http://x"],
        [
            ["schedule 0", "schedule 4"],
            _complete(0, "/tmp/a"),
            [],
            _complete(4, {"red": 2, "green": 1}),
            ["schedule 8"],
            _complete(8, "/tmp/red/a"),
            ['complete "/tmp/red/a"'],
        ],
    ),
    (
        "tutorial workflow, colours first",
        Tutorial,
        "resize sum_colors rename",
        ["http://x"],
        [
            ["schedule 0", "schedule 4"],
            _complete(4, {"red": 2, "green": 1}),
            [],
            _complete(0, "/tmp/a"),
            ["schedule 8"],
            _complete(8, "/tmp/red/a"),
            ['complete "/tmp/red/a"'],
        ],
    ),
]


@pytest.mark.parametrize(
    ("cls", "calls", "arguments", "steps"), [case[1:] for case in TRACES], ids=[case[0] for case in TRACES]
)
def test_code_decides_as_recorded(cls: Any, calls: str, arguments: list[Any], steps: list[Any]) -> None:
    run = Numbered(cls, calls, *arguments)

    for step in steps:
        if callable(step):
            step(run)
        else:
            assert run.decides() == step


def test_the_sum_of_the_dependency_example_gets_the_results_of_its_own_calls() -> None:
    script = Script(Dependencies)
    script.decides()
    for task_id, value in (("a-0-0", 10), ("a-1-0", 100)):
        script.completes(task_id, value)
    script.decides()
    script.completes("double-0-0", 20)
    script.decides()
    script.completes("double-1-0", 40)

    script.decides()

    attributes = script.outcome.decisions[0]["scheduleActivityTaskDecisionAttributes"]
    assert attributes["input"] == "[[10, 20, 40, 100], {}]"

"""Activities: whatever happens in run becomes one answer, or none."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from flowyd import Activity, SuspendTask, TaskCanceled, activity
from flowyd.errors import ProgramError
from flowyd.sdk.registry import registration_of
from flowyd.testing.running import Recorder, perform


def answer(cls: type[Activity], text: str | None = "[[2, 3], {}]") -> Any:
    recorder = Recorder()
    cls(input=text, scheduler=recorder, token="t")()
    return recorder.answer


class Adds(Activity):
    def run(self, *numbers: int) -> int:
        return sum(numbers)


def test_a_value_completes_the_task() -> None:
    assert answer(Adds) == ("complete", "5", None)


def test_no_input_is_no_arguments() -> None:
    assert answer(Adds, None) == ("complete", "0", None)


def test_an_exception_fails_it_with_reason_and_traceback() -> None:
    class Fails(Activity):
        def run(self, *_: int) -> None:
            raise ValueError("x" * 300)

    kind, reason, details = answer(Fails)

    assert (kind, reason) == ("fail", "x" * 256)
    assert json.loads(details)["type"] == "ValueError"
    assert "in run" in json.loads(details)["traceback"]


def test_an_exception_without_text_is_named() -> None:
    class Fails(Activity):
        def run(self, *_: int) -> None:
            raise KeyError

    assert answer(Fails)[1] == "KeyError"


def test_a_huge_traceback_is_cut_at_its_beginning() -> None:
    class Fails(Activity):
        def run(self, *_: int) -> None:
            raise ValueError('"\\é' * 20_000)

    details = answer(Fails)[2]

    assert len(details) <= 32_768
    assert json.loads(details)["type"] == "ValueError"


def test_suspend_answers_nothing() -> None:
    class Leaves(Activity):
        def run(self, *_: int) -> None:
            raise SuspendTask

    assert answer(Leaves) is None


def test_task_canceled_answers_a_cancel_request() -> None:
    class Stops(Activity):
        def run(self, *_: int) -> None:
            raise TaskCanceled("half done")

    assert answer(Stops) == ("cancel", "", "half done")


@pytest.mark.parametrize("text", ["nonsense", "{}", "[[1], {}, 2]"])
def test_bad_input_fails_the_task(text: str) -> None:
    assert answer(Adds, text)[0] == "fail"


def test_a_result_without_codec_fails_the_task() -> None:
    class Odd(Activity):
        def run(self, *_: int) -> object:
            return object()

    kind, reason, _ = answer(Odd)

    assert kind == "fail"
    assert "cannot travel" in reason


def test_a_result_beyond_the_limit_fails_the_task_with_its_name() -> None:
    class Long(Activity):
        def run(self, *_: int) -> str:
            return "x" * 40_000

    assert answer(Long)[1].startswith("the result of Long is 40002 characters long")


def test_system_exit_passes_through_unanswered() -> None:
    class Exits(Activity):
        def run(self, *_: int) -> None:
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        answer(Exits)


def test_heartbeat_details_are_text_or_json_and_cut() -> None:
    recorder = Recorder()
    task = Adds(scheduler=recorder, token="t")

    assert task.heartbeat() is True
    assert task.heartbeat({"done": 1})
    assert task.heartbeat("y" * 3_000)
    recorder.cancel_requested = True
    assert task.heartbeat("z") is False
    assert recorder.heartbeats == [None, '{"done": 1}', "y" * 2_048, "z"]


def test_a_function_becomes_an_activity() -> None:
    @activity("double", 1, "l")
    def double(number: int) -> int:
        return 2 * number

    recorder = Recorder()
    perform(registration_of(double), "[[4], {}]", recorder)  # type: ignore[arg-type]  # an activity

    assert recorder.answer == ("complete", "8", None)
    assert double(4) == 8


def test_an_async_activity_is_awaited_not_called() -> None:
    class Async(Activity):
        async def run(self, *numbers: int) -> int:
            await asyncio.sleep(0)
            return sum(numbers)

    recorder = Recorder()
    task = Async(input="[[1, 2], {}]", scheduler=recorder, token="t")

    assert Async.is_async()
    with pytest.raises(ProgramError, match="run_async"):
        task()
    asyncio.run(task.run_async())
    assert recorder.answer == ("complete", "3", None)


def test_an_async_activity_fails_like_another() -> None:
    class Async(Activity):
        async def run(self) -> int:
            raise ValueError("no")

    recorder = Recorder()
    asyncio.run(Async(input="[[], {}]", scheduler=recorder, token="t").run_async())

    assert recorder.answer is not None
    assert recorder.answer[:2] == ("fail", "no")

"""What a run does beyond the recorded traces: errors, retries, timers, signals, cancellation, restart."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass

import pytest

from flowyd import (
    ActivityProxy,
    CancelRequested,
    RetryPolicy,
    SuspendTask,
    TaskCanceled,
    TaskError,
    TaskRefused,
    TaskTerminated,
    TaskTimedout,
    Workflow,
    WorkflowProxy,
    finish,
    finish_order,
    first,
    gather,
    parallel_reduce,
    restart,
    wait,
    workflow,
)
from flowyd.decider import Failed, Suspended
from tests.unit.decider.decider_script import Script

register = workflow("w", 1, "l")


class Calls(Workflow):
    a = ActivityProxy("a", 1)
    b = ActivityProxy("b", 1)
    c = ActivityProxy("c", 1)
    handled = ActivityProxy("a", 1, error_handling=True)
    once = ActivityProxy("a", 1, retry=0)
    child = WorkflowProxy("child", 1)


def script(cls: type, *arguments: object) -> Script:
    return Script(register(cls), *arguments)


def test_an_unread_activity_is_waited_for_before_completion() -> None:
    class W(Calls):
        def run(self):
            self.a()
            return "done"

    run = script(W)

    assert run.decides() == ["schedule a-0-0"]
    run.completes("a-0-0")
    assert run.decides() == ['complete "done"']


def test_finish_does_not_wait_for_what_runs() -> None:
    class W(Calls):
        def run(self):
            self.a()
            self.b().result()
            return finish("done")

    run = script(W)
    run.decides()
    run.completes("b-0-0")

    assert run.decides() == ['complete "done"']


def test_results_nested_in_arguments_are_waited_for_and_filled_in() -> None:
    class W(Calls):
        def run(self):
            return self.b({"rows": [(1, self.a())]}, key=[self.a()])

    run = script(W)

    assert run.decides() == ["schedule a-0-0", "schedule a-1-0"]
    run.completes("a-1-0", "y")
    assert run.decides() == []
    run.completes("a-0-0", "x")
    assert run.decides() == ["schedule b-0-0"]
    scheduled = run.outcome.decisions[0]["scheduleActivityTaskDecisionAttributes"]
    assert json.loads(scheduled["input"]) == [[{"rows": [[1, "x"]]}], {"key": ["y"]}]


@dataclass
class Point:
    x: object
    y: object


def test_results_nested_in_a_dataclass_are_filled_in() -> None:
    class W(Calls):
        def run(self):
            return self.b(Point(self.a(), 2))

    run = script(W)
    run.decides()
    run.completes("a-0-0", 1)

    run.decides()

    scheduled = run.outcome.decisions[0]["scheduleActivityTaskDecisionAttributes"]
    assert '{"x": 1, "y": 2}' in scheduled["input"]


def test_results_nested_in_the_return_value_are_waited_for() -> None:
    class W(Calls):
        def run(self):
            return {"both": [self.a(), self.b()]}

    run = script(W)
    run.decides()
    run.completes("a-0-0", 1)
    assert run.decides() == []
    run.completes("b-0-0", 2)

    assert run.decides() == ['complete {"both": [1, 2]}']


def test_an_argument_that_failed_goes_before_one_that_is_not_finished() -> None:
    class W(Calls):
        def run(self):
            return self.b(self.handled(), self.a())

    run = script(W)
    run.decides()
    run.fails("handled-0-0", "bad")

    assert run.decides() == ["fail bad"]


def test_reasons_of_several_failed_arguments_are_joined_by_line_breaks() -> None:
    class W(Calls):
        def run(self):
            with self.options(error_handling=True):
                return self.b(self.a(), self.a())

    run = script(W)
    run.decides()
    run.fails("a-0-0", "one")
    run.fails("a-1-0", "two")

    assert run.decides() == ["fail one\ntwo"]


def test_the_joined_reason_stays_what_it_was_when_another_argument_fails_later() -> None:
    class W(Calls):
        def run(self):
            with self.options(error_handling=True):
                passed_on = self.b(self.a(), self.a())
                try:
                    passed_on.result()
                except TaskError as error:
                    self.c(error.reason)
                self.c("end").result()

    run = script(W)
    run.decides()
    run.fails("a-0-0", "one")
    assert run.decides() == ["schedule c-0-0", "schedule c-1-0"]
    run.fails("a-1-0", "two")

    assert run.decides() == []


def test_a_timeout_as_argument_is_an_error() -> None:
    class W(Calls):
        def run(self):
            with self.options(error_handling=True):
                try:
                    self.b(self.once()).result()
                except TaskTimedout as error:
                    return error.kind

    run = script(W)
    run.decides()
    run.times_out("once-0-0", "HEARTBEAT")

    assert run.decides() == ['complete "HEARTBEAT"']


@pytest.mark.parametrize(
    ("end", "error"),
    [("is_canceled", TaskCanceled), ("is_terminated", TaskTerminated), ("fails", TaskError)],
)
def test_a_childs_end_is_told_by_the_kind_of_error(end: str, error: type) -> None:
    class W(Calls):
        def run(self):
            with self.options(error_handling=True):
                child = self.child()
            try:
                child.result()
            except TaskError as caught:
                return type(caught).__name__

    run = script(W)
    assert run.decides() == ["child run-child-0-0"]
    getattr(run, end)("run-child-0-0")

    assert run.decides() == [f'complete "{error.__name__}"']


def test_a_refused_activity_fails_with_the_cause() -> None:
    run = script(type("W", (Calls,), {"run": lambda self: self.a()}))
    run.decides()
    run.refuses("a-0-0", "ACTIVITY_TYPE_DEPRECATED")

    assert run.decides() == ["fail ACTIVITY_TYPE_DEPRECATED"]


def test_a_type_that_is_not_registered_yet_is_waited_for_a_moment() -> None:
    run = script(type("W", (Calls,), {"run": lambda self: self.a()}))
    for refusals in (1, 2, 3):
        assert run.decides() == ["schedule a-0-0"]
        run.refuses("a-0-0", "ACTIVITY_TYPE_DOES_NOT_EXIST")
        assert run.decides() == [f"timer a-0-0-again-{refusals} {2 ** (refusals - 1)}"]
        run.fires(f"a-0-0-again-{refusals}")
    assert run.decides() == ["schedule a-0-0"]
    run.refuses("a-0-0", "ACTIVITY_TYPE_DOES_NOT_EXIST")

    assert run.decides() == ["fail ACTIVITY_TYPE_DOES_NOT_EXIST"]


def test_inputs_that_are_too_long_for_one_answer_wait_for_the_next() -> None:
    """The service takes no request above 1 MiB."""
    text = "x" * 32_000
    run = script(type("W", (Calls,), {"run": lambda self: gather(*(self.a(text) for _ in range(8)))}))

    assert run.decides() == [f"schedule a-{n}-0" for n in range(5)]
    run.completes("a-0-0", 1)
    assert run.decides() == [f"schedule a-{n}-0" for n in range(5, 8)]
    for number in range(1, 8):
        run.completes(f"a-{number}-0", 1)
    assert run.decides() == [f"complete {[1] * 8}"]


def test_an_activity_refused_for_a_rate_is_asked_for_again_after_a_pause() -> None:
    run = script(type("W", (Calls,), {"run": lambda self: self.a()}))
    run.decides()
    run.refuses("a-0-0", "ACTIVITY_CREATION_RATE_EXCEEDED")

    assert run.decides() == ["timer a-0-0-again-1 1"]
    assert run.decides() == []
    run.fires("a-0-0-again-1")
    assert run.decides() == ["schedule a-0-0"]
    run.refuses("a-0-0", "OPEN_ACTIVITIES_LIMIT_EXCEEDED")
    assert run.decides() == ["timer a-0-0-again-2 2"]
    run.fires("a-0-0-again-2")
    assert run.decides() == ["schedule a-0-0"]
    run.completes("a-0-0", 1)
    assert run.decides() == ["complete 1"]


def test_a_failing_workflow_sends_nothing_but_its_failure() -> None:
    class W(Calls):
        def run(self):
            self.b(1)
            raise ValueError("no")

    run = script(W)

    assert run.decides() == ["fail no"]
    assert isinstance(run.outcome, Failed)
    assert "ValueError: no" in json.loads(run.outcome.details)["traceback"]


def test_the_reason_is_cut_to_256_characters_and_the_details_hold_the_rest() -> None:
    class W(Calls):
        def run(self):
            raise ValueError("x" * 400)

    run = script(W)
    run.decides()

    assert isinstance(run.outcome, Failed)
    assert len(run.outcome.reason) == 256
    assert "x" * 400 in run.outcome.details


def test_an_unhandled_failure_keeps_the_activitys_traceback() -> None:
    details = json.dumps({"type": "KeyError", "message": "k", "traceback": "over there"})
    run = script(type("W", (Calls,), {"run": lambda self: self.a()}))
    run.decides()
    run.fails("a-0-0", "k", details)
    run.decides()

    assert isinstance(run.outcome, Failed)
    assert run.outcome.details == details


def test_a_caught_error_tells_type_and_traceback() -> None:
    class W(Calls):
        def run(self):
            try:
                self.handled().result()
            except TaskError as error:
                return [error.error_type, error.remote_traceback, error.call]

    run = script(W)
    run.decides()
    run.fails("handled-0-0", "k", json.dumps({"type": "KeyError", "message": "k", "traceback": "t"}))

    assert run.decides() == ['complete ["KeyError", "t", "handled-0 (a 1)"]']


def test_at_most_64_tasks_run_at_the_same_time() -> None:
    class W(Calls):
        def run(self):
            return len([r.result() for r in [self.a(n) for n in range(70)]])

    run = script(W)

    assert len(run.decides()) == 64
    run.completes("a-5-0")
    run.completes("a-7-0")
    assert run.decides() == ["schedule a-64-0", "schedule a-65-0"]


def test_input_beyond_the_limit_fails_with_the_name_of_the_call() -> None:
    run = script(type("W", (Calls,), {"run": lambda self: self.a("x" * 40_000)}))

    (decision,) = run.decides()

    assert decision.startswith("fail the input of a-0 (a 1) is 40010 characters long")


def test_input_that_is_no_list_of_arguments_fails_the_run() -> None:
    run = script(type("W", (Calls,), {"run": lambda _: None}))
    run.events[0]["workflowExecutionStartedEventAttributes"]["input"] = "{}"

    (decision,) = run.decides()

    assert decision.startswith("fail input must be JSON of the form")


class Policy(Workflow):
    a = ActivityProxy(
        "a",
        1,
        retry_policy=RetryPolicy(maximum_attempts=3, first_interval_s=4, jitter=0, non_retryable=(KeyError,)),
    )

    def run(self):
        return self.a()


def test_a_policy_tries_again_after_pauses_that_grow() -> None:
    run = script(Policy)
    run.decides()
    run.fails("a-0-0")
    assert run.decides() == ["timer a-0-1-retry 4"]
    run.fires("a-0-1-retry")
    assert run.decides() == ["schedule a-0-1"]
    run.fails("a-0-1")
    assert run.decides() == ["timer a-0-2-retry 8"]
    run.fires("a-0-2-retry")
    assert run.decides() == ["schedule a-0-2"]
    run.fails("a-0-2", "enough")

    assert run.decides() == ["fail enough"]


def test_a_policy_does_not_try_again_what_it_names() -> None:
    run = script(Policy)
    run.decides()
    run.fails("a-0-0", "k", json.dumps({"type": "KeyError", "message": "", "traceback": ""}))

    assert run.decides() == ["fail k"]


def test_a_timeout_under_a_policy_is_the_business_of_retry() -> None:
    run = script(Policy)
    run.decides()
    run.times_out("a-0-0")

    assert run.decides() == ["schedule a-0-1"]


def test_sleep_goes_on_when_its_timer_fired() -> None:
    class W(Calls):
        def run(self):
            self.sleep(1.2)
            return self.a()

    run = script(W)
    assert run.decides() == ["timer timer-0 2"]
    run.fires("timer-0")

    assert run.decides() == ["schedule a-0-0"]


def test_signals_wait_until_they_are_asked_for_in_the_order_they_came() -> None:
    class W(Calls):
        def run(self):
            self.a().result()
            return [self.signal("s").result() for _ in range(3)]

    run = script(W)
    run.signal("s", 1)
    run.decides()
    run.signal("s", 2)
    run.completes("a-0-0")
    assert run.decides() == []
    run.signal("s", 3)

    assert run.decides() == ["complete [1, 2, 3]"]


class SignalOrTimeout(Calls):
    def run(self):
        signal, timer = self.signal("go"), self.timer(60)
        if first(signal, timer) is timer:
            return "late"
        timer.cancel()
        return self.a(signal)


def test_first_takes_what_came_first_and_stays_with_it() -> None:
    run = script(SignalOrTimeout)
    assert run.decides() == ["timer timer-0 60"]
    run.signal("go", 5)

    assert run.decides() == ["schedule a-0-0", "cancel timer timer-0"]
    run.completes("a-0-0", 5)
    assert run.decides() == ["complete 5"]


def test_an_authors_timer_that_nobody_waits_for_does_not_hold_up_completion() -> None:
    class W(Calls):
        def run(self):
            self.timer(1_000)

    run = script(W)

    assert run.decides() == ["complete null"]


def test_finish_order_is_the_order_of_the_events() -> None:
    class W(Calls):
        def run(self):
            return [r.result() for r in finish_order(self.a(), self.b(), self.c())]

    run = script(W)
    run.decides()
    run.completes("c-0-0", "c")
    run.completes("a-0-0", "a")
    assert run.decides() == []
    run.completes("b-0-0", "b")

    assert run.decides() == ['complete ["c", "a", "b"]']


def test_wait_goes_on_when_all_are_finished_well_or_not() -> None:
    class W(Calls):
        def run(self):
            wait(self.handled(), [self.b()])
            return "on"

    run = script(W)
    run.decides()
    run.fails("handled-0-0")
    assert run.decides() == []
    run.completes("b-0-0")

    assert run.decides() == ['complete "on"']


def test_gather_is_one_result_for_all_and_can_be_passed_on() -> None:
    class W(Calls):
        def run(self):
            return self.c(gather(self.a(), self.b(), 7))

    run = script(W)
    run.decides()
    run.completes("a-0-0", 1)
    assert run.decides() == []
    run.completes("b-0-0", 2)
    assert run.decides() == ["schedule c-0-0"]

    assert run.outcome.decisions[0]["scheduleActivityTaskDecisionAttributes"]["input"] == "[[[1, 2, 7]], {}]"


def test_parallel_reduce_starts_as_soon_as_two_values_are_there() -> None:
    class W(Calls):
        def run(self):
            return parallel_reduce(self.b, [self.a(n) for n in range(4)])

    run = script(W)
    run.decides()
    run.completes("a-3-0", 3)
    assert run.decides() == []
    run.completes("a-0-0", 0)
    assert run.decides() == ["schedule b-0-0"]
    run.completes("b-0-0", 3)
    assert run.decides() == []
    run.completes("a-1-0", 1)
    assert run.decides() == ["schedule b-1-0"]
    run.completes("a-2-0", 2)
    assert run.decides() == []
    run.completes("b-1-0", 4)
    assert run.decides() == ["schedule b-2-0"]
    run.completes("b-2-0", 6)

    assert run.decides() == ["complete 6"]


def test_parallel_reduce_of_nothing_without_initializer_is_a_value_error() -> None:
    run = script(type("W", (Calls,), {"run": lambda self: parallel_reduce(self.a, [])}))

    assert run.decides() == ["fail parallel_reduce() of nothing needs an initializer"]


def test_await_is_the_same_as_result() -> None:
    class W(Calls):
        async def run(self):
            one, two = await gather(self.a(), self.b())
            await self.sleep(3)
            return one + two + await self.c()

    run = script(W)
    assert run.decides() == ["schedule a-0-0", "schedule b-0-0"]
    run.completes("a-0-0", 1)
    run.completes("b-0-0", 2)
    assert run.decides() == ["timer timer-0 3"]
    run.fires("timer-0")
    assert run.decides() == ["schedule c-0-0"]
    run.completes("c-0-0", 3)

    assert run.decides() == ["complete 6"]


def test_awaiting_something_foreign_fails_with_advice() -> None:
    class Foreign:
        def __await__(self):
            yield self

    class W(Calls):
        async def run(self):
            await Foreign()

    (decision,) = script(W).decides()

    assert "only result objects of flowyd can be awaited" in decision


def test_restart_by_method_continues_as_a_new_run_when_nothing_runs() -> None:
    class W(Calls):
        def run(self, n):
            self.a()
            self.restart(n + 1, key="k")

    run = script(W, 1)
    assert run.decides() == ["schedule a-0-0"]
    run.completes("a-0-0")

    assert run.decides() == ['restart [[2], {"key": "k"}]']


def test_restart_by_value_keeps_the_settings_of_the_run_but_those_overridden() -> None:
    class W(Calls):
        def run(self):
            with self.options(workflow_duration=50):
                self.restart(self.a().result())

    run = Script(register(W), start={"tagList": ["t"]})
    run.decides()
    run.completes("a-0-0", 3)
    run.decides()

    given = run.outcome.decisions[0]["continueAsNewWorkflowExecutionDecisionAttributes"]
    kept = (given["tagList"], given["taskList"], given["executionStartToCloseTimeout"])
    assert kept == (["t"], {"name": "l"}, "50")


def test_restart_can_be_returned() -> None:
    run = script(type("W", (Calls,), {"run": lambda _: restart(1)}))

    assert run.decides() == ["restart [[1], {}]"]


class Cancelable(Calls):
    def run(self):
        try:
            return [self.a().result(), self.b().result()]
        except CancelRequested:
            self.c("clean up").result()
            raise


def test_a_cancel_request_is_delivered_where_the_code_waits_and_clean_up_may_wait() -> None:
    run = script(Cancelable)
    assert run.decides() == ["schedule a-0-0"]
    run.cancel_is_requested()
    assert run.decides() == ["schedule c-0-0", "cancel a-0-0"]
    run.is_canceled("a-0-0")
    assert run.decides() == []
    run.completes("c-0-0")

    assert run.decides() == ["canceled"]


def test_a_cancel_request_is_delivered_at_the_same_point_in_every_replay() -> None:
    run = script(Cancelable)
    run.decides()
    run.cancel_is_requested()
    run.completes("a-0-0", 1)
    assert run.decides() == ["schedule c-0-0"]
    run.completes("c-0-0")

    assert run.decides() == ["canceled"]


def test_what_finished_before_the_cancel_request_is_not_canceled() -> None:
    run = script(Cancelable)
    run.decides()
    run.completes("a-0-0", 1)
    run.cancel_is_requested()
    assert run.decides() == ["schedule b-0-0", "schedule c-0-0", "cancel b-0-0"]


def test_a_run_without_clean_up_is_canceled_at_once() -> None:
    run = script(type("W", (Calls,), {"run": lambda self: self.a().result()}))
    run.decides()
    run.cancel_is_requested()

    assert run.decides() == ["canceled"]


def test_canceling_a_child_asks_its_execution() -> None:
    class W(Calls):
        def run(self):
            child = self.child()
            self.a().result()
            child.cancel()
            try:
                child.result()
            except TaskCanceled:
                return "canceled"

    run = script(W)
    run.decides()
    run.completes("a-0-0")
    assert run.decides() == ["cancel execution run-child-0-0"]
    assert run.decides() == []
    run.is_canceled("run-child-0-0")

    assert run.decides() == ['complete "canceled"']


def test_signalling_another_execution_is_asked_for_once() -> None:
    class W(Calls):
        def run(self):
            with pytest.raises(TaskRefused):
                self.send_signal("other", "s", 1).result()

    run = script(W)
    assert run.decides() == ["signal other s"]
    initiated = len(run.events)
    assert run.decides() == []
    run.happens(
        "SignalExternalWorkflowExecutionFailed",
        initiatedEventId=initiated,
        workflowId="other",
        cause="UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
    )

    assert run.decides() == ["complete null"]


def test_a_side_effect_is_recorded_and_then_read() -> None:
    outside = {"value": 1}

    class W(Calls):
        def run(self):
            value = self.side_effect(outside.get, "value")
            self.a().result()
            return value

    run = script(W)
    assert run.decides() == ["marker side-effect", "schedule a-0-0"]
    outside["value"] = 2
    run.completes("a-0-0")

    assert run.decides() == ["complete 1"]


def test_time_chance_and_ids_are_the_same_in_every_replay() -> None:
    class W(Calls):
        def run(self):
            seen = [self.now(), self.random(), self.uuid4()]
            self.b(seen)
            self.a().result()
            self.c(self.now())

    run = script(W)
    run.decides()
    run.now += 60
    run.completes("a-0-0")
    run.decides()
    later = run.outcome.decisions[0]["scheduleActivityTaskDecisionAttributes"]["input"]
    run.now += 60
    run.completes("b-0-0")

    assert run.decides() == []
    assert "1970-01-01T00:17:40" in later


def test_what_code_does_after_a_suspend_does_not_count() -> None:
    class W(Calls):
        def run(self):
            try:
                self.a().result()
            finally:
                self.b()

    run = script(W)

    assert run.decides() == ["schedule a-0-0"]


def test_a_swallowed_suspend_is_warned_of_and_stays_a_suspend() -> None:
    class W(Calls):
        def run(self):
            try:
                self.a().result()
            except BaseException:
                return "wrong"

    run = script(W)

    assert run.decides() == ["schedule a-0-0"]
    assert isinstance(run.outcome, Suspended)
    assert "caught SuspendTask" in run.outcome.warnings[0]


def test_raising_suspend_leaves_the_run_for_now() -> None:
    class W(Calls):
        def run(self):
            self.a()
            raise SuspendTask

    assert script(W).decides() == ["schedule a-0-0"]


def test_the_execution_context_says_what_is_waited_for_and_where() -> None:
    class W(Calls):
        def run(self):
            self.a().result()

    run = script(W)
    run.decides()

    assert isinstance(run.outcome, Suspended)
    context = json.loads(run.outcome.execution_context)
    assert context["waits_for"] == ["a-0 (a 1)"]
    assert "test_decider_runs.py:" in context["at"]


def test_a_refused_completion_is_decided_again() -> None:
    run = script(type("W", (Calls,), {"run": lambda self: self.signal("s").result()}))
    run.decides()
    run.signal("s", 1)
    run.decides()
    run.close_is_refused()
    run.signal("s", 2)

    assert run.decides() == ["complete 1"]


def test_a_failed_execution_whose_end_was_refused_fails_again() -> None:
    class W(Calls):
        def run(self):
            raise ValueError("no")

    run = script(W)
    run.decides()
    run.close_is_refused()
    run.signal("s")

    assert run.decides() == ["fail no"]


def test_options_blocks_inherit_and_close_when_an_exception_leaves_them() -> None:
    class W(Calls):
        def run(self):
            with contextlib.suppress(LookupError), self.options(task_list="outer", heartbeat=5):
                self.inside()
            self.b()

        def inside(self):
            with self.options(heartbeat=-1, start_to_close="7"):
                self.a()
                raise LookupError

    run = script(W)
    run.decides()
    inner, after = (d["scheduleActivityTaskDecisionAttributes"] for d in run.outcome.decisions)

    assert (inner["taskList"], inner.get("heartbeatTimeout")) == ({"name": "outer"}, None)
    assert inner["startToCloseTimeout"] == "7"
    assert "taskList" not in after


def test_an_unknown_option_is_a_type_error() -> None:
    class W(Calls):
        def run(self):
            with self.options(retries=1):
                pass

    (decision,) = script(W).decides()

    assert decision.startswith("fail unknown option 'retries'")


def test_arguments_that_contain_themselves_fail_with_the_name_of_the_call() -> None:
    class W(Calls):
        def run(self):
            endless = []
            endless.append(endless)
            self.a(endless)

    (decision,) = script(W).decides()

    assert decision.startswith("fail the arguments of a-0 (a 1) contain themselves")


def test_calls_after_a_reduction_keep_their_numbers_while_it_goes_on() -> None:
    class W(Calls):
        def run(self):
            one = parallel_reduce(self.b, [self.a(n) for n in range(3)])
            return [one, self.b("after", "it")]

    run = script(W)
    assert run.decides()[-1] == "schedule b-2-0"
    run.completes("a-0-0", 0)
    run.completes("a-1-0", 1)
    assert run.decides() == ["schedule b-0-0"]
    run.completes("a-2-0", 2)
    run.completes("b-0-0", 1)
    assert run.decides() == ["schedule b-1-0"]
    run.completes("b-1-0", 3)
    run.completes("b-2-0", "x")

    assert run.decides() == ['complete [3, "x"]']

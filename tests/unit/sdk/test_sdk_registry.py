"""Decorators, conversions, proxies, and finding what modules hold."""

from __future__ import annotations

import types

import pytest

from flowyd import Activity, ActivityProxy, RetryPolicy, Workflow, WorkflowProxy, activity, workflow
from flowyd.errors import ProgramError
from flowyd.sdk.registry import activities_in, registration_of, registrations_of, workflows_in

SOURCE = """
from flowyd import *

@activity("a", 1, "list")
class A(Activity):
    def run(self): ...

@activity("f", "2", "list", heartbeat=5, schedule_to_close=1, schedule_to_start=2.9, start_to_close="4")
def f(): ...

@workflow(name="w", version=1, task_list="list")
class W(Workflow):
    def run(self): ...

class Sub(A): ...

Renamed = activity("again", 1, "list")(A)
"""


@pytest.fixture
def module() -> types.ModuleType:
    made = types.ModuleType("made")
    exec(SOURCE, made.__dict__)
    return made


def test_a_module_gives_its_types_in_the_order_of_definition(module: types.ModuleType) -> None:
    assert [(a.name, a.version) for a in activities_in(module)] == [("a", "1"), ("again", "1"), ("f", "2")]
    assert [(w.name, w.version) for w in workflows_in(module)] == [("w", "1")]


def test_what_a_module_imported_is_not_its_own(module: types.ModuleType) -> None:
    other = types.ModuleType("other")
    other.A = module.A  # type: ignore[attr-defined]  # a module made by hand

    assert activities_in(other) == ()


def test_a_subclass_starts_without_registrations(module: types.ModuleType) -> None:
    assert registrations_of(module.Sub) == ()


def test_the_decorated_class_is_returned_unchanged(module: types.ModuleType) -> None:
    assert module.Renamed is module.A
    assert registration_of(module.A).name == "again"


def test_defaults_of_an_activity(module: types.ModuleType) -> None:
    a = activities_in(module)[0]

    assert (a.heartbeat, a.schedule_to_close, a.schedule_to_start, a.start_to_close) == (None, 420, 120, 300)


def test_numbers_become_whole_seconds(module: types.ModuleType) -> None:
    f = activities_in(module)[2]

    assert (f.heartbeat, f.schedule_to_close, f.schedule_to_start, f.start_to_close) == (5, 1, 2, 4)


def test_defaults_of_a_workflow(module: types.ModuleType) -> None:
    (w,) = workflows_in(module)

    assert (w.workflow_duration, w.decision_duration) == (3600, 60)


@pytest.mark.parametrize(
    "wrong",
    [{"heartbeat": 0}, {"schedule_to_close": -1}, {"start_to_close": "no"}, {"schedule_to_start": 0.5}],
)
def test_a_timeout_that_is_not_above_zero_is_a_value_error(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"above zero|invalid literal"):
        activity("a", 1, "l", **wrong)


def test_workflow_durations_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="decision_duration must be above zero"):
        workflow("w", 1, "l", decision_duration=0)


@pytest.mark.parametrize(("decorator", "marked"), [(activity, 5), (activity, Workflow), (workflow, len)])
def test_decorators_refuse_what_cannot_run(decorator: object, marked: object) -> None:
    with pytest.raises(ProgramError, match="goes on a"):
        decorator("a", 1, "l")(marked)  # type: ignore[operator]  # activity or workflow


def test_proxy_numbers_are_converted_as_in_options() -> None:
    proxy = ActivityProxy("a", 1, heartbeat=-10, schedule_to_close="100", start_to_close=20.2, retry=-1)  # type: ignore[arg-type]  # what authors write

    settings = proxy.settings
    assert (settings.heartbeat, settings.schedule_to_close, settings.start_to_close) == (None, 100, 20)
    assert settings.retry == 0


def test_proxies_default_to_three_more_attempts_and_no_handling() -> None:
    for proxy in (ActivityProxy("a", 1), WorkflowProxy("w", 1)):
        assert (proxy.version, proxy.settings.retry, proxy.settings.delay) == ("1", 3, 0)
        assert proxy.settings.error_handling is False


def test_a_proxy_read_on_the_class_is_itself() -> None:
    class W(Workflow):
        a = ActivityProxy("a", 1)

    assert isinstance(W.a, ActivityProxy)
    assert W.a.attribute == "a"


def test_a_proxy_on_an_object_that_nobody_runs_is_an_attribute_error() -> None:
    class W(Workflow):
        a = ActivityProxy("a", 1)

    with pytest.raises(AttributeError, match="only be called while flowyd runs"):
        _ = W().a


def test_a_proxy_can_be_made_from_the_decorated_class() -> None:
    @activity("a", 3, "l")
    class A(Activity):
        def run(self) -> int:
            return 1

    proxy = ActivityProxy.to(A, heartbeat=5)

    assert (proxy.name, proxy.version, proxy.settings.heartbeat) == ("a", "3", 5)


def test_pauses_of_a_policy_grow_to_a_limit_and_round_up() -> None:
    policy = RetryPolicy(first_interval_s=1.5, backoff=3, maximum_interval_s=10, jitter=0)

    assert [policy.pause_s(n, "seed") for n in (1, 2, 3, 4)] == [2, 5, 10, 10]


def test_jitter_is_drawn_from_the_seed() -> None:
    policy = RetryPolicy(first_interval_s=1000, maximum_interval_s=1000, jitter=1)
    pauses = {policy.pause_s(1, f"seed {n}") for n in range(50)}

    assert len(pauses) > 25
    assert all(500 <= pause <= 1500 for pause in pauses)
    assert policy.pause_s(1, "seed 1") == policy.pause_s(1, "seed 1")

"""Code that does not fit its history is named, with both sides, and never answers."""

from __future__ import annotations

from flowyd import ActivityProxy, TaskError, Workflow, workflow
from flowyd.decider import Broken
from tests.unit.decider.decider_script import Script

register = workflow("w", 1, "l")


class Calls(Workflow):
    a = ActivityProxy("a", 1)
    b = ActivityProxy("b", 1)
    newer = ActivityProxy("a", 2)


@register
class Sequence(Calls):
    def run(self):
        one = self.a(1).result()
        return self.b(one)


def at_second_decision() -> Script:
    script = Script(Sequence)
    assert script.decides() == ["schedule a-0-0"]
    script.completes("a-0-0", 5)
    return script


def test_another_argument_is_named_with_both_sides() -> None:
    @register
    class Changed(Calls):
        def run(self):
            return self.b(self.a(2).result())

    script = at_second_decision()
    script.code_is_now(Changed)

    assert script.decides() == ["broken a-0-0"]
    assert isinstance(script.outcome, Broken)
    assert script.outcome.code_asks == "activity a 1 with [[2], {}]"
    assert script.outcome.history_holds == "activity a 1 with [[1], {}]"
    assert "test_decider_determinism.py:" in script.outcome.where


def test_another_type_under_the_same_name_is_broken() -> None:
    @register
    class Changed(Workflow):
        a = ActivityProxy("a", 2)

        def run(self):
            return self.a(1)

    script = at_second_decision()
    script.code_is_now(Changed)

    assert script.decides() == ["broken a-0-0"]


def test_a_call_put_in_before_a_point_already_passed_is_broken() -> None:
    @register
    class Changed(Calls):
        def run(self):
            self.b("new")
            return self.a(1).result()

    script = at_second_decision()
    script.code_is_now(Changed)

    assert script.decides() == ["broken b-0-0"]
    assert isinstance(script.outcome, Broken)
    assert "passed this point" in script.outcome.history_holds


def test_a_call_put_in_after_the_last_point_passed_is_an_ordinary_new_call() -> None:
    @register
    class Changed(Calls):
        def run(self):
            one = self.a(1).result()
            self.newer("new")
            return self.b(one)

    script = at_second_decision()
    script.code_is_now(Changed)

    assert script.decides() == ["schedule newer-0-0", "schedule b-0-0"]


def test_a_call_that_is_no_longer_made_is_broken() -> None:
    @register
    class Changed(Calls):
        def run(self):
            return 5

    script = at_second_decision()
    script.code_is_now(Changed)

    assert script.decides() == ["broken a-0-0"]


def test_an_exception_at_a_point_already_passed_is_broken() -> None:
    @register
    class Changed(Calls):
        def run(self):
            raise NameError("typo")

    script = at_second_decision()
    script.code_is_now(Changed)

    assert script.decides() == ["broken"]
    assert isinstance(script.outcome, Broken)
    assert "NameError: typo" in script.outcome.code_asks


def test_a_broken_decision_goes_on_with_repaired_code() -> None:
    @register
    class Changed(Calls):
        def run(self):
            raise NameError("typo")

    script = at_second_decision()
    script.code_is_now(Changed)
    script.decides()
    script.code_is_now(Sequence)

    assert script.decides() == ["schedule b-0-0"]


def test_code_cannot_swallow_a_divergence() -> None:
    @register
    class Changed(Calls):
        def run(self):
            try:
                self.a(2)
            except BaseException:
                return "fine"

    script = at_second_decision()
    script.code_is_now(Changed)

    assert script.decides() == ["broken a-0-0"]


def test_a_guarded_change_leaves_open_executions_their_old_way() -> None:
    @register
    class Changed(Calls):
        def run(self):
            one = self.a(2 if self.changed("other-argument") else 1).result()
            return self.b(one)

    script = at_second_decision()
    script.code_is_now(Changed)

    assert script.decides() == ["schedule b-0-0"]


def test_a_guarded_change_is_taken_by_new_executions_and_remembered() -> None:
    @register
    class Changed(Calls):
        def run(self):
            if self.changed("other-argument"):
                return self.a(2).result()
            return self.a(1).result()

    script = Script(Changed)

    assert script.decides() == ["marker change-other-argument", "schedule a-0-0"]
    script.completes("a-0-0", 3)
    assert script.decides() == ["complete 3"]


def test_a_side_effect_put_in_before_a_point_already_passed_is_broken() -> None:
    @register
    class Changed(Calls):
        def run(self):
            self.side_effect(lambda: 1)
            return self.b(self.a(1).result())

    script = at_second_decision()
    script.code_is_now(Changed)

    assert script.decides() == ["broken side-effect-0"]


def test_a_bug_of_our_own_is_broken_and_not_the_authors_failure(monkeypatch) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    script = Script(Sequence)
    monkeypatch.setattr("flowyd.decider.caller.Caller.call", bug)

    assert script.decides() == ["broken"]


def test_a_call_held_back_by_the_limit_is_no_divergence() -> None:
    @register
    class Many(Calls):
        def run(self):
            results = [self.a(n) for n in range(66)]
            return [r.result() for r in results]

    script = Script(Many)
    script.decides()
    script.happens("WorkflowExecutionSignaled", signalName="s", externalInitiatedEventId=0)
    assert script.decides() == []
    script.completes("a-0-0")

    assert script.decides() == ["schedule a-64-0"]


def test_an_error_whose_reader_goes_on_differently_is_caught_later() -> None:
    @register
    class Handles(Calls):
        def run(self):
            with self.options(error_handling=True):
                one = self.a(1)
            try:
                one.result()
            except TaskError as error:
                return self.b(error.reason)

    script = Script(Handles)
    script.decides()
    script.fails("a-0-0", "bad")

    assert script.decides() == ["schedule b-0-0"]

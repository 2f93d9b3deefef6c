"""Which completions make a decision task, where the decider has said what it waits for."""

from __future__ import annotations

from typing import Any

import pytest

from flowyd.engine.rules.evolve import fold
from tests.unit.engine_rules.engine_rules_script import Script, decision

ACT = {"name": "act", "version": "1"}


def scheduled(*activity_ids: str, said: dict[str, Any] | None, started: bool = True) -> Script:
    """An execution whose first decision scheduled these, all of them started, and said that."""
    script = Script().starts()
    decides(script, *activity_ids, said=said)
    for activity_id in activity_ids if started else ():
        starts(script, activity_id)
    return script


def decides(script: Script, *activity_ids: str, said: dict[str, Any] | None = None) -> None:
    decisions = [decision("ScheduleActivityTask", activityId=one, activityType=ACT) for one in activity_ids]
    script.decides(*decisions, **({} if said is None else {"flowydDecideAfter": said}))


def starts(script: Script, activity_id: str) -> None:
    script.happens(("ActivityTaskStarted", {"scheduledEventId": script.state.activity_ids[activity_id]}))


def ends(script: Script, activity_id: str, how: str = "Completed", **attributes: Any) -> bool:
    """An activity ends; whether a decision task waits now."""
    members = {"scheduledEventId": script.state.activity_ids[activity_id], "startedEventId": 1, **attributes}
    script.happens((f"ActivityTask{how}", members))
    return script.state.scheduled_decision is not None


def test_a_group_needs_a_decision_once_all_of_it_have_completed() -> None:
    script = scheduled("a", "b", "c", "other", said={"together": [["a", "b", "c"]]})

    assert [ends(script, one) for one in ("b", "a", "other", "c")] == [False, False, False, True]


def test_the_first_group_that_is_complete_needs_a_decision() -> None:
    script = scheduled("a", "b", "c", "d", said={"together": [["a", "b"], ["b", "c"]]})

    assert [ends(script, one) for one in ("c", "d", "b")] == [False, False, True]


def test_a_decider_that_says_nothing_hears_of_every_completion() -> None:
    assert ends(scheduled("a", "b", said=None), "a")


@pytest.mark.parametrize(
    ("how", "attributes"),
    [("Failed", {}), ("Canceled", {}), ("TimedOut", {"timeoutType": "START_TO_CLOSE"})],
)
def test_every_other_end_needs_a_decision(how: str, attributes: dict[str, Any]) -> None:
    script = scheduled("a", "b", said={"together": [["a", "b"]]})

    assert ends(script, "a", how, **attributes)


def test_the_last_open_activity_needs_a_decision_whatever_was_said() -> None:
    script = scheduled("a", "b", said={"together": []})

    assert [ends(script, "a"), ends(script, "b")] == [False, True]


def test_a_decision_is_needed_once_fewer_than_so_many_wait_for_a_worker() -> None:
    script = scheduled("a", "b", "c", "d", "e", said={"together": [], "queued": 2}, started=False)

    needed = []
    for one in ("a", "b", "c", "d"):
        starts(script, one)
        needed.append(ends(script, one))
    assert needed == [False, False, False, True]


def test_what_was_said_is_valid_until_the_next_decision() -> None:
    script = scheduled("a", "b", "c", said={"together": [["a", "b", "c"]]})
    script.happens(("WorkflowExecutionSignaled", {"externalInitiatedEventId": 0, "signalName": "s"}))

    decides(script)

    assert ends(script, "a")


def test_who_names_an_activity_that_was_not_scheduled_hears_of_every_completion() -> None:
    script = scheduled("a", "b", said={"together": [["a", "b", "never"]]})

    assert ends(script, "a")


class Meanwhile:
    """A decision is being made for an execution with three activities that are waited for together."""

    def __init__(self) -> None:
        self.script = scheduled("a", "b", "c", said={"together": [["a", "b", "c"]]})
        self.script.happens(("WorkflowExecutionSignaled", {"externalInitiatedEventId": 0, "signalName": "s"}))
        self.script.polled()

    def decided(self, said: dict[str, Any] | None, *activity_ids: str) -> bool:
        """The decision is made; whether another one is needed at once."""
        decides(self.script, *activity_ids, said=said)
        return self.script.state.scheduled_decision is not None


def test_what_completes_during_a_decision_is_judged_by_what_that_says() -> None:
    meanwhile = Meanwhile()
    assert not ends(meanwhile.script, "a")

    assert not meanwhile.decided({"together": [["a", "b", "c"]]})

    assert [ends(meanwhile.script, "b"), ends(meanwhile.script, "c")] == [False, True]


def test_a_group_completed_during_the_decision_that_names_it_needs_another() -> None:
    meanwhile = Meanwhile()
    ends(meanwhile.script, "a")

    assert meanwhile.decided({"together": [["a"], ["b", "c"]]})


def test_a_decision_that_says_nothing_is_followed_by_another_if_something_completed_meanwhile() -> None:
    meanwhile = Meanwhile()
    ends(meanwhile.script, "a")

    assert meanwhile.decided(None)


def test_a_decision_during_which_nothing_completed_needs_no_other() -> None:
    assert not Meanwhile().decided(None)


def test_a_decision_is_followed_by_another_if_too_few_wait_for_a_worker_after_what_completed() -> None:
    meanwhile = Meanwhile()
    ends(meanwhile.script, "a")

    assert meanwhile.decided({"together": [["b", "c"]], "queued": 2}, "new")


def test_a_decision_that_timed_out_is_made_again_with_all_that_completed() -> None:
    meanwhile = Meanwhile()
    script = meanwhile.script
    ends(script, "a")
    task = script.state.started_decision
    assert task is not None
    script.happens(
        (
            "DecisionTaskTimedOut",
            {
                "scheduledEventId": task.scheduled_event_id,
                "startedEventId": task.started_event_id,
                "timeoutType": "START_TO_CLOSE",
            },
        )
    )
    script.polled()

    assert not meanwhile.decided(None)


def test_after_a_restart_completions_during_a_decision_are_known_from_the_history() -> None:
    meanwhile = Meanwhile()
    script = meanwhile.script
    ends(script, "a")
    script.state = fold(script.events, workflow_id="w", run_id="run")

    assert not meanwhile.decided({"together": [["a", "b"]]})

    assert ends(script, "b")


def test_after_a_restart_every_completion_needs_a_decision() -> None:
    script = scheduled("a", "b", "c", said={"together": [["a", "b", "c"]]})
    assert not ends(script, "a")

    script.state = fold(script.events, workflow_id="w", run_id="run")

    assert ends(script, "b")

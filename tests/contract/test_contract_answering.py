"""The lean client answers a task and polls for the next one in one message, over a real engine process."""

from __future__ import annotations

import os
import select
import signal
from typing import Any

import pytest

from flowyd.errors import UnreachableError
from flowyd.swf.faults import UnknownResourceFault
from flowyd.swf.lean import LeanClient
from flowyd.swf.lean_answers import PendingAnswer
from tests.contract.engine_process import EngineProcess
from tests.contract.test_contract_clients import activities, decisions, lean_domain, schedule, start

ACTIVITY = {
    "name": "activity",
    "version": "1",
    "defaultTaskList": {"name": "activities"},
    "defaultTaskScheduleToStartTimeout": "60",
    "defaultTaskScheduleToCloseTimeout": "NONE",
    "defaultTaskStartToCloseTimeout": "60",
    "defaultTaskHeartbeatTimeout": "NONE",
}


@pytest.fixture(params=["unix", "http"])
def lean(request: pytest.FixtureRequest, engine: EngineProcess) -> LeanClient:
    """The lean client over each kind of socket."""
    return LeanClient(getattr(engine, request.param))


@pytest.fixture
def domain(lean: LeanClient, request: pytest.FixtureRequest) -> str:
    """A domain of the test's own."""
    return fresh_domain(lean, request.node.name)


def fresh_domain(client: LeanClient, name: str) -> str:
    lean_domain(client, name)
    client.call("RegisterActivityType", {"domain": name, **ACTIVITY})
    return name


def decision_task(client: LeanClient, domain: str) -> str:
    """The token of a new execution's first decision task."""
    start(client, domain)
    return str(client.call("PollForDecisionTask", decisions(domain))["taskToken"])


def schedule_and_poll(
    client: LeanClient, domain: str, token: str, poll_id: str | None = None
) -> PendingAnswer:
    """Answers a decision task with an activity, and polls for that."""
    return client.call_and_poll(
        "RespondDecisionTaskCompleted",
        {"taskToken": token, "decisions": [schedule()]},
        "PollForActivityTask",
        activities(domain),
        poll_id or client.new_poll_id(),
    )


def decide_nothing_and_poll(client: LeanClient, domain: str) -> PendingAnswer:
    """Answers a decision task without a decision, and polls for the next one."""
    return client.call_and_poll(
        "RespondDecisionTaskCompleted",
        {"taskToken": decision_task(client, domain)},
        "PollForDecisionTask",
        decisions(domain),
        client.new_poll_id(),
    )


def event_types(client: LeanClient, domain: str, task: dict[str, Any]) -> list[str]:
    request = {"domain": domain, "execution": task["workflowExecution"]}
    return [event["eventType"] for event in client.call("GetWorkflowExecutionHistory", request)["events"]]


def test_what_follows_from_the_answer_comes_with_it(lean: LeanClient, domain: str) -> None:
    pending = schedule_and_poll(lean, domain, decision_task(lean, domain))

    assert pending.carried_out()
    answer = pending.finish()

    assert answer is not None
    assert (answer["activityId"], pending.was_read) == ("a", True)


def test_a_task_that_comes_later_ends_the_poll(lean: LeanClient, domain: str) -> None:
    pending = decide_nothing_and_poll(lean, domain)
    assert pending.carried_out()
    assert not pending.is_here

    start(lean, domain, "later")

    readable, _, _ = select.select([pending], [], [], 5)
    assert readable
    answer = pending.finish()
    assert answer is not None
    assert answer["workflowExecution"]["workflowId"] == "later"


def test_a_poll_can_be_taken_back_once_the_answer_was_carried_out(lean: LeanClient, domain: str) -> None:
    pending = decide_nothing_and_poll(lean, domain)
    assert pending.carried_out()

    pending.withdraw()

    assert pending.finish() is None
    start(lean, domain, "later")
    assert lean.call("PollForDecisionTask", decisions(domain))["taskToken"]


def test_a_refused_answer_is_a_fault_and_begins_no_poll(lean: LeanClient, domain: str) -> None:
    token = decision_task(lean, domain)
    lean.call("RespondDecisionTaskCompleted", {"taskToken": token, "decisions": [schedule()]})
    pending = schedule_and_poll(lean, domain, token)

    with pytest.raises(UnknownResourceFault):
        pending.carried_out()

    assert lean.call("PollForActivityTask", activities(domain))["activityId"] == "a"


def test_a_refused_poll_is_a_fault_of_the_poll(lean: LeanClient, domain: str) -> None:
    pending = schedule_and_poll(lean, "unknown", decision_task(lean, domain))

    assert pending.carried_out()
    with pytest.raises(UnknownResourceFault, match="unknown"):
        pending.finish()

    assert lean.call("PollForActivityTask", activities(domain))["activityId"] == "a"


IDENTITIES = {
    "delete": "a\x7fb",
    "not ASCII": "Köln 東京 🚀",
    "quotes": 'quotes " and \\ back',
    "line": "line\r\nX-Injected: 1",
}


@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=IDENTITIES)
def test_any_identity_passes_as_it_is(lean: LeanClient, domain: str, identity: str) -> None:
    pending = lean.call_and_poll(
        "RespondDecisionTaskCompleted",
        {"taskToken": decision_task(lean, domain), "decisions": [schedule()]},
        "PollForActivityTask",
        {**activities(domain), "identity": identity},
        lean.new_poll_id(),
    )
    assert pending.carried_out()
    task = pending.finish()
    assert task is not None

    request = {"domain": domain, "execution": task["workflowExecution"]}
    *_, started = lean.call("GetWorkflowExecutionHistory", request)["events"]

    assert started["activityTaskStartedEventAttributes"]["identity"] == identity


def test_an_engine_killed_before_it_read_the_message_has_done_nothing_of_it(
    own_engine: EngineProcess,
) -> None:
    client = LeanClient(own_engine.unix)
    domain = fresh_domain(client, "d")
    token, poll_id = decision_task(client, domain), client.new_poll_id()
    client.call("DescribeDomain", {"name": domain})  # whose answer says that the task is on disk
    os.kill(own_engine.pid, signal.SIGSTOP)
    pending = schedule_and_poll(client, domain, token, poll_id)
    own_engine.kill()

    with pytest.raises(UnreachableError, match=r"RespondDecisionTaskCompleted .* may have been carried out"):
        pending.carried_out()

    own_engine.start()
    again = schedule_and_poll(client, domain, token, poll_id)
    assert again.carried_out()
    task = again.finish()
    assert task is not None
    assert event_types(client, domain, task).count("ActivityTaskStarted") == 1


def test_an_engine_killed_before_its_answer_was_read_has_done_both(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    domain = fresh_domain(client, "d")
    token, poll_id = decision_task(client, domain), client.new_poll_id()
    unread = schedule_and_poll(client, domain, token, poll_id)
    readable, _, _ = select.select([unread], [], [], 5)
    assert readable
    own_engine.kill()
    unread.give_up()
    own_engine.start()

    with pytest.raises(UnknownResourceFault):
        schedule_and_poll(client, domain, token, poll_id).carried_out()
    repeated = client.begin_poll("PollForActivityTask", activities(domain), poll_id)
    task = repeated.finish()

    assert task is not None
    assert event_types(client, domain, task).count("ActivityTaskStarted") == 1
    client.call("RespondActivityTaskCompleted", {"taskToken": task["taskToken"]})


def test_an_engine_killed_between_answer_and_task_leaves_the_task_to_the_repeated_poll(
    own_engine: EngineProcess,
) -> None:
    client = LeanClient(own_engine.unix)
    domain = fresh_domain(client, "d")
    token, poll_id = decision_task(client, domain), client.new_poll_id()
    pending = client.call_and_poll(
        "RespondDecisionTaskCompleted",
        {"taskToken": token},
        "PollForDecisionTask",
        decisions(domain),
        poll_id,
    )
    assert pending.carried_out()
    start(client, domain, "later")
    readable, _, _ = select.select([pending], [], [], 5)
    assert readable
    own_engine.kill()
    pending.give_up()
    own_engine.start()

    task = client.begin_poll("PollForDecisionTask", decisions(domain), poll_id).finish()

    assert task is not None
    assert task["workflowExecution"]["workflowId"] == "later"
    assert event_types(client, domain, task).count("DecisionTaskStarted") == 1


def test_an_engine_that_ends_after_the_answer_was_taken_had_no_task(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    domain = fresh_domain(client, "d")
    pending = decide_nothing_and_poll(client, domain)
    assert pending.carried_out()

    own_engine.kill()

    assert (pending.finish(), pending.was_read) == ({"startedEventId": 0}, False)

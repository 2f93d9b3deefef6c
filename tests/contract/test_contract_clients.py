"""What every client does, whichever way it speaks: one suite against each, over a real engine process."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from flowyd.errors import ConfigError, ProtocolError, UnreachableError
from flowyd.swf.boto import BotoClient
from flowyd.swf.client import PollingClient
from flowyd.swf.connect import connect
from flowyd.swf.faults import (
    SerializationException,
    UnknownResourceFault,
    ValidationException,
    WorkflowExecutionAlreadyStartedFault,
)
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess

TYPE = {"name": "workflow", "version": "1"}


class Signal:
    """A pipe that becomes readable when set."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()

    def fileno(self) -> int:
        return self._reading

    def set(self) -> None:
        os.write(self._writing, b"x")


def start(client: PollingClient, domain: str, workflow_id: str = "w", **members: Any) -> str:
    request = {"domain": domain, "workflowId": workflow_id, "workflowType": TYPE, **members}
    return str(client.call("StartWorkflowExecution", request)["runId"])


def decisions(domain: str) -> dict[str, Any]:
    return {"domain": domain, "taskList": {"name": "decisions"}, "identity": "me"}


def activities(domain: str) -> dict[str, Any]:
    return {"domain": domain, "taskList": {"name": "activities"}}


def schedule(activity_id: str = "a") -> dict[str, Any]:
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityType": {"name": "activity", "version": "1"},
            "activityId": activity_id,
            "input": "ü\u0000\U0001f600",
        },
    }


COMPLETE = {
    "decisionType": "CompleteWorkflowExecution",
    "completeWorkflowExecutionDecisionAttributes": {"result": ""},
}


def test_an_execution_runs_from_start_to_end(client: PollingClient, domain: str) -> None:
    run_id = start(client, domain, input="in", tagList=["x"])
    first = client.call("PollForDecisionTask", decisions(domain))
    nothing = client.call(
        "RespondDecisionTaskCompleted", {"taskToken": first["taskToken"], "decisions": [schedule()]}
    )
    task = client.call("PollForActivityTask", activities(domain))
    beat = client.call("RecordActivityTaskHeartbeat", {"taskToken": task["taskToken"]})
    client.call("RespondActivityTaskCompleted", {"taskToken": task["taskToken"], "result": "out"})
    second = client.call("PollForDecisionTask", decisions(domain))
    client.call("RespondDecisionTaskCompleted", {"taskToken": second["taskToken"], "decisions": [COMPLETE]})

    assert nothing == {}
    assert task["input"] == "ü\u0000\U0001f600"
    assert beat == {"cancelRequested": False}
    execution = {"workflowId": "w", "runId": run_id}
    history = client.call("GetWorkflowExecutionHistory", {"domain": domain, "execution": execution})
    assert [event["eventId"] for event in history["events"]] == list(range(1, len(history["events"]) + 1))
    assert history["events"][-1]["eventType"] == "WorkflowExecutionCompleted"
    assert history["events"][-1]["workflowExecutionCompletedEventAttributes"]["result"] == ""
    assert first["events"] == history["events"][: len(first["events"])]


def test_times_are_epoch_seconds(client: PollingClient, domain: str) -> None:
    run_id = start(client, domain)

    described = client.call(
        "DescribeWorkflowExecution",
        {"domain": domain, "execution": {"workflowId": "w", "runId": run_id}},
    )

    started_at = described["executionInfo"]["startTimestamp"]
    assert isinstance(started_at, float)
    assert abs(started_at - time.time()) < 10


def test_time_filters_keep_fractions(client: PollingClient, domain: str) -> None:
    start(client, domain)
    request = {"domain": domain, "startTimeFilter": {"oldestDate": 0.5, "latestDate": time.time() + 0.5}}

    assert client.call("CountOpenWorkflowExecutions", request) == {"count": 1, "truncated": False}


def test_a_fault_is_raised_under_its_own_name(client: PollingClient, domain: str) -> None:
    start(client, domain)

    with pytest.raises(WorkflowExecutionAlreadyStartedFault):
        start(client, domain)


def test_a_fault_carries_the_services_message(client: PollingClient) -> None:
    with pytest.raises(UnknownResourceFault) as raised:
        client.call("DescribeDomain", {"name": "nowhere"})

    assert raised.value.message == "Unknown domain: nowhere"


def test_missing_members_are_the_services_to_refuse(client: PollingClient) -> None:
    with pytest.raises(ValidationException, match="Value null at 'name'"):
        client.call("DescribeDomain", {})


def test_wrong_types_are_the_services_to_refuse(client: PollingClient) -> None:
    with pytest.raises((SerializationException, ProtocolError)):
        client.call("PollForActivityTask", {"domain": 1, "taskList": {"name": "list"}})


def test_pages_are_followed_with_their_tokens(client: PollingClient, domain: str) -> None:
    for number in range(5):
        start(client, domain, f"w{number}")
    request: dict[str, Any] = {
        "domain": domain,
        "startTimeFilter": {"oldestDate": 0},
        "maximumPageSize": 2,
        "reverseOrder": True,
    }
    names: list[str] = []
    while True:
        answer = client.call("ListOpenWorkflowExecutions", request)
        names += [info["execution"]["workflowId"] for info in answer["executionInfos"]]
        if "nextPageToken" not in answer:
            break
        request["nextPageToken"] = answer["nextPageToken"]

    assert names == [f"w{number}" for number in range(5)]


def test_an_empty_poll_has_no_token(client: PollingClient, domain: str) -> None:
    answer = client.poll("PollForActivityTask", activities(domain), withdraw=Signal())

    assert answer is not None
    assert not answer.get("taskToken")
    assert answer["startedEventId"] == 0


def test_a_poll_withdrawn_beforehand_gives_nothing(client: PollingClient, domain: str) -> None:
    signal = Signal()
    signal.set()

    assert client.poll("PollForActivityTask", activities(domain), withdraw=signal) is None


def test_a_task_ends_a_poll(client: PollingClient, domain: str) -> None:
    start(client, domain)

    answer = client.poll("PollForDecisionTask", decisions(domain), withdraw=Signal())

    assert answer is not None
    assert answer["startedEventId"] == 3


def test_a_large_request_and_a_large_answer_pass(client: PollingClient, domain: str) -> None:
    markers = [
        {
            "decisionType": "RecordMarker",
            "recordMarkerDecisionAttributes": {"markerName": "m", "details": "x" * 32_000},
        }
        for _ in range(30)
    ]
    start(client, domain)
    task = client.call("PollForDecisionTask", decisions(domain))

    client.call("RespondDecisionTaskCompleted", {"taskToken": task["taskToken"], "decisions": markers})

    history = client.call(
        "GetWorkflowExecutionHistory", {"domain": domain, "execution": task["workflowExecution"]}
    )
    assert sum(event["eventType"] == "MarkerRecorded" for event in history["events"]) == 30


def test_a_request_over_one_megabyte_is_the_services_to_refuse(client: PollingClient, domain: str) -> None:
    request = {"domain": domain, "workflowId": "w", "workflowType": TYPE, "input": "x" * 1_100_000}

    with pytest.raises(ValidationException, match="1048576"):
        client.call("StartWorkflowExecution", request)


def test_a_closed_client_opens_again(client: PollingClient) -> None:
    client.close()

    assert "domainInfos" in client.call("ListDomains", {"registrationStatus": "REGISTERED"})


# The lean client alone: withdrawing, restarts, several polls at once.


@pytest.fixture
def lean(engine: EngineProcess) -> LeanClient:
    """The lean client over the unix socket."""
    return LeanClient(engine.unix)


def lean_domain(client: LeanClient, name: str) -> str:
    client.call("RegisterDomain", {"name": name, "workflowExecutionRetentionPeriodInDays": "1"})
    client.call(
        "RegisterWorkflowType",
        {
            "domain": name,
            "name": "workflow",
            "version": "1",
            "defaultTaskList": {"name": "decisions"},
            "defaultChildPolicy": "TERMINATE",
            "defaultTaskStartToCloseTimeout": "60",
            "defaultExecutionStartToCloseTimeout": "600",
        },
    )
    return name


def test_a_withdrawn_poll_gives_nothing_and_loses_no_task(lean: LeanClient) -> None:
    domain = lean_domain(lean, "withdrawn")
    signal = Signal()
    signal.set()

    assert lean.poll("PollForDecisionTask", decisions(domain), withdraw=signal) is None

    start(lean, domain)
    assert lean.call("PollForDecisionTask", decisions(domain))["startedEventId"] == 3


def test_every_task_survives_a_withdrawal_at_any_moment(lean: LeanClient) -> None:
    domain = lean_domain(lean, "raced")
    starter = LeanClient(lean.endpoint)
    got = 0
    for number in range(100):
        pending = lean.begin_poll("PollForDecisionTask", decisions(domain))
        racer = threading.Thread(target=start, args=(starter, domain, f"w{number}"))
        racer.start()
        pending.withdraw()
        answer = pending.finish()
        racer.join()
        got += answer is not None and bool(answer.get("taskToken"))

    request = {"domain": domain, "taskList": {"name": "decisions"}}
    assert lean.call("CountPendingDecisionTasks", request)["count"] == 100 - got


def test_several_polls_wait_at_once(lean: LeanClient) -> None:
    domain = lean_domain(lean, "several")
    sticky = lean.begin_poll("PollForDecisionTask", {"domain": domain, "taskList": {"name": "sticky"}})
    shared = lean.begin_poll("PollForDecisionTask", decisions(domain))
    start(LeanClient(lean.endpoint), domain)

    readable, _, _ = select.select([sticky, shared], [], [], 5)

    assert readable == [shared]
    answer = shared.finish()
    assert answer is not None
    assert answer["startedEventId"] == 3
    sticky.withdraw()
    assert sticky.finish() is None


def test_a_restart_does_not_show_in_a_kept_connection(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    lean_domain(client, "d")

    own_engine.kill()
    own_engine.start()

    start(client, "d")


def test_a_restart_ends_a_poll_as_if_no_task_had_come(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    lean_domain(client, "d")
    pending = client.begin_poll("PollForDecisionTask", decisions("d"))

    own_engine.kill()

    assert pending.finish() == {"startedEventId": 0}


def test_a_poll_repeated_at_the_next_engine_gets_the_task_of_the_first(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    lean_domain(client, "d")
    poll_id = client.new_poll_id()
    unread = client.begin_poll("PollForDecisionTask", decisions("d"), poll_id)
    start(client, "d")
    readable, _, _ = select.select([unread], [], [], 5)
    assert readable

    own_engine.kill()
    own_engine.start()
    other = client.begin_poll("PollForDecisionTask", decisions("d"))
    repeated = client.begin_poll("PollForDecisionTask", decisions("d"), poll_id)
    answer = repeated.finish()

    assert repeated.was_read
    assert answer is not None
    assert answer["startedEventId"] == 3
    client.call("RespondDecisionTaskCompleted", {"taskToken": answer["taskToken"]})
    other.withdraw()
    assert other.finish() is None


def poll_heads_until_answered(path: Path, hang_ups: int) -> list[bytes]:
    """What a poll of the lean client sends to a peer that hangs up on it so often."""
    heads: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            for number in range(hang_ups + 1):
                connected, _ = listening.accept()
                with connected:
                    heads.append(connected.recv(65_536).partition(b"\r\n\r\n")[0])
                    if number == hang_ups:
                        body = b'{"startedEventId":0}'
                        connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        thread = threading.Thread(target=serve)
        thread.start()
        LeanClient(f"unix://{path}").poll("PollForDecisionTask", decisions("d"), withdraw=Signal())
        thread.join()
    return heads


def test_a_poll_keeps_its_id_until_its_answer_was_read(tmp_path: Path) -> None:
    heads = poll_heads_until_answered(tmp_path / "engine.sock", hang_ups=2)

    assert b"X-Flowyd-Poll: " in heads[0]
    assert heads == [heads[0]] * 3


def test_a_stopping_engine_answers_its_polls(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    lean_domain(client, "d")
    pending = client.begin_poll("PollForDecisionTask", decisions("d"))
    client.call("ListDomains", {"registrationStatus": "REGISTERED"})

    assert own_engine.stop() == 0

    assert pending.finish() == {"previousStartedEventId": 0, "startedEventId": 0}


def test_an_answer_is_waited_for_no_longer_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        client = LeanClient(f"unix://{path}", read_timeout_s=0.05)

        with pytest.raises(UnreachableError, match="timed out"):
            client.call("RespondActivityTaskCompleted", {"taskToken": "t"})
        with pytest.raises(UnreachableError, match="timed out"):
            client.begin_poll("PollForDecisionTask", decisions("d")).finish()


def test_an_answer_that_never_came_says_that_the_request_may_have_been_carried_out(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def hang_up() -> None:
            connected, _ = listening.accept()
            connected.recv(65_536)
            connected.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(UnreachableError, match="it may have been carried out"):
            LeanClient(f"unix://{path}").call("RegisterDomain", {})
        thread.join()


def test_nobody_at_the_endpoint_is_unreachable_with_the_endpoint(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"no engine answers at unix://.*/none\.sock"):
        LeanClient(f"unix://{tmp_path}/none.sock").call("ListDomains", {})


def test_nobody_at_a_remote_endpoint_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"

        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
            BotoClient(region="us-east-1", endpoint_url=url).call("PollForActivityTask", {})


@pytest.mark.parametrize("endpoint", ["engine.sock", "https://127.0.0.1:1", "unix://host/path", "http://"])
def test_an_endpoint_of_no_known_form_is_refused(endpoint: str) -> None:
    with pytest.raises(UnreachableError, match="no endpoint of a local engine"):
        LeanClient(endpoint)


def test_the_backend_picks_the_client(tmp_path: Path) -> None:
    common: dict[str, Any] = {
        "engine_socket": tmp_path / "engine.sock",
        "region": "us-east-1",
        "profile": None,
        "endpoint_url": None,
        "connect_timeout_s": 1.0,
        "read_timeout_s": 75.0,
    }

    assert isinstance(connect(backend="embedded", **common), LeanClient)
    assert isinstance(connect(backend="aws", **common), BotoClient)
    with pytest.raises(ConfigError, match="'moto' is unknown"):
        connect(backend="moto", **common)

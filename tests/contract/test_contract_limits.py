"""Limits that were set hold, and load and health are told: `flowyd engine --limit`, /metrics, /health."""

from __future__ import annotations

import resource
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flowyd.engine.metrics import BOUNDS_S
from flowyd.swf.faults import InternalFailure, LimitExceededFault
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess

DOMAIN = {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"}
LIST = {"domain": "d", "taskList": {"name": "list"}}
START = {
    "domain": "d",
    "workflowType": {"name": "n", "version": "1"},
    "taskList": {"name": "list"},
    "childPolicy": "TERMINATE",
    "taskStartToCloseTimeout": "100",
    "executionStartToCloseTimeout": "100",
}


@pytest.fixture
def small_engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine with small limits."""
    limits = ("domains=1", "types_per_domain=1", "open_executions=2", "pollers=1", "open_timers=1", "poll=1s")
    options = tuple(option for limit in limits for option in ("--limit", limit))
    engine = EngineProcess(tmp_path, ("--any-credentials", *options)).start()
    client = LeanClient(engine.unix)
    client.call("RegisterDomain", DOMAIN)
    client.call("RegisterWorkflowType", {"domain": "d", "name": "n", "version": "1"})
    yield engine
    assert engine.stop() == 0


@pytest.mark.parametrize(
    ("action", "request_"),
    [
        ("RegisterDomain", {**DOMAIN, "name": "e"}),
        ("RegisterWorkflowType", {"domain": "d", "name": "n", "version": "2"}),
        ("StartWorkflowExecution", {**START, "workflowId": "third"}),
    ],
)
def test_a_limit_that_was_set_holds(
    small_engine: EngineProcess, action: str, request_: dict[str, Any]
) -> None:
    client = LeanClient(small_engine.unix)
    for workflow_id in ("first", "second"):
        client.call("StartWorkflowExecution", {**START, "workflowId": workflow_id})

    with pytest.raises(LimitExceededFault):
        client.call(action, request_)


def test_a_decision_beyond_a_limit_fails_with_its_cause(small_engine: EngineProcess) -> None:
    client = LeanClient(small_engine.unix)
    client.call("StartWorkflowExecution", {**START, "workflowId": "w"})
    task = client.call("PollForDecisionTask", LIST)
    timers = [
        {
            "decisionType": "StartTimer",
            "startTimerDecisionAttributes": {"timerId": timer_id, "startToFireTimeout": "50"},
        }
        for timer_id in "ab"
    ]

    client.call("RespondDecisionTaskCompleted", {"taskToken": task["taskToken"], "decisions": timers})

    history = client.call(
        "GetWorkflowExecutionHistory", {"domain": "d", "execution": task["workflowExecution"]}
    )
    failed = [event for event in history["events"] if event["eventType"] == "StartTimerFailed"]
    assert [event["startTimerFailedEventAttributes"]["cause"] for event in failed] == [
        "OPEN_TIMERS_LIMIT_EXCEEDED"
    ]


def test_one_poll_too_many_at_a_list_is_refused(small_engine: EngineProcess) -> None:
    client = LeanClient(small_engine.unix)
    waiting = client.begin_poll("PollForActivityTask", LIST)

    with pytest.raises(LimitExceededFault):
        client.call("PollForActivityTask", LIST)

    assert waiting.finish() is not None


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("open_tasks=5", "no such limit; there are domains, types_per_domain,"),
        ("pollers=0", "must be a whole number from 1 to 100000"),
        ("poll=5m", "must be from 100ms to 60s"),
        ("pollers", "must be a whole number"),
        ("memory=lots", "must be from 16M to 1T"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(tmp_path: Path, limit: str, text: str) -> None:
    command = [sys.executable, "-m", "flowyd", "engine", "--socket", str(tmp_path / "s")]
    command += ["--database", str(tmp_path / "engine.db"), "--limit", limit]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert (ended.returncode, text in ended.stderr) == (2, True), ended.stderr


def got(engine: EngineProcess, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{engine.http}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(engine: EngineProcess) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The metrics as a scraper reads them."""
    families = text_string_to_metric_families(got(engine, "/metrics")[1])
    return {
        (sample.name.removeprefix("flowyd_engine_"), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def labelled(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_a_scraper_reads_the_load(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    client.call("RegisterDomain", DOMAIN)
    client.call("RegisterWorkflowType", {"domain": "d", "name": 'odd "name"\\', "version": "1"})
    client.call("RegisterWorkflowType", {"domain": "d", "name": "n", "version": "1"})
    for workflow_id in "abc":
        client.call(
            "StartWorkflowExecution",
            {**START, "workflowId": workflow_id, "taskList": {"name": 'odd "list"\\'}},
        )
    for number in range(99):
        client.call("RegisterDomain", {**DOMAIN, "name": f"d-{number}"})
    with pytest.raises(LimitExceededFault):
        client.call("RegisterDomain", {**DOMAIN, "name": "one too many"})
    poll = client.begin_poll("PollForActivityTask", LIST)
    client.call("ListDomains", {"registrationStatus": "REGISTERED"})

    found = samples(own_engine)

    assert found[labelled("requests_total", action="StartWorkflowExecution", fault="")] == 3
    assert found[labelled("requests_total", action="RegisterDomain", fault="LimitExceededFault")] == 1
    assert found[labelled("open_executions", domain="d")] == 3
    backlog = {"domain": "d", "kind": "decision", "task_list": 'odd "list"\\'}
    assert found[labelled("backlog_tasks", **backlog)] == 3
    assert 0 <= found[labelled("backlog_age_seconds", **backlog)] < 60
    waiting = {"domain": "d", "action": "PollForActivityTask", "task_list": "list"}
    assert found[labelled("waiting_polls", **waiting)] == 1
    assert found[labelled("database_bytes", part="file")] > 0
    assert found[labelled("connections")] >= 2
    poll.withdraw()


def test_turns_and_commits_are_timed_each_for_itself(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    client.call("RegisterDomain", DOMAIN)
    for _ in range(5):
        client.call("DescribeDomain", {"name": "d"})

    found = samples(own_engine)

    turns, commits = found[labelled("turn_seconds_count")], found[labelled("commit_seconds_count")]
    assert turns >= 6
    assert 1 <= commits < turns
    assert 0 < found[labelled("commit_seconds_sum")] <= found[labelled("turn_seconds_sum")]
    buckets = [found[labelled("turn_seconds_bucket", le=bound)] for bound in (*map(str, BOUNDS_S), "+Inf")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == turns


def test_health_says_that_the_database_cannot_be_written(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    client.call("RegisterDomain", DOMAIN)
    assert got(own_engine, "/health") == (200, "ok\n")
    _, hard = resource.prlimit(own_engine.pid, resource.RLIMIT_FSIZE)

    # No file may grow: what a full disk looks like to the engine.
    resource.prlimit(own_engine.pid, resource.RLIMIT_FSIZE, (0, hard))
    with pytest.raises(InternalFailure, match="cannot write its database"):
        client.call("RegisterDomain", {**DOMAIN, "name": "e"})
    status, text = got(own_engine, "/health")
    still_read = client.call("DescribeDomain", {"name": "d"})
    resource.prlimit(own_engine.pid, resource.RLIMIT_FSIZE, (hard, hard))
    client.call("RegisterDomain", {**DOMAIN, "name": "e"})

    assert (status, text.startswith("the database cannot be written: ")) == (500, True), text
    assert still_read["domainInfo"]["name"] == "d"
    assert got(own_engine, "/health") == (200, "ok\n")

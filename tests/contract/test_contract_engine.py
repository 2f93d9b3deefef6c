"""The engine's process: endpoints, keys, exit codes, metrics, and that nothing sent to it does harm."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowyd.engine.request_shapes import Choice, Flag, ListOf, Moment, Shape, Structure, Whole
from flowyd.engine.request_table import OPERATIONS
from flowyd.swf.actions import POLLS
from flowyd.swf.boto import BotoClient
from flowyd.swf.faults import (
    AccessDeniedException,
    MissingAuthenticationTokenException,
    SwfFault,
    UnrecognizedClientException,
)
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess
from tests.contract.wire import message

ROOT = Path(__file__).parent.parent.parent
DOMAINS = {"registrationStatus": "REGISTERED"}


def flowyd_engine(*options: str) -> subprocess.CompletedProcess[str]:
    """A start of the engine that is expected to fail."""
    command = [sys.executable, "-m", "flowyd", "engine", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def keys_file(folder: Path, mode: int = 0o600) -> Path:
    file = folder / "keys.toml"
    file.write_text(
        '[[key]]\nid = "writer"\nsecret = "sesame"\n\n'
        '[[key]]\nid = "reader"\nsecret = "open"\nread_only = true\n'
    )
    file.chmod(mode)
    return file


REFUSED = {
    "nothing to serve": ([], 2, "nothing to serve"),
    "no keys": (["--listen", "127.0.0.1:0"], 2, "--keys"),
    "any credentials for everybody": (
        ["--listen", "0.0.0.0:0", "--any-credentials"],
        2,
        "--any-credentials is refused on 0.0.0.0",
    ),
    "no address": (["--listen", "8042", "--any-credentials"], 2, "ADDRESS:PORT"),
    "port out of range": (["--listen", "127.0.0.1:70000", "--any-credentials"], 2, "ADDRESS:PORT"),
    "no such folder for the socket": (
        ["--socket", "/nonexistent/engine.sock"],
        1,
        "/nonexistent/engine.sock",
    ),
    "keys that are not there": (["--listen", "127.0.0.1:0", "--keys", "/nonexistent/keys"], 78, "keys"),
}


@pytest.mark.parametrize(("options", "code", "text"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_start_is_refused_with_reason_and_code(
    tmp_path: Path, options: list[str], code: int, text: str
) -> None:
    ended = flowyd_engine("--database", str(tmp_path / "engine.db"), *options)

    assert ended.returncode == code
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_keys_that_others_can_read_are_refused(tmp_path: Path) -> None:
    keys = keys_file(tmp_path, mode=0o644)

    ended = flowyd_engine(
        "--database", str(tmp_path / "engine.db"), "--listen", "127.0.0.1:0", "--keys", str(keys)
    )

    assert (ended.returncode, "chmod 600" in ended.stderr) == (78, True)


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"

        ended = flowyd_engine(
            "--database", str(tmp_path / "engine.db"), "--listen", where, "--any-credentials"
        )

    assert (ended.returncode, f"cannot listen on {where}" in ended.stderr) == (1, True)


def test_a_second_engine_on_one_socket_is_refused(engine: EngineProcess, tmp_path: Path) -> None:
    ended = flowyd_engine("--database", str(tmp_path / "other.db"), "--socket", str(engine.socket))

    assert (ended.returncode, "cannot listen on" in ended.stderr) == (1, True)
    assert "domainInfos" in LeanClient(engine.unix).call("ListDomains", DOMAINS)


def test_the_unix_socket_is_for_its_owner_alone(engine: EngineProcess) -> None:
    assert engine.socket.stat().st_mode & 0o777 == 0o600


def test_keys_decide_who_may_do_what_on_tcp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EngineProcess(tmp_path, ("--keys", str(keys_file(tmp_path)))).start()
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    def client(key_id: str, secret: str) -> BotoClient:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        made = BotoClient(region="eu-west-1", endpoint_url=engine.http)
        with suppress(SwfFault):
            made.call("DescribeDomain", {"name": "d"})
        return made

    domain = {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"}
    try:
        client("writer", "sesame").call("RegisterDomain", domain)
        reader = client("reader", "open")
        assert reader.call("DescribeDomain", {"name": "d"})["domainInfo"]["name"] == "d"
        with pytest.raises(AccessDeniedException):
            reader.call("DeprecateDomain", {"name": "d"})
        with pytest.raises(UnrecognizedClientException):
            client("stranger", "x").call("ListDomains", DOMAINS)
        with pytest.raises(MissingAuthenticationTokenException):
            LeanClient(engine.http).call("ListDomains", DOMAINS)
        assert LeanClient(engine.unix).call("ListDomains", DOMAINS)["domainInfos"]
    finally:
        assert engine.stop() == 0


def test_metrics_show_the_load(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    client.call("RegisterDomain", {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"})
    client.call("RegisterWorkflowType", {"domain": "d", "name": "n", "version": "1"})
    client.call(
        "StartWorkflowExecution",
        {
            "domain": "d",
            "workflowId": "w",
            "workflowType": {"name": "n", "version": "1"},
            "taskList": {"name": "list"},
            "childPolicy": "TERMINATE",
            "taskStartToCloseTimeout": "10",
            "executionStartToCloseTimeout": "10",
        },
    )
    poll = client.begin_poll("PollForActivityTask", {"domain": "d", "taskList": {"name": "other"}})
    client.call("ListDomains", DOMAINS)

    with urllib.request.urlopen(f"{own_engine.http}/metrics", timeout=5) as response:
        lines = response.read().decode().splitlines()

    assert 'flowyd_engine_open_executions{domain="d"} 1.0' in lines
    assert 'flowyd_engine_backlog_tasks{domain="d",kind="decision",task_list="list"} 1.0' in lines
    waiting = 'flowyd_engine_waiting_polls{action="PollForActivityTask",domain="d",task_list="other"} 1.0'
    assert waiting in lines
    assert any(line.startswith('flowyd_engine_backlog_age_seconds{domain="d"') for line in lines)
    assert any(line.startswith('flowyd_engine_database_bytes{part="file"}') for line in lines)
    poll.withdraw()


def test_a_worker_that_dies_with_an_unread_task_does_not_lose_it(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    client.call("RegisterDomain", {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"})
    client.call("RegisterWorkflowType", {"domain": "d", "name": "n", "version": "1"})
    poll = {"domain": "d", "taskList": {"name": "list"}}
    dying = socket.socket(socket.AF_UNIX)
    dying.connect(str(own_engine.socket))
    dying.sendall(message("PollForDecisionTask", poll))
    client.call("ListDomains", DOMAINS)
    client.call(
        "StartWorkflowExecution",
        {
            "domain": "d",
            "workflowId": "w",
            "workflowType": {"name": "n", "version": "1"},
            "taskList": {"name": "list"},
            "childPolicy": "TERMINATE",
            "taskStartToCloseTimeout": "100",
            "executionStartToCloseTimeout": "100",
        },
    )
    dying.recv(1, socket.MSG_PEEK)

    dying.close()

    task = client.call("PollForDecisionTask", poll)
    assert task["startedEventId"] == 3
    assert len(task["events"]) == 3


def speaks(path: Path, sent: bytes) -> bytes:
    """What comes back for some bytes and the end of the stream."""
    with socket.socket(socket.AF_UNIX) as connected:
        connected.settimeout(10)
        connected.connect(str(path))
        with suppress(BrokenPipeError, ConnectionResetError):
            connected.sendall(sent)
            connected.shutdown(socket.SHUT_WR)
        received = b""
        with suppress(ConnectionResetError):
            while data := connected.recv(65_536):
                received += data
        return received


#: Texts of which some are known to the engine, some break a rule, and some are as long as they may be.
TEXTS = ["d", "n", "1", "list", "", "a/b", "a|b", "arn", "\n", "\0", "é" * 64, "x" * 256, "NONE", "300"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def near(shape: Shape) -> st.SearchStrategy[Any]:
    """Values that a shape allows, or nearly."""
    match shape:
        case Structure():
            members = {name.rstrip("*"): near(inner) for name, inner in shape.members.items()}
            required = {name: members[name] for name in members if f"{name}*" in shape.members}
            optional = {name: members[name] for name in members if name not in required}
            return st.fixed_dictionaries(required, optional=optional) | anything
        case ListOf():
            return st.lists(near(shape.item), max_size=3)
        case Choice():
            return st.sampled_from(shape.values)
        case Flag():
            return st.booleans()
        case Whole():
            return st.integers(-1, 1001)
        case Moment():
            return st.integers() | st.floats()
        case _:
            return st.sampled_from(TEXTS)


requests_near_the_table = st.sampled_from(sorted(OPERATIONS)).flatmap(
    lambda action: st.tuples(st.just(action), near(OPERATIONS[action]))
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=requests_near_the_table)
def test_any_request_gets_an_answer_that_is_no_server_fault(
    engine: EngineProcess, request: tuple[str, Any]
) -> None:
    action, members = request

    received = speaks(engine.socket, message(action, body=json.dumps(members).encode()))

    is_withdrawn = action in POLLS and not received
    assert is_withdrawn or received.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.binary(max_size=200)
    | st.binary(max_size=50).map(lambda body: message("ListDomains", body=body))
    | st.lists(st.binary(max_size=20), max_size=5).map(
        lambda pieces: b"POST / HTTP/1.1\r\n" + b"\r\n".join(pieces) + b"\r\n\r\n"
    )
)
def test_any_bytes_get_no_server_fault_and_no_hang(engine: EngineProcess, sent: bytes) -> None:
    received = speaks(engine.socket, sent)

    assert not received or received.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 100"))


def test_others_are_served_while_some_flood_and_some_stall(own_engine: EngineProcess) -> None:
    client = LeanClient(own_engine.unix)
    flooding, stalling = [], []
    flood = message("ListDomains", DOMAINS) * 2_000
    for _ in range(20):
        stalled = socket.socket(socket.AF_UNIX)
        stalled.connect(str(own_engine.socket))
        stalled.sendall(message("ListDomains", DOMAINS)[:60])
        stalling.append(stalled)
        flooder = socket.socket(socket.AF_UNIX)
        flooder.connect(str(own_engine.socket))
        flooder.setblocking(False)
        flooding.append(flooder)

    longest = 0.0
    ends_at = time.monotonic() + 1.0
    while time.monotonic() < ends_at:
        for flooder in flooding:
            with suppress(BlockingIOError):
                flooder.send(flood)
        began_at = time.monotonic()
        client.call("ListDomains", DOMAINS)
        longest = max(longest, time.monotonic() - began_at)

    for connected in flooding + stalling:
        connected.close()
    assert longest < 1.0
    assert "domainInfos" in client.call("ListDomains", DOMAINS)

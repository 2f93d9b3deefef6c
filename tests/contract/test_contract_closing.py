"""Waiting for an execution to close: told by the engine where a client can ask, looked for elsewhere."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from flowyd.errors import UnreachableError
from flowyd.swf.client import PollingClient
from flowyd.swf.closing import CloseWait
from flowyd.swf.faults import UnknownResourceFault
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess

TYPE = {"name": "workflow", "version": "1"}


def start(client: PollingClient, domain: str) -> dict[str, str]:
    request = {"domain": domain, "workflowId": "w", "workflowType": TYPE}
    return {"workflowId": "w", "runId": client.call("StartWorkflowExecution", request)["runId"]}


def terminate(client: PollingClient, domain: str) -> None:
    client.call("TerminateWorkflowExecution", {"domain": domain, "workflowId": "w"})


def close_wait(client: PollingClient, domain: str, execution: dict[str, str]) -> closing[CloseWait]:
    return closing(CloseWait(client, domain=domain, execution=execution))


def test_whoever_waits_learns_of_the_end(client: PollingClient, domain: str) -> None:
    execution = start(client, domain)

    with close_wait(client, domain, execution) as close:
        before = close.wait(0.1)
        terminate(client, domain)
        after = next(found for _ in range(100) if (found := close.wait(0.1)))

    assert before is None
    assert after["executionInfo"]["closeStatus"] == "TERMINATED"
    assert after["executionInfo"]["execution"] == execution


def test_an_execution_that_is_not_there_is_a_fault(client: PollingClient, domain: str) -> None:
    unknown = {"workflowId": "w", "runId": "none"}

    with close_wait(client, domain, unknown) as close, pytest.raises(UnknownResourceFault):
        close.wait(60)


@pytest.fixture
def lean(engine: EngineProcess) -> Iterator[LeanClient]:
    with closing(LeanClient(engine.unix)) as client:
        yield client


@pytest.fixture
def client_of_own(own_engine: EngineProcess) -> Iterator[LeanClient]:
    """A client of an engine of its own, with the domain and type of these tests."""
    with closing(LeanClient(own_engine.unix)) as client:
        client.call("RegisterDomain", {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"})
        limits = {"defaultTaskStartToCloseTimeout": "60", "defaultExecutionStartToCloseTimeout": "600"}
        defaults = {"defaultTaskList": {"name": "decisions"}, "defaultChildPolicy": "TERMINATE", **limits}
        client.call("RegisterWorkflowType", {"domain": "d", **TYPE, **defaults})
        yield client


def test_an_engine_answers_when_the_execution_closes_and_not_before(client_of_own: LeanClient) -> None:
    pending = client_of_own.begin_wait({"domain": "d", "execution": start(client_of_own, "d")})
    assert not select.select([pending], [], [], 0.2)[0]

    terminate(client_of_own, "d")

    answer = pending.finish()
    assert answer is not None
    assert answer["executionInfo"]["closeStatus"] == "TERMINATED"


def test_a_pause_ends_with_the_execution(client_of_own: LeanClient) -> None:
    execution = start(client_of_own, "d")

    with close_wait(client_of_own, "d", execution) as close:
        close.pause(0.1)
        terminate(client_of_own, "d")
        # Were it to sleep all this time, the test's own limit would end it.
        close.pause(3_600)

    info = client_of_own.call("DescribeWorkflowExecution", {"domain": "d", "execution": execution})
    assert info["executionInfo"]["executionStatus"] == "CLOSED"


def test_a_wait_taken_back_gives_nothing(client_of_own: LeanClient) -> None:
    pending = client_of_own.begin_wait({"domain": "d", "execution": start(client_of_own, "d")})

    pending.withdraw()

    assert pending.finish() is None


def test_a_wait_goes_on_at_the_next_engine(own_engine: EngineProcess, client_of_own: LeanClient) -> None:
    execution = start(client_of_own, "d")

    with close_wait(client_of_own, "d", execution) as close:
        assert close.wait(0.1) is None
        own_engine.kill()
        with pytest.raises(UnreachableError):
            close.wait(60)
        own_engine.start()
        terminate(client_of_own, "d")
        found = close.wait(60)

    assert found is not None
    assert found["executionInfo"]["closeStatus"] == "TERMINATED"


def test_a_stopping_engine_does_not_wait_for_who_waits(
    own_engine: EngineProcess, client_of_own: LeanClient
) -> None:
    pending = client_of_own.begin_wait({"domain": "d", "execution": start(client_of_own, "d")})
    client_of_own.call("ListDomains", {"registrationStatus": "REGISTERED"})

    assert own_engine.stop() == 0

    assert pending.finish() is None


@contextmanager
def a_service_that_does_not_wait(path: Path) -> Iterator[list[bytes]]:
    """One that answers every description at once: open. Gives the requests that came."""
    body = b'{"executionInfo":{"executionStatus":"OPEN"}}'
    requests: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connected, _ = listening.accept()
            with connected:
                while request := connected.recv(65_536):
                    requests.append(request)
                    connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        thread = threading.Thread(target=serve)
        thread.start()
        yield requests
        thread.join()


def test_a_service_that_does_not_wait_is_asked_once_in_the_time_given(tmp_path: Path) -> None:
    path = tmp_path / "s"
    execution = {"workflowId": "w", "runId": "r"}
    with (
        a_service_that_does_not_wait(path) as requests,
        closing(LeanClient(f"unix://{path}")) as client,
        close_wait(client, "d", execution) as close,
    ):
        found = [close.wait(0.2) for _ in range(3)]

    assert found == [None] * 3
    assert len(requests) == 3

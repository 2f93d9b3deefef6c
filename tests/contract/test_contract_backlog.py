"""How long tasks wait in each list: told by our engine to its own machine, by nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flowyd.errors import UnreachableError
from flowyd.swf.backlog import backlog_ages
from flowyd.swf.boto import BotoClient
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess

ODD = 'odd "list"\\ {a="b"}, and more'


def register(client: LeanClient) -> None:
    client.call("RegisterDomain", {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"})
    client.call("RegisterWorkflowType", {"domain": "d", "name": "n", "version": "1"})


def start(client: LeanClient, workflow_id: str, *, priority: str = "0") -> None:
    request = {
        "domain": "d",
        "workflowId": workflow_id,
        "workflowType": {"name": "n", "version": "1"},
        "taskList": {"name": ODD},
        "taskPriority": priority,
        "childPolicy": "TERMINATE",
        "taskStartToCloseTimeout": "100",
        "executionStartToCloseTimeout": "100",
    }
    client.call("StartWorkflowExecution", request)


@pytest.mark.parametrize("way", ["unix", "http"])
def test_the_lists_of_a_domain_have_the_age_of_what_waits(own_engine: EngineProcess, way: str) -> None:
    client = LeanClient(getattr(own_engine, way))
    register(client)
    start(client, "a")
    start(client, "b")

    found = backlog_ages(client, "d")

    assert list(found) == [("decision", ODD)]
    assert 0 <= found["decision", ODD] < 600
    assert backlog_ages(client, "another domain") == {}


def test_the_age_is_the_oldest_tasks_also_where_a_newer_one_is_next(own_engine: EngineProcess) -> None:
    """What is of low priority may be passed by for ever: that is what the age must tell."""
    client = LeanClient(own_engine.unix)
    register(client)
    start(client, "low", priority="-5")
    scheduled_before = time.time()
    time.sleep(0.5)
    start(client, "urgent", priority="5")

    asked_at = time.time()
    found = backlog_ages(client, "d")

    assert found["decision", ODD] >= asked_at - scheduled_before


def test_a_client_of_amazons_protocol_asks_for_nothing_else(own_engine: EngineProcess) -> None:
    register(LeanClient(own_engine.unix))
    start(LeanClient(own_engine.unix), "a")

    assert backlog_ages(BotoClient(region="us-east-1", endpoint_url=own_engine.http), "d") == {}


@contextmanager
def stranger(status: int, content_type: str, body: bytes) -> Iterator[str]:
    """A server that is no engine of ours and answers everything so; its endpoint."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (400, "application/json", b'{"__type": "x#AccessDeniedException", "message": "not you"}'),
        (404, "text/html", b"<html>no such page</html>"),
        (200, "text/html", b"<html>welcome { to } everything</html>"),
        (200, "text/plain", b'up{instance="x"} 1\n'),
        (200, "text/plain", b'flowyd_engine_backlog_age_seconds{domain="d"} 1\n'),
    ],
    ids=["refused", "no such page", "another page", "another's metrics", "metrics of another version"],
)
def test_who_does_not_tell_is_no_error(status: int, content_type: str, body: bytes) -> None:
    with stranger(status, content_type, body) as endpoint:
        client = LeanClient(endpoint)
        assert backlog_ages(client, "d") == {}
        client.close()


def test_that_nobody_is_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no engine answers"):
        backlog_ages(LeanClient(f"unix://{tmp_path}/engine.sock"), "d")

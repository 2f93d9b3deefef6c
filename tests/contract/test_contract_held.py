"""Answers held until they are on disk, as callers see it: who breaks off, who stops sending, a stop."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from flowyd.engine.clock import SystemClock
from flowyd.engine.gauges import gauges_of
from flowyd.engine.metrics import Metrics
from flowyd.engine.opening import open_service
from flowyd.engine.server import Server
from flowyd.engine.service import Service
from flowyd.errors import UnreachableError
from flowyd.swf.lean import LeanClient
from tests.conftest import Disk
from tests.contract.engine_process import EngineProcess
from tests.contract.wire import Response, message, read_response

DOMAIN = {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"}
TYPE = {"name": "t", "version": "1"}
WORKFLOW_TYPE = {
    "domain": "d",
    **TYPE,
    "defaultTaskList": {"name": "tl"},
    "defaultChildPolicy": "TERMINATE",
    "defaultExecutionStartToCloseTimeout": "1000",
    "defaultTaskStartToCloseTimeout": "1000",
}
POLL = {"domain": "d", "taskList": {"name": "tl"}}


def start(workflow_id: str) -> dict[str, Any]:
    return {"domain": "d", "workflowId": workflow_id, "workflowType": TYPE}


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Engine:
    """A server on a unix socket over a real service, each of whose turns is held while the disk is slow."""

    path: Path
    service: Service
    server: Server
    disk: Disk

    async def connect(self) -> Streams:
        return await asyncio.open_unix_connection(str(self.path))

    async def call(self, action: str, request: object) -> Response:
        """A call that is answered while the disk is fast."""
        reader, writer = await self.connect()
        with closing(writer):
            writer.write(message(action, request))
            return await read_response(reader)

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until the condition holds; the test's own limit ends it."""
        while not condition():
            await asyncio.sleep(0.001)

    async def send_and_hold(self, action: str, request: object) -> Streams:
        """A call whose turn is over and not on disk."""
        reader, writer = await self.connect()
        await self.hold()
        writer.write(message(action, request))
        await self.until(lambda: self.service._held)
        return reader, writer

    async def hold(self) -> None:
        """From now on turns are held; no checkpoint that is due makes them durable."""
        self.service.checkpoint()
        self.server.arm()
        self.disk.is_slow = True


@asynccontextmanager
async def engine_in(folder: Path, disk: Disk) -> AsyncIterator[Engine]:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(folder / "engine.sock"))
    listening.listen()
    clock = SystemClock()
    disk.is_slow = False
    service = open_service(database=folder / "engine.db", clock=clock)
    metrics = Metrics()
    metrics.add_gauges(gauges_of(folder / "engine.db", clock.now, service.checkpoint))
    server = Server(service, now=clock.now, metrics=metrics, most_connections=100, more_waits=lambda: True)
    await server.listen(listening, None)
    engine = Engine(path=folder / "engine.sock", service=service, server=server, disk=disk)
    try:
        await engine.call("RegisterDomain", DOMAIN)
        await engine.call("RegisterWorkflowType", WORKFLOW_TYPE)
        await engine.call("StartWorkflowExecution", start("first"))
        if service.fileno() is None:
            pytest.skip("no writes in the background here")
        yield engine
    finally:
        await server.stop()
        service.close()


Scenario = Callable[[Engine], Awaitable[None]]


def on_an_engine(scenario: Scenario) -> Callable[[Path, Disk], None]:
    """Runs the test against an engine of its own."""

    async def run(folder: Path, disk: Disk) -> None:
        async with engine_in(folder, disk) as engine:
            await asyncio.wait_for(scenario(engine), 20)

    @wraps(scenario)
    def test(tmp_path: Path, slow_disk: Disk) -> None:
        asyncio.run(run(tmp_path, slow_disk))

    del test.__wrapped__  # type: ignore[attr-defined]  # pytest would ask for the scenario's argument
    return test


@on_an_engine
async def test_a_held_answer_comes_when_the_disk_has_it(engine: Engine) -> None:
    reader, writer = await engine.send_and_hold("StartWorkflowExecution", start("w"))
    engine.disk.is_slow = False

    assert (await read_response(reader)).status == 200
    assert not engine.service._held
    writer.close()


@on_an_engine
async def test_who_stops_sending_while_the_answer_is_held_gets_it(engine: Engine) -> None:
    reader, writer = await engine.send_and_hold("PollForDecisionTask", POLL)
    writer.write_eof()
    await engine.until(lambda: any(each._has_ended for each in engine.server._connections))
    engine.disk.is_slow = False

    assert json.loads((await read_response(reader)).body)["startedEventId"] == 3
    assert await reader.read() == b""


@on_an_engine
async def test_a_task_whose_poll_is_closed_while_its_answer_is_held_is_offered_again(engine: Engine) -> None:
    _, writer = await engine.send_and_hold("PollForDecisionTask", POLL)
    writer.transport.abort()
    await engine.until(lambda: not engine.server._connections)
    engine.disk.is_slow = False

    answer = json.loads((await engine.call("PollForDecisionTask", POLL)).body)

    assert (answer["workflowExecution"]["workflowId"], answer["startedEventId"]) == ("first", 3)


@on_an_engine
async def test_a_task_whose_poll_is_reset_while_its_answer_is_held_is_offered_again(engine: Engine) -> None:
    with socket.socket(socket.AF_UNIX) as dying:
        dying.connect(str(engine.path))
        dying.sendall(message("DescribeDomain", {"name": "d"}))
        await engine.until(lambda: select.select([dying], [], [], 0)[0])
        await engine.hold()
        dying.sendall(message("PollForDecisionTask", POLL))
        await engine.until(lambda: engine.service._held)
    # What it has not read makes its end a reset.
    await engine.until(lambda: not engine.server._connections)
    assert engine.service._held
    engine.disk.is_slow = False

    answer = json.loads((await engine.call("PollForDecisionTask", POLL)).body)

    assert (answer["workflowExecution"]["workflowId"], answer["startedEventId"]) == ("first", 3)


@on_an_engine
async def test_metrics_bring_the_answers_that_are_held(engine: Engine) -> None:
    reader, writer = await engine.send_and_hold("StartWorkflowExecution", start("w"))
    asked, asking = await engine.connect()

    asking.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert (await read_response(asked)).status == 200
    assert (await read_response(reader)).status == 200
    engine.disk.is_slow = False
    writer.close()
    asking.close()


@on_an_engine
async def test_a_stop_answers_what_is_held_and_what_waits_behind_it(engine: Engine) -> None:
    reader, writer = await engine.send_and_hold("StartWorkflowExecution", start("w"))
    writer.write(b"".join(message("StartWorkflowExecution", start(f"w{number}")) for number in range(3)))
    await engine.until(lambda: any(each._unread for each in engine.server._connections))

    await engine.server.stop()

    assert [(await read_response(reader)).status for _ in range(4)] == [200] * 4
    assert await reader.read() == b""


# Many callers of an engine process


CALLERS = 16


@pytest.fixture
def client(own_engine: EngineProcess) -> Iterator[LeanClient]:
    made = LeanClient(own_engine.unix)
    made.call("RegisterDomain", DOMAIN)
    made.call("RegisterWorkflowType", WORKFLOW_TYPE)
    yield made
    made.close()


def acknowledged_starts(engine: EngineProcess, caller: int, ended: threading.Event) -> list[str]:
    """Starts executions until the engine is gone, or 100; those that were acknowledged."""
    acknowledged: list[str] = []
    client = LeanClient(engine.unix)
    with closing(client):
        while len(acknowledged) < 100 and not ended.is_set():
            workflow_id = f"{caller}-{len(acknowledged)}"
            try:
                client.call("StartWorkflowExecution", start(workflow_id))
            except UnreachableError:
                break
            acknowledged.append(workflow_id)
    return acknowledged


def open_ids(client: LeanClient) -> set[str]:
    request: dict[str, Any] = {"domain": "d", "startTimeFilter": {"oldestDate": 0}}
    found: set[str] = set()
    while True:
        page = client.call("ListOpenWorkflowExecutions", request)
        found |= {info["execution"]["workflowId"] for info in page["executionInfos"]}
        if "nextPageToken" not in page:
            return found
        request["nextPageToken"] = page["nextPageToken"]


def test_many_callers_at_once_are_all_answered(own_engine: EngineProcess, client: LeanClient) -> None:
    never = threading.Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        lists = list(pool.map(lambda caller: acknowledged_starts(own_engine, caller, never), range(CALLERS)))

    assert [len(each) for each in lists] == [100] * CALLERS
    assert open_ids(client) == {workflow_id for each in lists for workflow_id in each}


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_nothing_acknowledged_is_lost_when_the_engine_ends_under_many_callers(
    own_engine: EngineProcess, client: LeanClient, way: str
) -> None:
    ended = threading.Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        futures = [pool.submit(acknowledged_starts, own_engine, caller, ended) for caller in range(CALLERS)]
        while len(open_ids(client)) < 50:
            time.sleep(0.01)
        getattr(own_engine, way)()
        ended.set()
        acknowledged = {workflow_id for future in futures for workflow_id in future.result()}
    own_engine.start()

    assert len(acknowledged) >= 50 - CALLERS
    assert acknowledged <= open_ids(client)

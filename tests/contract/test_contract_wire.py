"""The server on a real socket: SWF's wire form, order, ends of connections, and clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from flowyd.engine import connection as connections
from flowyd.engine import server as servers
from tests.contract.wire import Wire, message, read_response, served

DOMAIN = {"name": "d"}
POLL = {"domain": "d", "taskList": {"name": "list"}}
EXECUTION = {"domain": "d", "execution": {"workflowId": "w", "runId": "r"}}
WAIT = message("DescribeWorkflowExecution", EXECUTION, headers={"X-Flowyd-Wait": "closed"})
TASK = b'{"startedEventId":3,"taskToken":"token"}'

Scenario = Callable[[Wire], Awaitable[None]]


def on_a_server(**options: Any) -> Callable[[Scenario], Callable[[Path], None]]:
    """Runs the test against a server of its own."""

    def decorate(scenario: Scenario) -> Callable[[Path], None]:
        async def run(folder: Path) -> None:
            async with served(folder, **options) as wire:
                await asyncio.wait_for(scenario(wire), 20)

        @wraps(scenario)
        def test(tmp_path: Path) -> None:
            asyncio.run(run(tmp_path))

        del test.__wrapped__  # type: ignore[attr-defined]  # pytest would look at its parameters
        return test

    return decorate


def answered(wire: Wire, action: str, fault: str) -> int:
    """How many requests of an operation were answered with a fault."""
    return wire.server._metrics._requests[action, fault]


async def send_for_ever(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await writer.drain()


@on_a_server()
async def test_an_answer_has_swfs_headers(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("DescribeDomain", DOMAIN))

    response = await read_response(reader)

    assert (response.status, json.loads(response.body)) == (200, DOMAIN)
    assert response.headers["content-type"] == "application/x-amz-json-1.0"
    assert uuid.UUID(response.headers["x-amzn-requestid"]).version == 4


@on_a_server()
async def test_old_clients_are_answered_in_their_form(wire: Wire) -> None:
    reader, writer = await wire.connect()
    headers = {
        "X-Amz-Target": "com.amazonaws.swf.service.model.SimpleWorkflowService.DescribeDomain",
        "Content-Type": "application/json; charset=UTF-8",
        "Content-Encoding": "amz-1.0",
    }
    writer.write(message("", DOMAIN, headers=headers))

    response = await read_response(reader)

    assert (response.status, response.headers["content-type"]) == (200, "application/json")


@on_a_server()
async def test_a_fault_is_a_400_with_type_and_message(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("DescribeDomain", {}))

    response = await read_response(reader)

    assert response.status == 400
    assert json.loads(response.body) == {
        "__type": "com.amazon.coral.validate#ValidationException",
        "message": "1 validation error detected: Value null at 'name' failed to satisfy constraint: "
        "Member must not be null",
    }


@on_a_server()
async def test_requests_at_hand_are_one_turn(wire: Wire) -> None:
    ends = [await wire.connect() for _ in range(10)]
    for _, writer in ends:
        writer.write(message("DescribeDomain", DOMAIN))

    for reader, _ in ends:
        await read_response(reader)

    assert sum(wire.service.turns) == 10
    assert len(wire.service.turns) < 10


@on_a_server()
async def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    reader, writer = await wire.connect()
    names = [{"name": str(number)} for number in range(200)]
    writer.write(b"".join(message("DescribeDomain", name) for name in names))

    assert [json.loads((await read_response(reader)).body) for _ in names] == names


@on_a_server()
async def test_a_poll_is_answered_when_there_is_a_task(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("PollForActivityTask", POLL))
    await wire.until(lambda: wire.service.waiting)
    wire.service.hand_out(TASK)
    wire.server.arm()

    assert (await read_response(reader)).body == TASK


@on_a_server()
async def test_a_half_closed_poll_is_withdrawn_and_gets_no_answer(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("PollForActivityTask", POLL))
    await wire.until(lambda: wire.service.waiting)

    writer.write_eof()

    assert await reader.read() == b""
    assert len(wire.service.withdrawn) == 1


@on_a_server()
async def test_a_half_closed_wait_for_an_end_is_withdrawn_and_gets_no_answer(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(WAIT)
    await wire.until(lambda: wire.service.waiting)

    writer.write_eof()

    assert await reader.read() == b""
    assert len(wire.service.withdrawn) == 1


@on_a_server()
async def test_nothing_waits_for_an_end_without_the_header_its_value_and_the_operation(wire: Wire) -> None:
    reader, writer = await wire.connect()

    writer.write(message("DescribeWorkflowExecution", EXECUTION))
    writer.write(message("DescribeWorkflowExecution", EXECUTION, headers={"X-Flowyd-Wait": "started"}))
    writer.write(message("DescribeDomain", DOMAIN, headers={"X-Flowyd-Wait": "closed"}))

    assert [(await read_response(reader)).status for _ in range(3)] == [200] * 3
    assert not wire.service.waiting


@on_a_server()
async def test_a_poll_whose_sender_is_gone_at_once_never_reaches_the_service(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("PollForActivityTask", POLL))
    writer.write_eof()

    assert await reader.read() == b""
    assert not wire.service.waiting


@on_a_server()
async def test_a_half_closed_request_is_answered(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("DescribeDomain", DOMAIN))
    writer.write_eof()

    assert (await read_response(reader)).status == 200
    assert await reader.read() == b""


@on_a_server()
async def test_a_task_that_was_not_read_is_offered_again(wire: Wire) -> None:
    with socket.socket(socket.AF_UNIX) as dying:
        dying.connect(str(wire.path))
        dying.sendall(message("PollForActivityTask", POLL))
        await wire.until(lambda: wire.service.waiting)
        call = wire.service.waiting[0]
        wire.service.hand_out(TASK)
        wire.server.arm()
        await wire.until(lambda: not wire.service._answered)
        await asyncio.sleep(0)

    await wire.until(lambda: wire.service.offered_again)
    assert wire.service.offered_again == [call]


@on_a_server()
async def test_a_task_that_was_read_is_not_offered_again(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("PollForActivityTask", POLL))
    await wire.until(lambda: wire.service.waiting)
    wire.service.hand_out(TASK)
    wire.server.arm()
    await read_response(reader)

    writer.close()
    await wire.until(lambda: not wire.server._connections)

    assert not wire.service.offered_again


@on_a_server()
async def test_a_broken_turn_is_an_internal_failure_and_the_next_one_works(wire: Wire) -> None:
    reader, writer = await wire.connect()
    wire.service.is_broken = True
    writer.write(message("DescribeDomain", DOMAIN))
    failed = await read_response(reader)
    wire.service.is_broken = False
    writer.write(message("DescribeDomain", DOMAIN))

    assert (failed.status, failed.fault) == (500, "InternalFailure")
    assert b"disk" not in failed.body
    assert (await read_response(reader)).status == 200


@on_a_server()
async def test_a_body_may_be_announced_first(wire: Wire) -> None:
    reader, writer = await wire.connect()
    whole = message("DescribeDomain", DOMAIN, headers={"Expect": "100-continue"})
    head, body = whole.split(b"\r\n\r\n", 1)
    writer.write(head + b"\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

    writer.write(body)

    assert (await read_response(reader)).status == 200


@on_a_server()
async def test_chunked_bodies_are_read(wire: Wire) -> None:
    reader, writer = await wire.connect()
    head = message("DescribeDomain", body=b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    writer.write(head + b'6\r\n{"name\r\n6\r\n":"d"}\r\n0\r\n\r\n')

    assert json.loads((await read_response(reader)).body) == DOMAIN


@on_a_server()
async def test_a_request_over_one_megabyte_is_refused_and_the_connection_goes_on(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("DescribeDomain", body=b'{"name":"' + b"x" * 1_048_576 + b'"}'))
    refused = await read_response(reader)
    writer.write(message("DescribeDomain", DOMAIN))

    assert (refused.status, refused.fault) == (400, "ValidationException")
    assert (await read_response(reader)).status == 200


@on_a_server()
async def test_an_endless_body_is_cut_off(wire: Wire) -> None:
    _, writer = await wire.connect()
    writer.write(message("DescribeDomain", body=b"", headers={"Content-Length": "99999999999"}))

    with pytest.raises(ConnectionError):
        await send_for_ever(writer, b"x" * 1_000_000)


@on_a_server()
async def test_an_endless_head_is_cut_off(wire: Wire) -> None:
    _, writer = await wire.connect()
    writer.write(b"POST / HTTP/1.1\r\nX-Long: ")

    with pytest.raises(ConnectionError):
        await send_for_ever(writer, b"x" * 10_000)


WRONG = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "bad length": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "long head": b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 5_000 + b"\r\n",
    "other version": b"POST / HTTP/3.0\r\n\r\n",
}


@pytest.mark.parametrize("sent", WRONG.values(), ids=WRONG)
def test_what_cannot_be_read_is_refused_and_the_connection_closed(tmp_path: Path, sent: bytes) -> None:
    @on_a_server()
    async def scenario(wire: Wire) -> None:
        reader, writer = await wire.connect()
        writer.write(sent)

        response = await read_response(reader)

        assert response.status == 400
        assert response.headers["connection"] == "close"
        assert await reader.read() == b""

    scenario(tmp_path)


UNKNOWN = {
    "operation": message("DoEverything"),
    "no target": b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    "path": message("DescribeDomain", DOMAIN).replace(b"POST / ", b"POST /x "),
    "method": message("DescribeDomain", DOMAIN).replace(b"POST / ", b"PUT / "),
    "browser": b"OPTIONS / HTTP/1.1\r\nOrigin: http://evil\r\n\r\n",
}


@pytest.mark.parametrize("sent", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_no_operation_is_unknown(tmp_path: Path, sent: bytes) -> None:
    @on_a_server()
    async def scenario(wire: Wire) -> None:
        reader, writer = await wire.connect()
        writer.write(sent)

        response = await read_response(reader)

        assert (response.status, response.fault) == (400, "UnknownOperationException")

    scenario(tmp_path)


@on_a_server()
async def test_health_and_metrics_are_answered(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("DescribeDomain", {}))
    await read_response(reader)
    writer.write(b"GET /health HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n")

    health, metrics = await read_response(reader), await read_response(reader)

    assert (health.status, health.body) == (200, b"ok\n")
    line = b'flowyd_engine_requests_total{action="DescribeDomain",fault="ValidationException"} 1.0'
    assert line in metrics.body.splitlines()


@on_a_server(most_connections=3)
async def test_at_the_limit_the_longest_idle_connection_makes_room(wire: Wire) -> None:
    oldest, others = await wire.connect(), []
    for reader, writer in [oldest]:
        writer.write(message("DescribeDomain", DOMAIN))
        await read_response(reader)
    for _ in range(3):
        reader, writer = await wire.connect()
        writer.write(message("DescribeDomain", DOMAIN))
        assert (await read_response(reader)).status == 200
        others.append((reader, writer))

    assert await oldest[0].read() == b""


@on_a_server(most_connections=3)
async def test_at_the_limit_who_has_a_task_in_hand_makes_room_last(wire: Wire) -> None:
    wire.service.tasks = [TASK]
    worker, others = await wire.connect(), []
    worker[1].write(message("PollForActivityTask", POLL))
    assert (await read_response(worker[0])).body == TASK
    for _ in range(3):
        reader, writer = await wire.connect()
        writer.write(message("DescribeDomain", DOMAIN))
        assert (await read_response(reader)).status == 200
        others.append((reader, writer))

    assert await others[0][0].read() == b""
    assert wire.service.offered_again == []


@on_a_server()
async def test_a_flood_of_one_connection_does_not_keep_another_waiting(wire: Wire) -> None:
    _, flooding = await wire.connect()
    reader, writer = await wire.connect()
    flooding.write(message("DescribeDomain", {}) * 500)
    await flooding.drain()

    writer.write(message("DescribeDomain", DOMAIN))
    response = await read_response(reader)

    assert response.status == 200
    assert 0 < answered(wire, "DescribeDomain", "ValidationException") < 100
    await wire.until(lambda: answered(wire, "DescribeDomain", "ValidationException") == 500)


@on_a_server(most_connections=400)
async def test_a_turn_takes_a_bounded_number_of_requests(wire: Wire) -> None:
    ends = [await wire.connect() for _ in range(300)]
    for _, writer in ends:
        writer.write(message("DescribeDomain", DOMAIN))

    for reader, _ in ends:
        assert (await read_response(reader)).status == 200

    assert sum(wire.service.turns) == 300
    assert max(wire.service.turns) <= servers.MOST_CALLS_PER_TURN


@on_a_server()
async def test_what_is_pipelined_behind_a_poll_waits_unread(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("PollForActivityTask", POLL) + b"GET /health HTTP/1.1\r\n\r\n" * 20_000)
    await wire.until(lambda: wire.service.waiting)
    await asyncio.sleep(0.05)
    [connection] = wire.server._connections
    kept = connection.buffered_bytes
    wire.service.hand_out(TASK)
    wire.server.arm()

    assert (await read_response(reader)).body == TASK
    for _ in range(20_000):
        assert (await read_response(reader)).body == b"ok\n"
    assert kept < 400_000


@on_a_server()
async def test_who_asks_for_metrics_all_the_time_gets_the_same_text_for_a_while(wire: Wire) -> None:
    made = 0

    def slow() -> list[Any]:
        nonlocal made
        made += 1
        time.sleep(0.01)
        return []

    wire.server._metrics.add_gauges(slow)
    reader, writer = await wire.connect()
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n" * 100)

    for _ in range(100):
        assert (await read_response(reader)).status == 200

    assert made < 10


@on_a_server()
async def test_who_takes_too_long_to_ask_is_cut_off(wire: Wire) -> None:
    silent, slow, polling = [await wire.connect() for _ in range(3)]
    slow[1].write(message("DescribeDomain", DOMAIN)[:50])
    polling[1].write(message("PollForActivityTask", POLL))
    await wire.until(lambda: wire.service.waiting and len(wire.server._connections) == 3)
    await asyncio.sleep(0.01)

    later = asyncio.get_running_loop().time() + connections.REQUEST_S + 1
    overdue = [connection for connection in wire.server._connections if connection.is_overdue(later)]

    assert len(overdue) == 2
    for connection in overdue:
        connection.abort()
    assert await silent[0].read() == b""
    assert await slow[0].read() == b""


@on_a_server()
async def test_dripping_does_not_put_the_end_off(wire: Wire) -> None:
    reader, writer = await wire.connect()
    await wire.until(lambda: wire.server._connections)
    [connection] = wire.server._connections
    began_at = connection.changed_at
    for piece in (b"\r\n", b"\r\n", b"\r\n"):
        writer.write(piece)
        await asyncio.sleep(0.01)
    assert connection.changed_at == began_at

    whole = message("DescribeDomain", DOMAIN)
    writer.write(whole[:1])
    await wire.until(lambda: connection.changed_at != began_at)
    began_at = connection.changed_at
    for place in range(1, len(whole) - 1):
        writer.write(whole[place : place + 1])
        await asyncio.sleep(0)
    assert connection.changed_at == began_at
    writer.write(whole[-1:])
    assert (await read_response(reader)).status == 200


@on_a_server()
async def test_who_does_not_read_is_overdue(wire: Wire) -> None:
    _, writer = await wire.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads
    while not any(
        connection.is_overdue(asyncio.get_running_loop().time() + connections.REQUEST_S + 1)
        for connection in wire.server._connections
        if not connection.is_idle
    ):
        writer.write(message("DescribeDomain", DOMAIN) * 100)
        await asyncio.sleep(0.001)


@on_a_server()
async def test_a_stopping_server_leaves_who_waits_for_an_end_to_the_next_one(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(WAIT)
    await wire.until(lambda: wire.service.waiting)

    await wire.server.stop()

    assert await reader.read() == b""
    assert len(wire.service.withdrawn) == 1


@on_a_server()
async def test_a_stopping_server_answers_waiting_polls_as_empty(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(message("PollForActivityTask", POLL))
    await wire.until(lambda: wire.service.waiting)

    await wire.server.stop()

    assert (await read_response(reader)).body == b'{"startedEventId":0}'
    assert await reader.read() == b""

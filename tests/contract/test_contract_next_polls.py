"""A call and the next poll in one message, on the wire: what is told when, and what breaking off means."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from flowyd.engine import acknowledging, connection
from flowyd.engine.http import HttpRequest
from flowyd.swf.faults import LimitExceededFault, UnknownResourceFault
from tests.contract.test_contract_wire import DOMAIN, POLL, TASK, answered, on_a_server
from tests.contract.wire import Response, Wire, message, read_response

CALL = "RespondActivityTaskCompleted"
NEXT = {"action": "PollForActivityTask", "request": POLL}


class AnyCaller:
    """A gate that everybody passes."""

    def admit(self, request: HttpRequest, action: str) -> None:
        del request, action


def both(action: str = CALL, *, next_poll: object = NEXT, close: bool = False) -> bytes:
    """A call with a poll behind it."""
    named = next_poll if isinstance(next_poll, str) else json.dumps(next_poll)
    headers = {"X-Flowyd-Poll": "p1", "X-Flowyd-Next-Poll": named}
    if close:
        headers["Connection"] = "close"
    return message(action, {"taskToken": "t"}, headers=headers)


async def read_after_102(reader: asyncio.StreamReader) -> Response:
    """The answer of the poll, where the call's was told alone."""
    assert (await read_response(reader)).status == 102
    return await read_response(reader)


async def rest(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(), 10)


@on_a_server()
async def test_a_task_that_follows_at_once_is_the_only_answer(wire: Wire) -> None:
    wire.service.tasks.append(TASK)
    reader, writer = await wire.connect()
    writer.write(both() + message("DescribeDomain", DOMAIN))

    first, second = await read_response(reader), await read_response(reader)

    assert (first.status, first.body) == (200, TASK)
    assert json.loads(second.body) == DOMAIN
    assert answered(wire, CALL, "") == answered(wire, "PollForActivityTask", "") == 1


@on_a_server()
async def test_without_a_task_it_is_told_that_the_call_was_carried_out(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(both())

    assert (await read_response(reader)).status == 102
    [poll] = wire.service.waiting
    assert (poll.action, poll.request, poll.poll_id) == ("PollForActivityTask", POLL, "p1")

    wire.service.hand_out(TASK)
    wire.server.arm()
    assert (await read_response(reader)).body == TASK
    assert answered(wire, CALL, "") == answered(wire, "PollForActivityTask", "") == 1


@on_a_server()
async def test_a_refused_call_is_one_fault_and_no_poll(wire: Wire) -> None:
    wire.service.faults[CALL] = UnknownResourceFault("gone")
    reader, writer = await wire.connect()
    writer.write(both() + message("DescribeDomain", DOMAIN))

    assert (await read_response(reader)).fault == "UnknownResourceFault"
    assert (await read_response(reader)).status == 200
    assert not wire.service.waiting
    assert not wire.server._callers


@on_a_server()
async def test_a_refused_poll_is_a_fault_after_the_call_was_told(wire: Wire) -> None:
    wire.service.faults["PollForActivityTask"] = LimitExceededFault("too many")
    reader, writer = await wire.connect()
    writer.write(both() + message("DescribeDomain", DOMAIN))

    assert (await read_after_102(reader)).fault == "LimitExceededFault"
    assert (await read_response(reader)).status == 200
    assert not wire.server._callers


@on_a_server()
async def test_a_broken_turn_is_a_fault_of_the_call(wire: Wire) -> None:
    wire.service.is_broken = True
    reader, writer = await wire.connect()
    writer.write(both())

    assert (await read_response(reader)).fault == "InternalFailure"
    assert not wire.server._callers


MALFORMED = {
    "no JSON": "PollForActivityTask",
    "no poll": {"action": "StartWorkflowExecution", "request": {}},
    "a wrong request": {"action": "PollForActivityTask", "request": {"domain": 1}},
    "nested too deeply": "[" * 5_000,
}


@pytest.mark.parametrize("named", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_next_poll_is_refused_with_its_call(tmp_path: Path, named: object) -> None:
    @on_a_server()
    async def scenario(wire: Wire) -> None:
        reader, writer = await wire.connect()
        writer.write(both(next_poll=named) + message("DescribeDomain", DOMAIN))

        assert (await read_response(reader)).status == 400
        assert json.loads((await read_response(reader)).body) == DOMAIN
        assert wire.service.turns == [1]

    scenario(tmp_path)


@on_a_server()
async def test_a_next_poll_over_the_limit_of_a_head_ends_the_connection(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(both(next_poll="x" * 20_000))

    assert (await read_response(reader)).status == 400
    assert await rest(reader) == b""
    assert not wire.service.turns


@on_a_server(gate=AnyCaller())
async def test_behind_a_gate_the_next_poll_is_ignored(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(both() + both(next_poll="nonsense"))

    assert [(await read_response(reader)).status for _ in range(2)] == [200, 200]
    assert not wire.service.waiting


@pytest.mark.parametrize("action", ["DescribeDomain", "PollForDecisionTask"])
def test_a_next_poll_behind_what_has_a_result_is_ignored(tmp_path: Path, action: str) -> None:
    @on_a_server()
    async def scenario(wire: Wire) -> None:
        wire.service.tasks.append(TASK)
        reader, writer = await wire.connect()
        named = json.dumps(NEXT)
        writer.write(message(action, {**DOMAIN, **POLL}, headers={"X-Flowyd-Next-Poll": named}))

        assert (await read_response(reader)).status == 200
        assert not wire.service.waiting
        assert not wire.server._callers

    scenario(tmp_path)


@on_a_server()
async def test_what_is_sent_behind_both_waits_for_the_polls_answer(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(both() + message("DescribeDomain", DOMAIN))
    assert (await read_response(reader)).status == 102
    assert wire.service.turns == [1]

    wire.service.hand_out(TASK)
    wire.server.arm()

    assert (await read_response(reader)).body == TASK
    assert json.loads((await read_response(reader)).body) == DOMAIN


@on_a_server()
async def test_two_messages_with_polls_on_one_connection_are_told_apart(wire: Wire) -> None:
    wire.service.tasks.append(TASK)
    reader, writer = await wire.connect()
    writer.write(both() + both())

    assert (await read_response(reader)).body == TASK
    assert (await read_response(reader)).status == 102
    wire.service.hand_out(b'{"startedEventId":0}')
    wire.server.arm()
    assert (await read_response(reader)).body == b'{"startedEventId":0}'


@on_a_server()
async def test_a_connection_that_is_to_close_closes_after_the_polls_answer(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(both(close=True))
    assert (await read_response(reader)).status == 102

    wire.service.hand_out(TASK)
    wire.server.arm()

    assert (await read_response(reader)).body == TASK
    assert await rest(reader) == b""


@pytest.mark.parametrize("is_same_turn", [True, False])
def test_a_task_on_another_connection_of_the_peer_tells_of_the_call_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_same_turn: bool
) -> None:
    monkeypatch.setattr(acknowledging, "_WITHIN_S", 3600.0)

    @on_a_server()
    async def scenario(wire: Wire) -> None:
        polling, answering = await wire.connect(), await wire.connect()
        polling[1].write(message("PollForActivityTask", POLL))
        await wire.until(lambda: wire.service.waiting)
        if is_same_turn:
            wire.service.hand_out(TASK)
        answering[1].write(both())
        if not is_same_turn:
            await wire.until(lambda: len(wire.service.waiting) == 2)
            wire.service.hand_out(TASK)
            wire.server.arm()

        assert (await read_response(polling[0])).body == TASK
        assert (await read_response(answering[0])).status == 102

    scenario(tmp_path)


# Ends of connections.


@on_a_server()
async def test_half_closed_before_its_turn_the_call_is_answered_alone(wire: Wire) -> None:
    reader, writer = await wire.connect()
    # As if a turn were at work.
    wire.server._turn_is_due = True
    writer.write(both())
    await wire.until(lambda: wire.server._ready)
    writer.write_eof()
    await wire.until(lambda: len(wire.server._callers) == 1)

    wire.server._take_turn()

    assert (await read_response(reader)).status == 200
    assert await rest(reader) == b""
    assert not wire.service.waiting
    assert not wire.server._callers


@on_a_server()
async def test_half_closed_while_the_answer_is_held_the_call_is_answered_alone(wire: Wire) -> None:
    wire.service.holds = True
    reader, writer = await wire.connect()
    writer.write(both())
    await wire.until(lambda: wire.service.waiting)
    writer.write_eof()
    await wire.until(lambda: wire.service.withdrawn)

    wire.server._look_at_durable()

    assert (await read_response(reader)).status == 200
    assert await rest(reader) == b""
    assert not wire.server._callers


@on_a_server()
async def test_half_closed_while_both_answers_are_held_the_task_is_sent(wire: Wire) -> None:
    wire.service.holds = True
    wire.service.tasks.append(TASK)
    reader, writer = await wire.connect()
    writer.write(both())
    await wire.until(lambda: wire.service.held)
    writer.write_eof()
    await wire.until(lambda: wire.service.withdrawn)

    wire.server._look_at_durable()

    assert (await read_response(reader)).body == TASK
    assert await rest(reader) == b""


@on_a_server()
async def test_half_closed_before_the_call_was_told_it_is_told_before_the_end(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(both())
    # The turn comes before the end is read.
    writer.write_eof()

    assert (await read_response(reader)).status == 102
    assert await rest(reader) == b""
    assert not wire.service.waiting


@on_a_server()
async def test_half_closed_after_the_call_was_told_the_poll_is_withdrawn(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(both())
    assert (await read_response(reader)).status == 102
    writer.write_eof()

    assert await rest(reader) == b""
    assert not wire.service.waiting


async def broken_off(wire: Wire, sent: bytes, condition: Any) -> None:
    """Sends, and breaks the connection once the condition holds."""
    with socket.socket(socket.AF_UNIX) as dying:
        dying.connect(str(wire.path))
        dying.sendall(sent)
        await wire.until(condition)


@on_a_server()
async def test_a_connection_that_breaks_takes_its_waiting_poll_with_it(wire: Wire) -> None:
    await broken_off(wire, both(), lambda: wire.service.waiting)

    await wire.until(lambda: not wire.server._connections)
    assert not wire.service.waiting
    assert not wire.server._callers
    await wire.until(lambda: not wire.server._acknowledging._owing)


@on_a_server()
async def test_a_task_held_for_a_connection_that_was_reset_is_offered_again(wire: Wire) -> None:
    wire.service.holds = True
    wire.service.tasks.append(TASK)
    # An end with an answer unread is a reset.
    unread = b"GET /health HTTP/1.1\r\n\r\n"
    await broken_off(wire, unread + both(), lambda: wire.service.held)
    await wire.until(lambda: not wire.server._connections)
    assert not wire.server._callers

    wire.server._look_at_durable()

    assert [call.action for call in wire.service.offered_again] == ["PollForActivityTask"]


@on_a_server()
async def test_a_task_held_for_a_connection_that_breaks_is_offered_again(wire: Wire) -> None:
    wire.service.holds = True
    wire.service.tasks.append(TASK)
    await broken_off(wire, both(), lambda: wire.service.held)

    wire.server._look_at_durable()
    await wire.until(lambda: wire.service.offered_again)

    assert [call.action for call in wire.service.offered_again] == ["PollForActivityTask"]
    assert answered(wire, CALL, "") == 1


@on_a_server()
async def test_a_task_that_was_not_read_is_offered_again(wire: Wire) -> None:
    wire.service.tasks.append(TASK)
    await broken_off(wire, both(), lambda: answered(wire, "PollForActivityTask", ""))

    await wire.until(lambda: wire.service.offered_again)
    assert [call.action for call in wire.service.offered_again] == ["PollForActivityTask"]


# The server's end.


@on_a_server()
async def test_a_stopping_server_answers_the_poll_as_empty(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(both())
    await wire.until(lambda: wire.server._acknowledging._owing)

    await wire.server.stop()

    assert (await read_response(reader)).body == b'{"startedEventId":0}'
    assert await rest(reader) == b""


@on_a_server()
async def test_a_stopping_server_makes_durable_what_it_tells(wire: Wire) -> None:
    wire.service.holds = True
    reader, writer = await wire.connect()
    writer.write(message("DescribeDomain", DOMAIN) + both())
    await wire.until(lambda: wire.service.held)

    await wire.server.stop()

    assert json.loads((await read_response(reader)).body) == DOMAIN
    assert (await read_response(reader)).body == b'{"startedEventId":0}'
    assert (wire.service.turns, wire.service.held) == ([1, 1], [])


def several(count: int, last: bytes) -> bytes:
    """Calls without result, numbered by their tokens, and one behind them."""
    return b"".join(message(CALL, {"taskToken": f"t{number}"}) for number in range(count)) + last


@on_a_server()
async def test_calls_without_result_in_one_message_are_one_turn_and_answered_in_order(wire: Wire) -> None:
    reader, writer = await wire.connect()
    wire.service.tasks.append(TASK)
    writer.write(several(7, both()))

    answers = [await read_response(reader) for _ in range(8)]

    assert [json.loads(each.body).get("taskToken") for each in answers[:-1]] == [f"t{n}" for n in range(7)]
    assert answers[-1].body == TASK
    assert wire.service.turns == [8]


@on_a_server()
async def test_a_read_behind_calls_waits_for_them(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(several(3, message("DescribeDomain", DOMAIN)))

    bodies = [json.loads((await read_response(reader)).body) for _ in range(4)]

    assert bodies[-1] == DOMAIN
    assert wire.service.turns == [3, 1]


@on_a_server()
async def test_a_wrong_call_among_several_is_refused_in_its_place(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(several(2, message(CALL, {})) + several(2, b""))

    assert [(await read_response(reader)).status for _ in range(5)] == [200, 200, 400, 200, 200]
    assert not wire.server._callers


@on_a_server()
async def test_what_is_no_http_behind_calls_is_refused_after_them(wire: Wire) -> None:
    def call(result: str) -> bytes:
        return message(CALL, {"taskToken": "t", "result": result})

    # So that what is no HTTP is read by itself.
    padded = call("x" * (connection._SLICE_BYTES - len(call("x" * 1_000)) + 1_000))
    assert len(padded) == connection._SLICE_BYTES
    reader, writer = await wire.connect()
    writer.write(padded + b"no HTTP at all\r\n\r\n")

    assert [(await read_response(reader)).status for _ in range(2)] == [200, 400]
    assert await rest(reader) == b""


@on_a_server()
async def test_calls_before_a_poll_that_waits_are_told_with_it(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(several(2, both()))

    assert [(await read_response(reader)).status for _ in range(3)] == [200, 200, 102]
    writer.write_eof()
    assert await rest(reader) == b""
    assert not wire.server._callers


@on_a_server()
async def test_more_calls_than_may_be_under_way_are_all_answered(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(several(100, b""))

    answers = [await read_response(reader) for _ in range(100)]

    assert [json.loads(each.body)["taskToken"] for each in answers] == [f"t{n}" for n in range(100)]
    assert max(wire.service.turns) == connection._MOST_UNDER_WAY


@on_a_server()
async def test_a_connection_that_is_reset_with_several_tasks_unread_offers_them_again(wire: Wire) -> None:
    wire.service.tasks.append(b'{"tasks":[{"taskToken":"1"},{"taskToken":"2"}]}')
    _, writer = await wire.connect()
    writer.write(several(2, both()))
    await wire.until(lambda: wire.service.turns)
    await asyncio.sleep(0.05)
    for each in list(wire.server._connections):
        each.abort()

    await wire.until(lambda: wire.service.offered_again)
    assert [call.poll_id for call in wire.service.offered_again] == ["p1"]


def test_who_has_a_task_unread_elsewhere_is_told_at_once_that_a_call_was_carried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledging, "_WITHIN_S", 3600.0)

    @on_a_server()
    async def scenario(wire: Wire) -> None:
        wire.service.tasks.append(TASK)
        other, polling = await wire.connect()
        polling.write(message("PollForActivityTask", POLL))
        assert (await read_response(other)).body == TASK

        reader, writer = await wire.connect()
        writer.write(both())

        assert (await asyncio.wait_for(read_response(reader), 10)).status == 102

    scenario(tmp_path)

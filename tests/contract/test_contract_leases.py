"""Several activity tasks over one connection: until when they may be begun, and who gets the rest then.

The tests wait for the end of a lease, which lasts longer here than it does, so that what is to come before
its end does so on a busy machine, too; none looks at how late the end is seen.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from flowyd.engine import leases
from flowyd.engine.clock import SystemClock
from flowyd.engine.connection import Gate
from flowyd.engine.http import HttpRequest
from flowyd.engine.metrics import Metrics
from flowyd.engine.opening import open_service
from flowyd.engine.server import Server
from flowyd.engine.service import Service
from flowyd.swf.actions import BEGIN_BEFORE
from tests.contract.test_contract_held import DOMAIN, POLL, TYPE, WORKFLOW_TYPE
from tests.contract.wire import Response, message, read_response
from tests.unit.engine_service.no_space import no_file_grows

ACTIVITY_TYPE = {
    "domain": "d",
    **TYPE,
    "defaultTaskList": {"name": "tl"},
    "defaultTaskHeartbeatTimeout": "NONE",
    "defaultTaskScheduleToCloseTimeout": "NONE",
    "defaultTaskScheduleToStartTimeout": "NONE",
    "defaultTaskStartToCloseTimeout": "NONE",
}
LEASE_S = 0.2


@pytest.fixture(autouse=True)
def _longer_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE_S", LEASE_S)


class Open:
    """A gate that lets everybody pass: the caller may not be who wrote the headers."""

    def admit(self, request: HttpRequest, action: str) -> None:
        pass


def answer(task: dict[str, Any], action: str = "RespondActivityTaskCompleted", **members: str) -> bytes:
    """The message that answers a task."""
    return message(action, {"taskToken": task["taskToken"], **members})


class Caller:
    """A connection, and the tasks that came over it last."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.tasks: list[dict[str, Any]] = []
        self.begin_before: float | None = None

    def send(self, *messages: bytes) -> None:
        self.writer.write(b"".join(messages))

    async def read(self) -> Response:
        """The next answer that is more than an interim one."""
        while (response := await read_response(self._reader)).status < 200:
            pass
        return response

    def begin_poll(self, poll_id: str, most_tasks: int = 8) -> None:
        self.send(
            message(
                "PollForActivityTask",
                POLL,
                headers={"X-Flowyd-Poll": poll_id, "X-Flowyd-Tasks": str(most_tasks)},
            )
        )

    async def read_tasks(self) -> list[str]:
        """The activities that a poll is answered with."""
        found = json.loads((await self.read()).body)
        self.tasks = found.get("tasks", [found])
        self.begin_before = found.get(BEGIN_BEFORE)
        return [task["activityId"] for task in self.tasks]

    async def poll(self, poll_id: str, most_tasks: int = 8) -> list[str]:
        self.begin_poll(poll_id, most_tasks)
        return await self.read_tasks()


@dataclass
class Engine:
    """A real service, served on a unix socket, one with a gate, and a loopback port."""

    folder: Path
    service: Service
    server: Server
    port: int
    #: How often it was asked what is on offer.
    asked: int = 0

    async def connect(self, name: str = "engine.sock") -> Caller:
        return Caller(*await asyncio.open_unix_connection(str(self.folder / name)))

    async def call(self, action: str, request: object) -> dict[str, Any]:
        caller = await self.connect()
        caller.send(message(action, request))
        response = await caller.read()
        caller.writer.close()
        assert response.status == 200, response.body
        found: dict[str, Any] = json.loads(response.body or b"{}")
        return found

    async def schedule(self, names: str, workflow_id: str = "w") -> None:
        """An execution with these activities."""
        await self.call(
            "StartWorkflowExecution", {"domain": "d", "workflowId": workflow_id, "workflowType": TYPE}
        )
        await self.decide(await self.call("PollForDecisionTask", POLL), names)

    async def decide(self, task: dict[str, Any], names: str) -> None:
        """Schedules these activities with a decision task."""
        decisions = [
            {
                "decisionType": "ScheduleActivityTask",
                "scheduleActivityTaskDecisionAttributes": {"activityId": name, "activityType": TYPE},
            }
            for name in names
        ]
        await self.call(
            "RespondDecisionTaskCompleted", {"taskToken": task["taskToken"], "decisions": decisions}
        )

    async def until_offered(self, poll_id: str = "other") -> list[str]:
        """What a poll gets that waits for it."""
        other = await self.connect()
        found = await other.poll(poll_id)
        other.writer.close()
        return found

    async def offered(self) -> list[str]:
        """What is on offer; it is taken."""
        self.asked += 1
        await self.schedule("z", f"last-{self.asked}")
        found = await self.until_offered(f"last-{self.asked}")
        found.remove("z")
        return found


async def lease_is_over() -> None:
    """Waits until the engine has had time to look at leases that began before."""
    await asyncio.sleep(LEASE_S * 1.5)


@asynccontextmanager
async def engine_in(folder: Path) -> AsyncIterator[Engine]:
    clock = SystemClock()
    service = open_service(database=folder / "engine.db", clock=clock)
    server = Server(service, now=clock.now, metrics=Metrics(), most_connections=100)
    gates: dict[str, Gate | None] = {"engine.sock": None, "gate.sock": Open()}
    for name, gate in gates.items():
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(str(folder / name))
        listening.listen()
        await server.listen(listening, gate)
    loopback = socket.create_server(("127.0.0.1", 0))
    await server.listen(loopback, None)
    engine = Engine(folder=folder, service=service, server=server, port=loopback.getsockname()[1])
    try:
        await engine.call("RegisterDomain", DOMAIN)
        await engine.call("RegisterWorkflowType", WORKFLOW_TYPE)
        await engine.call("RegisterActivityType", ACTIVITY_TYPE)
        yield engine
    finally:
        await server.stop()
        service.close()


Scenario = Callable[..., Awaitable[None]]


def on_an_engine(scenario: Scenario) -> Callable[[Path], None]:
    """Runs the test against an engine of its own."""

    async def run(folder: Path) -> None:
        async with engine_in(folder) as engine:
            await asyncio.wait_for(scenario(engine), 20)

    @wraps(scenario)
    def test(tmp_path: Path) -> None:
        asyncio.run(run(tmp_path))

    del test.__wrapped__  # type: ignore[attr-defined]  # pytest would ask for the scenario's argument
    return test


@on_an_engine
async def test_several_tasks_come_with_the_end_of_their_lease(engine: Engine) -> None:
    await engine.schedule("abc")
    caller = await engine.connect()

    began_at = time.clock_gettime(time.CLOCK_MONOTONIC)
    assert await caller.poll("p1") == ["a", "b", "c"]

    assert caller.begin_before is not None
    assert began_at < caller.begin_before - LEASE_S < time.clock_gettime(time.CLOCK_MONOTONIC)


@on_an_engine
async def test_one_task_comes_without_a_lease(engine: Engine) -> None:
    await engine.schedule("a")
    caller = await engine.connect()

    assert await caller.poll("p1") == ["a"]

    assert caller.begin_before is None


@on_an_engine
async def test_decision_tasks_come_without_a_lease(engine: Engine) -> None:
    for name in "ab":
        await engine.call("StartWorkflowExecution", {"domain": "d", "workflowId": name, "workflowType": TYPE})
    caller = await engine.connect()
    caller.send(message("PollForDecisionTask", POLL, headers={"X-Flowyd-Poll": "p", "X-Flowyd-Tasks": "8"}))

    answered = json.loads((await caller.read()).body)

    assert len(answered["tasks"]) == 2
    assert BEGIN_BEFORE not in answered


@on_an_engine
async def test_nobody_gets_several_over_tcp_or_through_a_gate(engine: Engine) -> None:
    await engine.schedule("abc")
    over_tcp = Caller(*await asyncio.open_connection("127.0.0.1", engine.port))
    gated = await engine.connect("gate.sock")

    assert await over_tcp.poll("p1") == ["a"]
    assert await gated.poll("p2") == ["b"]
    assert over_tcp.begin_before is gated.begin_before is None


@on_an_engine
async def test_another_poll_gets_the_rest_when_the_lease_is_over(engine: Engine) -> None:
    await engine.schedule("abc")
    caller = await engine.connect()
    await caller.poll("p1")

    assert await engine.until_offered() == ["b", "c"]

    assert caller.begin_before is not None
    assert time.monotonic() > caller.begin_before
    caller.send(answer(caller.tasks[0]))
    assert (await caller.read()).status == 200


def test_the_first_unanswered_task_is_kept(tmp_path: Path) -> None:
    async def run() -> None:
        async with engine_in(tmp_path) as engine:
            await engine.schedule("abcde")
            caller = await engine.connect()
            await caller.poll("p1")
            caller.send(*map(answer, caller.tasks[:3]))

            assert await engine.until_offered() == ["e"]

            caller.send(answer(caller.tasks[3]))
            assert [(await caller.read()).status for _ in range(3)] == [200, 200, 200]
            assert await engine.offered() == []

    asyncio.run(run())


@on_an_engine
async def test_what_lies_unread_when_the_lease_ends_counts(engine: Engine) -> None:
    await engine.schedule("abcd")
    caller = await engine.connect()
    await caller.poll("p1")
    other = await engine.connect()
    other.begin_poll("other")
    connected = socket.socket(fileno=os.dup(caller.writer.get_extra_info("socket").fileno()))
    assert caller.begin_before is not None
    # Sent in the round of the loop that looks at the lease, when it has seen what there is to read.
    sent = answer(caller.tasks[0]) + answer(caller.tasks[1])
    asyncio.get_running_loop().call_at(caller.begin_before - 0.001, connected.sendall, sent)
    while time.monotonic() < caller.begin_before + 0.01:
        time.sleep(0.001)

    assert await other.read_tasks() == ["d"]
    connected.close()


@on_an_engine
async def test_while_a_request_is_half_sent_nothing_is_offered(engine: Engine) -> None:
    await engine.schedule("abc")
    caller = await engine.connect()
    await caller.poll("p1")
    sent = answer(caller.tasks[0])
    caller.send(sent[:-5])
    await lease_is_over()
    assert await engine.offered() == []

    caller.send(sent[-5:])

    assert await engine.until_offered() == ["c"]


async def has_no_lease(engine: Engine, caller: Caller) -> None:
    """What the caller may not have begun stays with it; its next poll waits for another task."""
    await lease_is_over()
    await engine.schedule("z", "last")

    assert await caller.read_tasks() == ["z"]
    await lease_is_over()
    assert await engine.offered() == []


@on_an_engine
async def test_who_has_polled_again_has_no_lease(engine: Engine) -> None:
    await engine.schedule("abc")
    caller = await engine.connect()
    await caller.poll("p1")
    caller.begin_poll("p2")

    await has_no_lease(engine, caller)


@on_an_engine
async def test_who_has_polled_with_an_answer_has_no_lease(engine: Engine) -> None:
    await engine.schedule("abc")
    caller = await engine.connect()
    await caller.poll("p1")
    named = json.dumps({"action": "PollForActivityTask", "request": POLL, "tasks": 8})
    caller.send(
        message(
            "RespondActivityTaskCompleted",
            {"taskToken": caller.tasks[0]["taskToken"]},
            headers={"X-Flowyd-Poll": "p2", "X-Flowyd-Next-Poll": named},
        )
    )

    await has_no_lease(engine, caller)


@on_an_engine
async def test_who_has_hung_up_has_no_lease(engine: Engine) -> None:
    await engine.schedule("abc")
    caller = await engine.connect()
    await caller.poll("p1")
    caller.writer.close()

    await lease_is_over()

    assert await engine.offered() == []
    assert not engine.server._leases._leases


@on_an_engine
async def test_each_answer_has_a_lease_of_its_own(engine: Engine) -> None:
    await engine.schedule("abc")
    await engine.schedule("def", "v")
    caller, later = await engine.connect(), await engine.connect()
    assert await caller.poll("p1", 3) == ["a", "b", "c"]
    first_end = caller.begin_before
    caller.send(*map(answer, caller.tasks))
    for _ in caller.tasks:
        await caller.read()
    # So much later that the end of the first lease is well before that of the second.
    await asyncio.sleep(LEASE_S / 2)
    assert await caller.poll("p2", 2) == ["d", "e"]
    assert await later.poll("p3", 2) == ["f"]

    assert first_end is not None
    assert caller.begin_before is not None
    assert first_end < caller.begin_before
    assert await engine.until_offered() == ["e"]
    assert time.monotonic() > caller.begin_before


@on_an_engine
async def test_who_was_refused_may_have_gone_on_and_keeps_the_rest(engine: Engine) -> None:
    await engine.schedule("abc")
    caller = await engine.connect()
    await caller.poll("p1")
    caller.send(answer(caller.tasks[0], result="x" * 40_000))
    assert (await caller.read()).fault == "ValidationException"

    await lease_is_over()

    assert await engine.offered() == []


@on_an_engine
async def test_after_an_answer_that_a_full_disk_took_back_the_rest_is_kept(engine: Engine) -> None:
    await engine.schedule("abc")
    caller = await engine.connect()
    await caller.poll("p1")
    with no_file_grows():
        caller.send(answer(caller.tasks[0]))
        assert (await caller.read()).fault == "InternalFailure"

    await lease_is_over()

    assert await engine.offered() == []


def test_a_poll_that_a_void_turn_had_dealt_several_to_is_answered_as_it_should(tmp_path: Path) -> None:
    async def run() -> None:
        async with engine_in(tmp_path) as engine:
            caller = await engine.connect()
            caller.begin_poll("p1")
            await engine.call("CountPendingActivityTasks", {"domain": "d", "taskList": {"name": "tl"}})
            start = {"domain": "d", "workflowId": "w", "workflowType": TYPE}
            await engine.call("StartWorkflowExecution", start)
            task = await engine.call("PollForDecisionTask", POLL)
            with no_file_grows(), pytest.raises(AssertionError, match="InternalFailure"):
                await engine.decide(task, "ab")
            await engine.server.stop()

            assert json.loads((await caller.read()).body) == {"startedEventId": 0}

    asyncio.run(run())

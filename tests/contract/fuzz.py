"""`python -m tests.contract.fuzz --requests 100000`: sends its own engine what nobody should, and looks.

Held: no answer is a server's fault, nothing hangs, a proper request is answered at any time, memory does not
grow, nothing is logged as an error, and at the end the file is sound and equals the fold of its events.
A run is repeated with `--seed`; what was sent last is in the message of a failure.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from flowyd.swf.actions import POLLS
from flowyd.swf.faults import SwfFault
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess
from tests.contract.fuzz_inputs import DOMAIN, Inputs, body_of
from tests.contract.stored import check_file
from tests.contract.wire import message

#: Nothing may take longer, seconds.
PATIENCE_S = 10.0
#: Between two looks at memory and the registry, requests.
_LOOK_EVERY = 500
_MOST_POLLS = 6
#: What memory may grow from a third of the run to its end: caches that are not full yet.
_GROWTH_BYTES = 48 * 1_048_576
#: Caches are made small, so that they are full soon.
_OPTIONS = ("--any-credentials", "--limit", "poll=100ms", "--limit", "memory=16M", "--durability", "normal")


@dataclass
class Findings:
    """What a run saw."""

    statuses: Counter[str] = field(default_factory=Counter)
    #: Resident memory of the engine at each look, bytes.
    resident: list[int] = field(default_factory=list)
    slowest_s: float = 0.0
    executions: int = 0


class Channel:
    """A kept connection with one request under way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._received = b""

    def fileno(self) -> int:
        assert self._socket is not None
        return self._socket.fileno()

    def send(self, sent: bytes) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(PATIENCE_S)
            self._socket.connect(str(self._path))
        self._socket.sendall(sent)

    def receive(self) -> tuple[int, bytes]:
        """Status and body of the answer."""
        assert self._socket is not None
        while True:
            answers, rest = answers_in(self._received)
            if answers:
                self._received = rest
                return answers[0]
            data = self._socket.recv(262_144)
            assert data, "the engine closed a connection that did nothing wrong"
            self._received += data

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def answers_in(received: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Status and body of each whole answer, and what follows them."""
    found = []
    while True:
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            return found, received
        status = int(head[9:12])
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0
        )
        if len(rest) < length:
            return found, received
        if status >= 200:
            found.append((status, rest[:length]))
        received = rest[length:]


class Fuzzer:
    """One run against one engine."""

    def __init__(self, engine: EngineProcess, seed: int) -> None:
        self._engine = engine
        self._inputs = Inputs(seed)
        self._client = LeanClient(engine.unix, read_timeout_s=PATIENCE_S)
        self._process = psutil.Process(engine.pid)
        self._channel = Channel(engine.socket)
        self._polls: dict[Channel, str] = {}
        self._idle = [Channel(engine.socket) for _ in range(_MOST_POLLS)]
        self.found = Findings()

    def run(self, requests: int) -> Findings:
        """Sends so many requests.

        Raises:
            AssertionError: something was not as it must be.
        """
        for number in range(requests):
            if number % _LOOK_EVERY == 0:
                self._look()
            began_at = time.monotonic()
            self._one()
            self.found.slowest_s = max(self.found.slowest_s, time.monotonic() - began_at)
        while self._polls:
            self._take_polls(PATIENCE_S)
        self._look()
        for channel in (self._channel, *self._idle):
            channel.close()
        self._client.close()
        return self.found

    def _one(self) -> None:
        match self._inputs.random.choices(("noise", "mutation", "shaped", "call"), (15, 15, 30, 40))[0]:
            case "noise":
                self._send_and_end(self._inputs.noise())
            case "mutation":
                self._send_and_end(self._inputs.mutation())
            case "shaped":
                self._call(*self._inputs.shaped())
            case _:
                self._call(*self._inputs.call())
        self._take_polls(0.0)

    def _send_and_end(self, sent: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as connected:
            connected.settimeout(PATIENCE_S)
            connected.connect(str(self._engine.socket))
            received = b""
            with suppress(BrokenPipeError, ConnectionResetError):
                connected.sendall(sent)
                connected.shutdown(socket.SHUT_WR)
                while data := connected.recv(262_144):
                    received += data
        answers, rest = answers_in(received)
        assert not rest, (sent, rest)
        for status, body in answers:
            self._note("", status, body, sent)

    def _call(self, action: str, members: object) -> None:
        sent = message(action, body=body_of(members))
        if action in POLLS:
            if not self._idle:
                self._take_polls(PATIENCE_S)
            channel = self._idle.pop()
            channel.send(sent)
            self._polls[channel] = action
            return
        self._channel.send(sent)
        self._note(action, *self._channel.receive(), sent)

    def _take_polls(self, timeout_s: float) -> None:
        readable = select.select(list(self._polls), [], [], timeout_s)[0] if self._polls else []
        assert readable or not timeout_s or not self._polls, "a poll got no answer"
        for channel in readable:
            action = self._polls.pop(channel)
            self._note(action, *channel.receive(), b"")
            self._idle.append(channel)

    def _note(self, action: str, status: int, body: bytes, sent: bytes) -> None:
        assert status < 500, (sent, body)
        if status == 200:
            self.found.statuses["200"] += 1
            if body.startswith(b"{"):
                self._inputs.learn(action, json.loads(body))
            return
        fault = json.loads(body)["__type"].rpartition("#")[2]
        self.found.statuses[fault] += 1

    def _look(self) -> None:
        """A proper client is answered, and what the rest of the run needs is there."""
        version = {"name": "type", "version": "1"}
        for action, members in (
            ("RegisterDomain", {"name": DOMAIN, "workflowExecutionRetentionPeriodInDays": "1"}),
            ("UndeprecateDomain", {"name": DOMAIN}),
            ("RegisterWorkflowType", {"domain": DOMAIN, **version}),
            ("RegisterActivityType", {"domain": DOMAIN, **version}),
            ("UndeprecateWorkflowType", {"domain": DOMAIN, "workflowType": version}),
            ("UndeprecateActivityType", {"domain": DOMAIN, "activityType": version}),
        ):
            with suppress(SwfFault):
                self._client.call(action, members)
        assert self._client.call("DescribeDomain", {"name": DOMAIN})["domainInfo"]["status"] == "REGISTERED"
        self.found.resident.append(self._process.memory_info().rss)


def fuzz(folder: Path, *, requests: int, seed: int) -> Findings:
    """Runs an engine in the folder, sends it so many requests, and checks it and its file.

    Raises:
        AssertionError: something was not as it must be.
    """
    with (folder / "log.txt").open("w") as log:
        engine = EngineProcess(folder, _OPTIONS, log=log).start()
        try:
            found = Fuzzer(engine, seed).run(requests)
            assert engine.stop() == 0
        finally:
            if engine.is_running:
                engine.kill()
    logged = (folder / "log.txt").read_text()
    assert "Traceback" not in logged, logged[-4_000:]
    assert "ERROR" not in logged, logged[-4_000:]
    growth = found.resident[-1] - found.resident[len(found.resident) // 3]
    assert growth < _GROWTH_BYTES, f"memory grew by {growth / 1_048_576:.0f} MiB"
    found.executions = check_file(folder / "engine.db")
    return found


def main() -> int:
    """Runs once and tells what it saw; 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"{options.requests} requests, --seed {options.seed}", flush=True)
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = fuzz(Path(folder), requests=options.requests, seed=options.seed)
        except AssertionError as error:
            print(f"failed: {str(error)[:8_000]}", file=sys.stderr)
            return 1
    print(f"{time.monotonic() - began_at:.0f} s; the slowest request took {found.slowest_s * 1e3:.0f} ms")
    for answer, count in found.statuses.most_common():
        print(f"{count:8} {answer}")
    looks = found.resident
    print(
        "resident MiB:", *(f"{looks[len(looks) * part // 10] >> 20}" for part in range(10)), looks[-1] >> 20
    )
    print(f"the file is sound and {found.executions} executions equal the fold of their events")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Loads an engine with chains of activities: deciders and workers in one process, as cheap as possible.

Usage: engine_caller.py SOCKET LANES CHAIN. A lane is one open execution, one connection that polls for
decision tasks and one that polls for activity tasks. Each connection has one request under way. Requests are
templates and answers are searched for the few bytes needed, so that little of the machine goes into the load.
Runs until its standard input ends.
"""

from __future__ import annotations

import os
import re
import select
import socket
import sys
from collections.abc import Callable

DOMAIN = "load"
PAYLOAD = "x" * 40
#: Events from one decision task of a chain to the next: completed, scheduled, started, completed, scheduled,
#: started.
_EVENTS_PER_ACTIVITY = 6
_LENGTH = re.compile(rb"Content-Length: (\d+)")
_TOKEN = re.compile(rb'"taskToken":"([^"]+)"')
_STARTED = re.compile(rb'"startedEventId":(\d+)')


def request(action: str, body: bytes) -> bytes:
    """A whole request."""
    head = (
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"X-Amz-Target: SimpleWorkflowService.{action}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection:
    """One connection and what is said over it; `say` gives the next request for an answer's body."""

    def __init__(self, path: str, first: bytes, say: Callable[[bytes], bytes]) -> None:
        self._say = say
        self._answer = b""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.socket.sendall(first)

    def on_readable(self) -> None:
        """Reads, and sends the next request once the answer is whole."""
        self._answer += self.socket.recv(262_144)
        if not self._answer:
            raise SystemExit("the engine is gone")
        head, end, body = self._answer.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        if not end or found is None or len(body) < int(found[1]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"refused: {body.decode()}")
        self._answer = b""
        self.socket.sendall(self._say(body))


class ActivityWorker:
    """Completes each activity task at once."""

    POLL = request("PollForActivityTask", b'{"domain":"load","taskList":{"name":"work"}}')

    def say(self, answer: bytes) -> bytes:
        """The result of the task that came, else the next poll."""
        task = _TOKEN.search(answer)
        if task is None:
            return self.POLL
        body = b'{"taskToken":"' + task[1] + b'","result":"' + PAYLOAD.encode() + b'"}'
        return request("RespondActivityTaskCompleted", body)


class Decider:
    """Schedules one activity after the other, closes after so many, and starts the next execution."""

    POLL = request(
        "PollForDecisionTask",
        b'{"domain":"load","taskList":{"name":"decisions"},"startAtPreviousStartedEvent":true}',
    )

    def __init__(self, *, name: str, chain: int) -> None:
        self._name = name
        self._chain = chain
        self._count = 0
        self._is_closing = False

    def start(self) -> bytes:
        """Starts the next execution."""
        self._count += 1
        body = (
            f'{{"domain":"{DOMAIN}","workflowId":"{self._name}-{self._count}",'
            f'"workflowType":{{"name":"chain","version":"1"}},"input":"{PAYLOAD}"}}'
        )
        return request("StartWorkflowExecution", body.encode())

    def say(self, answer: bytes) -> bytes:
        """The decision for the task that came, else a start after a close, else the next poll."""
        task = _TOKEN.search(answer)
        if task is None:
            if self._is_closing:
                self._is_closing = False
                return self.start()
            return self.POLL
        started = _STARTED.search(answer)
        assert started is not None, answer
        number = int(started[1]) // _EVENTS_PER_ACTIVITY
        self._is_closing = number >= self._chain
        if self._is_closing:
            decision = (
                '{"decisionType":"CompleteWorkflowExecution",'
                '"completeWorkflowExecutionDecisionAttributes":{"result":"null"}}'
            )
        else:
            decision = (
                '{"decisionType":"ScheduleActivityTask","scheduleActivityTaskDecisionAttributes":{'
                f'"activityId":"step-{number}-0","activityType":{{"name":"step","version":"1"}},'
                f'"input":"{PAYLOAD}"}}}}'
            )
        body = b'{"taskToken":"' + task[1] + b'","decisions":[' + decision.encode() + b"]}"
        return request("RespondDecisionTaskCompleted", body)


def main(path: str, lanes: int, chain: int) -> None:
    """Loads until standard input ends."""
    poller = select.epoll()
    poller.register(sys.stdin, select.EPOLLIN)
    by_fd: dict[int, Connection] = {}
    for lane in range(lanes):
        decider = Decider(name=f"{os.getpid()}-{lane}", chain=chain)
        for first, say in ((decider.start(), decider.say), (ActivityWorker.POLL, ActivityWorker().say)):
            connection = Connection(path, first, say)
            by_fd[connection.socket.fileno()] = connection
            poller.register(connection.socket, select.EPOLLIN)
    while True:
        for fd, _ in poller.poll():
            if fd not in by_fd:
                return
            by_fd[fd].on_readable()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""The console's two ways out: the SWF service and the daemon's control socket. Everything here blocks.

Calls are made from threads; each borrows a client of its own, as a client is not for two threads at once.
Closing the backend closes connections and stops nothing else.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flowyd.console.view_model.actions import Step
from flowyd.control.client import ask
from flowyd.control.status import DaemonStatus, decode_status
from flowyd.errors import FlowydError, UnreachableError
from flowyd.swf.backlog import backlog_ages
from flowyd.swf.client import Answer, SwfClient
from flowyd.swf.lean import LeanClient

#: The control socket answers from the supervisor's loop, within milliseconds; this is for a busy host.
CONTROL_TIMEOUT_S = 5.0
#: A decision takes milliseconds; most of a dry run is the start of Python and the import of modules.
DRY_RUN_S = 20.0


class LongPayloads(Protocol):
    """Payloads that are kept outside of the history. Both are called from threads, and may block."""

    def sent(self, text: str, what: str) -> str:
        """What travels for the text, which is kept first if it is long.

        Raises:
            FlowydError: it is not kept.
        """
        ...

    def whole(self, travelled: str) -> str:
        """The text that travelled, itself or by reference.

        Raises:
            FlowydError: it cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a console looks at."""

    domain: str
    #: "embedded", "aws", or the endpoint given on the command line.
    backend: str
    connect: Callable[[], SwfClient]
    #: None: there is no daemon, only an SWF service.
    control_socket: Path | None = None
    #: Where the sources of workflows lie, for the start form.
    workflow_directories: tuple[Path, ...] = ()
    #: The domain that commands mean without --domain.
    default_domain: str = "default"
    #: Options that lead other commands to the same service, such as --config FILE.
    command_options: tuple[str, ...] = ()
    #: Refuse every change, whoever asks.
    read_only: bool = False
    #: What answers for SWF here, in words.
    service: str = "the engine"
    #: Where long inputs are kept; None: they are refused.
    long_payloads: LongPayloads | None = None
    #: Pauses between polls are this much longer, where a service throttles.
    patience: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The daemon's status and what this user may do."""

    status: DaemonStatus
    #: The daemon said that this user only looks.
    viewer: bool


class Backend:
    """Borrows clients to threads and asks the daemon."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._idle: list[SwfClient] = []
        #: Clients in the hands of a thread.
        self._lent: list[SwfClient] = []
        #: Since when each thread waits for the SWF service, monotonic seconds, by thread.
        self._waiting: dict[int, float] = {}
        self._lock = threading.Lock()

    def swf(self, action: str, request: Mapping[str, Any]) -> Answer:
        """SWF's answer.

        Raises:
            SwfFault, UnreachableError, ProtocolError: as `SwfClient.call`.
        """
        with self._client() as client:
            return client.call(action, request)

    def backlog_ages(self, domain: str) -> dict[tuple[str, str], float]:
        """As `swf.backlog.backlog_ages`.

        Raises:
            UnreachableError: nobody answered.
        """
        with self._client() as client:
            return backlog_ages(client, domain)

    @property
    def waiting_s(self) -> float:
        """How long the service has not answered a call that it was sent, seconds; 0 while none is out."""
        began = list(self._waiting.values())
        return time.monotonic() - min(began) if began else 0.0

    def control(self, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The daemon's answer.

        Raises:
            UnreachableError: there is no daemon, or it does not answer.
            FlowydError: the daemon refused.
        """
        socket = self.target.control_socket
        if socket is None:
            raise UnreachableError("this console looks at an SWF service only; it has no daemon to ask")
        return ask(socket, command, dict(arguments), timeout_s=CONTROL_TIMEOUT_S)

    def status(self) -> Seen:
        """What `status` answers, and the role the daemon gives this user.

        Raises:
            UnreachableError, FlowydError: as `control`.
        """
        status = decode_status(self.control("status", {}))
        return Seen(status=status, viewer=self.control("whoami", {})["role"] == "viewer")

    def carry_out(self, step: Step) -> dict[str, Any]:
        """Sends one step of an action.

        Raises:
            FlowydError: it was refused, or nobody answered.
        """
        if self.target.read_only:
            raise FlowydError("this console is read-only")
        if step.control:
            return self.control(step.action, step.request)
        request, kept = dict(step.request), self.target.long_payloads
        if kept is not None and "input" in request:
            request["input"] = kept.sent(request["input"], "the input")
        return self.swf(step.action, request)

    def whole(self, travelled: str) -> str:
        """A payload's text, also where only a reference to it travelled.

        Raises:
            FlowydError: it is in a store and cannot be had.
        """
        kept = self.target.long_payloads
        return travelled if kept is None else kept.whole(travelled)

    def first_decision(self, command: str) -> dict[str, Any]:
        """What a `flowyd start` command would lead to (`view_model/first_decision.py`); nothing is started.

        Authors' code runs in a process of its own, with this user's rights, and has `DRY_RUN_S` for it.

        Raises:
            FlowydError: there is no code for the type, it cannot be loaded, or it takes too long.
        """
        words = [sys.executable, "-m", *shlex.split(command), "--dry-run", "--json"]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=DRY_RUN_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise FlowydError(f"the code had not decided after {DRY_RUN_S:g} s and was ended") from error
        try:
            found: dict[str, Any] = json.loads(done.stdout)
        except ValueError as error:
            raise FlowydError(done.stderr.strip() or f"the dry run ended with {done.returncode}") from error
        return found

    def pages(self, action: str, request: Mapping[str, Any], member: str) -> Iterator[Any]:
        """Every item of a paged list, page by page as they are asked for.

        Raises:
            SwfFault, UnreachableError, ProtocolError: as `swf`.
        """
        token = ""
        while True:
            answer = self.swf(action, {**request, "nextPageToken": token} if token else request)
            yield from answer.get(member) or ()
            token = answer.get("nextPageToken") or ""
            if not token:
                return

    def close(self) -> None:
        """Closes the connections; calls that a local engine has not answered are broken off."""
        with self._lock:
            idle, self._idle = self._idle, []
            lent = list(self._lent)
        for client in idle:
            client.close()
        for client in lent:
            if isinstance(client, LeanClient):
                client.break_off()

    @contextmanager
    def _client(self) -> Iterator[SwfClient]:
        """A client for one call of this thread, which waits for the service as long as it has it."""
        with self._lock:
            client = self._idle.pop() if self._idle else None
        client = client if client is not None else self.target.connect()
        with self._lock:
            self._lent.append(client)
        me = threading.get_ident()
        self._waiting[me] = time.monotonic()
        try:
            yield client
        finally:
            del self._waiting[me]
            with self._lock:
                self._lent.remove(client)
                self._idle.append(client)

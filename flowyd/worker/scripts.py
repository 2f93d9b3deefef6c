"""What scripts call: a worker in this process, finishing activities by token, starting workflows.

They speak to the endpoint that FLOWYD_ENDPOINT names (unix:///path or http://127.0.0.1:port), else to the
daemon's socket, or to any client given as `layer1`, such as `flowyd.swf.boto.BotoClient`.
"""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import signal
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any, TypeVar

from flowyd.config.records import Daemon
from flowyd.errors import FlowydError, ProgramError, UnreachableError
from flowyd.log import set_up_logging
from flowyd.sdk.registry import (
    ActivityRegistration,
    WorkflowRegistration,
    activities_in,
    workflows_in,
)
from flowyd.sdk.serialize import encode_arguments, encode_value
from flowyd.sdk.settings import positive_seconds
from flowyd.swf.client import PollingClient, SwfClient
from flowyd.swf.connect import endpoint_of
from flowyd.swf.lean import LeanClient
from flowyd.swf.limits import REASON_CHARACTERS
from flowyd.worker.activity_worker import ActivityWorker
from flowyd.worker.calling import call_through
from flowyd.worker.decision_worker import DecisionWorker
from flowyd.worker.payloads import sent_by_script
from flowyd.worker.registration import register_activity, register_domain, register_workflow, served
from flowyd.worker.reporting import Reporter
from flowyd.worker.service import identity
from flowyd.worker.stopping import StopSignal
from flowyd.worker.task_answers import TaskAnswers

logger = logging.getLogger(__name__)

#: Retention of a domain that a script registers, days.
_RETENTION_DAYS = 30
#: How long a start waits for a service that is away.
_START_WITHIN_S = 10.0

_Registration = TypeVar("_Registration", ActivityRegistration, WorkflowRegistration)
Ignore = Iterable[str] | Callable[[str], bool] | None


def start_activity_worker(
    domain: str,
    task_list: str,
    layer1: PollingClient | None = None,
    reg_remote: bool = True,
    loop: int = -1,
    package: ModuleType | None = None,
    ignore: Ignore = None,
) -> None:
    """Runs activity tasks, one at a time, until Ctrl-C or until `loop` tasks were run (-1: no limit).

    Serves the activities of `package` (with all its submodules, but those that `ignore` names); None: of the
    script or module that calls. `reg_remote` registers their types.

    Raises:
        ProgramError: there are no activities, or none can be served.
        FlowydError: the service refused or is not there.
    """
    modules = _modules(package, ignore, sys._getframe(1))
    with _serving(layer1) as (client, stop):
        found = [(module.__name__, r) for module in modules for r in activities_in(module)]
        script = _Script(client, stop, domain, task_list, reg_remote)
        types, broken = script.types(found, register_activity, "activities")
        ActivityWorker(
            client,
            types,
            domain=domain,
            task_list=task_list,
            identity=identity(task_list),
            title="flowyd: activity script",
            why_not=broken,
            reporter=Reporter(None),
            stop=stop,
        ).run(most_tasks=None if loop < 0 else loop)


def start_workflow_worker(
    domain: str,
    task_list: str,
    layer1: PollingClient | None = None,
    reg_remote: bool = True,
    loop: int = -1,
    package: ModuleType | None = None,
    ignore: Ignore = None,
) -> None:
    """Decides workflows, one decision task at a time; arguments and errors as `start_activity_worker`."""
    modules = _modules(package, ignore, sys._getframe(1))
    with _serving(layer1) as (client, stop):
        found = [(module.__name__, r) for module in modules for r in workflows_in(module)]
        script = _Script(client, stop, domain, task_list, reg_remote)
        types, _ = script.types(found, register_workflow, "workflows")
        DecisionWorker(
            client,
            types,
            domain=domain,
            task_list=task_list,
            # A script comes and goes; nothing should wait for it on a list of its own.
            sticky_list=None,
            identity=identity(task_list),
            title="flowyd: workflow script",
            reporter=Reporter(None),
            stop=stop,
        ).run(most_tasks=None if loop < 0 else loop)


class AsyncScheduler:
    """Finishes activities that raised SuspendTask, by their token; False when the service refused."""

    def __init__(self, client: SwfClient) -> None:
        self._client = client

    def heartbeat(self, token: str, details: str | None = None) -> bool:
        """Restarts the heartbeat timeout; False also when cancellation was requested."""
        return TaskAnswers(self._client, Reporter(None)).heartbeat(token, details)

    def complete(self, token: str, result: object) -> bool:
        """Completes the activity with a value, as if `run` had returned it."""
        request = {"taskToken": token, "result": sent_by_script(encode_value(result), "the result")}
        return self._answer("RespondActivityTaskCompleted", request)

    def fail(self, token: str, reason: str, details: str | None = None) -> bool:
        """Fails the activity; the reason is cut to 256 characters."""
        request = {"taskToken": token, "reason": reason[:REASON_CHARACTERS]}
        if details is not None:
            request["details"] = details
        return self._answer("RespondActivityTaskFailed", request)

    def _answer(self, action: str, request: dict[str, str]) -> bool:
        try:
            call_through(self._client, action, request, within_s=_START_WITHIN_S)
        except FlowydError as error:
            logger.error("%s was not taken: %s", action, error, extra={"action": "answer"})
            return False
        return True


def async_scheduler(domain: str, layer1: SwfClient | None = None) -> AsyncScheduler:  # noqa: ARG001
    """What finishes activities by token. A token names its domain itself; the argument is the contract's."""
    return AsyncScheduler(layer1 or default_client())


class WorkflowStarter:
    """Starts executions of one workflow type."""

    def __init__(self, client: SwfClient, request: dict[str, Any], workflow_id: str | None = None) -> None:
        self._client = client
        self._request = request
        self._workflow_id = workflow_id

    def with_id(self, workflow_id: str) -> WorkflowStarter:
        """The same starter with a workflow id of the caller's."""
        return type(self)(self._client, self._request, workflow_id)

    def __call__(self, *arguments: Any, **keywords: Any) -> str | None:
        """Starts an execution; its run id, or None when the service refused (which is logged)."""
        request = {
            **self._request,
            "workflowId": self._workflow_id or str(uuid.uuid4()),
            "input": sent_by_script(self._serialize_arguments(*arguments, **keywords), "the input"),
        }
        try:
            answer = call_through(self._client, "StartWorkflowExecution", request, within_s=_START_WITHIN_S)
        except FlowydError as error:
            kind, workflow_id = request["workflowType"], request["workflowId"]
            logger.error(
                "workflow %s %s was not started as %s: %s",
                *(kind["name"], kind["version"], workflow_id, error),
                extra={"action": "start", "domain": request["domain"], "workflow_id": workflow_id},
            )
            return None
        return str(answer["runId"])

    #: Transport hook: replace it in a subclass; the workflow must match.
    _serialize_arguments = staticmethod(encode_arguments)


def workflow_starter(
    domain: str,
    name: object,
    version: object,
    task_list: str | None = None,
    decision_duration: float | None = None,
    workflow_duration: float | None = None,
    layer1: SwfClient | None = None,
) -> WorkflowStarter:
    """What starts executions of the type; durations of None or not above zero: as registered."""
    request: dict[str, Any] = {
        "domain": domain,
        "workflowType": {"name": str(name), "version": str(version)},
    }
    if task_list is not None:
        request["taskList"] = {"name": task_list}
    for member, duration in (
        ("taskStartToCloseTimeout", decision_duration),
        ("executionStartToCloseTimeout", workflow_duration),
    ):
        seconds = positive_seconds(duration)
        if seconds is not None:
            request[member] = str(seconds)
    return WorkflowStarter(layer1 or default_client(), request)


def default_client() -> LeanClient:
    """A client of the endpoint that the environment names, else of the daemon on this host."""
    return LeanClient(endpoint_of(os.environ) or f"unix://{Daemon().engine_socket}")


@contextmanager
def _serving(layer1: PollingClient | None) -> Iterator[tuple[PollingClient, StopSignal]]:
    """A client, and what tells of Ctrl-C: a first one lets the task in hand end, a second one does not."""
    if not logging.getLogger().handlers:
        set_up_logging("info")
    stop = StopSignal()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.request()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    client = layer1 or default_client()
    try:
        yield client, stop
    except KeyboardInterrupt:
        logger.warning("left in the middle of a task", extra={"action": "stop"})
    except UnreachableError:
        if not stop.requested:
            raise
    finally:
        client.close()


@dataclass(frozen=True, slots=True)
class _Script:
    """A worker script before it serves."""

    client: PollingClient
    stop: StopSignal
    domain: str
    task_list: str
    #: Domain and types are registered.
    registers: bool

    def types(
        self, found: list[tuple[str, _Registration]], register: Callable[..., str | None], what: str
    ) -> tuple[dict[tuple[str, str], _Registration], dict[str, str]]:
        """The types it serves, registered if it is to; and modules with what speaks against serving them.

        Raises:
            ProgramError: there are none.
        """
        broken: dict[str, str] = {}
        wait = _waiting_aloud(self.stop)
        if self.registers:
            register_domain(self.client, self.domain, retention_days=_RETENTION_DAYS, wait=wait)
        types = served(
            found,
            broken,
            lambda r: register(self.client, self.domain, r, wait=wait) if self.registers else None,
        )
        _say_what(list(types), broken, what, self.task_list)
        return types, broken


def _waiting_aloud(stop: StopSignal) -> Callable[[float], bool]:
    """Waits between tries of a service that does not answer, and says so the first time."""
    said = False

    def wait(seconds: float) -> bool:
        nonlocal said
        if not said:
            said = True
            logger.warning(
                "the service does not answer yet, trying again; FLOWYD_ENDPOINT says where it is",
                extra={"action": "register"},
            )
        return stop.wait(seconds)

    return wait


def _say_what(types: list[tuple[str, str]], broken: dict[str, str], what: str, task_list: str) -> None:
    for why in broken.values():
        logger.error("%s", why, extra={"action": "register"})
    if not types:
        raise ProgramError(f"there are no {what} to serve; decorate one in the module that starts the worker")
    names = ", ".join(sorted(" ".join(key) for key in types))
    logger.info("serving %s on %s", names, task_list, extra={"action": "serve", "task_list": task_list})


def _modules(package: ModuleType | None, ignore: Ignore, caller: FrameType) -> list[ModuleType]:
    root = package or sys.modules[caller.f_globals["__name__"]]
    return [root, *_submodules(root, ignore)]


def _submodules(root: ModuleType, ignore: Ignore) -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(getattr(root, "__path__", []), root.__name__ + "."):
        if not _ignored(info.name, ignore):
            yield importlib.import_module(info.name)


def _ignored(name: str, ignore: Ignore) -> bool:
    if ignore is None:
        return False
    if callable(ignore):
        return ignore(name)
    names = {ignore} if isinstance(ignore, str) else set(ignore)
    return name in names or name.rpartition(".")[2] in names

"""Running one activity in the test's own process."""

from __future__ import annotations

import asyncio

from flowyd.errors import ProgramError
from flowyd.sdk.failures import TaskCanceled, TaskError
from flowyd.sdk.registry import ActivityRegistration
from flowyd.sdk.tracebacks import read_details


class Recorder:
    """Takes an activity's one answer (flowyd.sdk.activity.ActivityScheduler)."""

    def __init__(self) -> None:
        #: complete, fail or cancel with its texts; None: not answered.
        self.answer: tuple[str, str, str | None] | None = None
        #: Details of each heartbeat.
        self.heartbeats: list[str | None] = []
        self.cancel_requested = False

    def heartbeat(self, token: str, details: str | None) -> bool:  # noqa: ARG002  # the protocol's signature
        """Accepted unless a cancellation was requested."""
        self.heartbeats.append(details)
        return not self.cancel_requested

    def complete(self, token: str, result_text: str) -> None:  # noqa: ARG002  # the protocol's signature
        """The task is done."""
        self.answer = ("complete", result_text, None)

    def fail(self, token: str, reason: str, details: str | None) -> None:  # noqa: ARG002  # the protocol's signature
        """The task failed."""
        self.answer = ("fail", reason, details)

    def cancel(self, token: str, details: str | None) -> None:  # noqa: ARG002  # the protocol's signature
        """The task was canceled."""
        self.answer = ("cancel", "", details)


def perform(registration: ActivityRegistration, text: str, recorder: Recorder, token: str = "token") -> None:
    """Runs the activity, asynchronous or not, with its answer going to the recorder."""
    task = registration.factory(input=text, scheduler=recorder, token=token)
    if task.is_async():
        asyncio.run(task.run_async())
    else:
        task()


def run_activity(registration: ActivityRegistration, text: str) -> str:
    """The result text of the activity for this input.

    Raises:
        TaskError: it failed. ProgramError: it left its task open, which only an engine can wait for.
    """
    recorder = Recorder()
    perform(registration, text, recorder)
    if recorder.answer is None:
        raise ProgramError(f"{registration.name} left its task open (SuspendTask); test it on a LocalEngine")
    kind, first, details = recorder.answer
    if kind == "complete":
        return first
    if kind == "cancel":
        raise TaskCanceled(f"{registration.name} was canceled", details=details)
    remote = read_details(details)
    raise TaskError(first, details=details, error_type=remote.error_type, remote_traceback=remote.traceback)

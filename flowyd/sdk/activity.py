"""Activity: one object per task; calling it runs the author's `run` and answers through the scheduler.

Whatever happens in `run` becomes an answer: completed, failed, canceled, or none at all (SuspendTask).
Only what must end the process (KeyboardInterrupt, SystemExit) passes through.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, Protocol

from flowyd.errors import ProgramError
from flowyd.sdk.failures import PayloadError, PayloadLost, SuspendTask, TaskCanceled
from flowyd.sdk.payloads import payloads, sent
from flowyd.sdk.serialize import decode_arguments, encode_value
from flowyd.sdk.tracebacks import describe
from flowyd.swf.limits import LIMITED_DATA_CHARACTERS

logger = logging.getLogger(__name__)

#: Asked for every task, of few functions.
_is_coroutine_function: Callable[[Any], bool] = functools.cache(inspect.iscoroutinefunction)


class ActivityScheduler(Protocol):
    """Where an activity's answers go. Refusals by the service are the implementation's to log."""

    def heartbeat(self, token: str, details: str | None) -> bool:
        """False: the task is closed, or its cancellation was requested."""
        ...

    def complete(self, token: str, result_text: str) -> None:
        """The task is done."""
        ...

    def fail(self, token: str, reason: str, details: str | None) -> None:
        """The task failed; reason is at most 256 characters, details at most 32,768."""
        ...

    def cancel(self, token: str, details: str | None) -> None:
        """The task was canceled on request."""
        ...


class Activity:
    """Subclass it and write `run(self, …)`, a plain or an async method.

    Raise SuspendTask to leave the task open, to be finished by its token; raise TaskCanceled after a
    heartbeat said False to answer a cancel request.
    """

    def __init__(
        self,
        input: str | None = None,  # noqa: A002  # the contract's name
        scheduler: ActivityScheduler | None = None,
        token: str | None = None,
    ) -> None:
        self.input = input
        self.scheduler = scheduler
        #: The task token; whoever has it can finish the task.
        self.token = token or ""

    run: Callable[..., Any]

    def heartbeat(self, details: object = None) -> bool:
        """Reports progress and restarts the heartbeat timeout.

        Details (at most 2,048 characters, other things than text as JSON) are shown if the task times out.

        Returns False when nobody wants the result any more: the task timed out, its execution ended, or
        its cancellation was requested.
        """
        if self.scheduler is None:
            return True
        text = details if details is None or isinstance(details, str) else encode_value(details)
        return self.scheduler.heartbeat(self.token, text and text[:LIMITED_DATA_CHARACTERS])

    @classmethod
    def is_async(cls) -> bool:
        """Whether `run` is a coroutine function: then `run_async` runs it, not a call."""
        return _is_coroutine_function(cls.run)

    def __call__(self) -> None:
        """Runs the task and answers.

        Raises:
            ProgramError: `run` is a coroutine function; await `run_async()` instead.
        """
        if self.is_async():
            raise ProgramError(f"{type(self).__name__}.run is async; its worker awaits run_async()")
        try:
            arguments, keywords = self._arguments()
            value = self.run(*arguments, **keywords)
        except SuspendTask:
            return
        except (Exception, PayloadLost) as error:
            self._answer_error(error)
            return
        self._answer(value)

    async def run_async(self) -> None:
        """As a call, for an `async def run`; a cancellation of the coroutine passes through unanswered."""
        try:
            arguments, keywords = self._arguments()
            value = await self.run(*arguments, **keywords)
        except SuspendTask:
            return
        except (Exception, PayloadLost) as error:
            self._answer_error(error)
            return
        self._answer(value)

    def _arguments(self) -> Any:
        return self._deserialize_arguments(payloads.text(self.input or "[[], {}]"))

    def _answer(self, value: object) -> None:
        try:
            text = sent(self._serialize_result(value), f"the result of {type(self).__name__}")
        except (Exception, PayloadLost) as error:
            self._answer_error(error)
            return
        if self.scheduler is not None:
            self.scheduler.complete(self.token, text)

    def _answer_error(self, error: Exception | PayloadLost) -> None:
        if self.scheduler is None:
            raise error
        if isinstance(error, TaskCanceled):
            self.scheduler.cancel(self.token, error.details or error.reason or None)
            return
        if isinstance(error, (PayloadError, PayloadLost)):
            logger.error("%s: %s", type(self).__name__, error, extra={"action": "activity_failed"})
        failure = describe(error)
        self.scheduler.fail(self.token, failure.reason, failure.details)

    #: Transport hooks: replace them in a subclass; the other side must match.
    _deserialize_arguments = staticmethod(decode_arguments)
    _serialize_result = staticmethod(encode_value)


def activity_class(marked: Any) -> type[Activity]:
    """The Activity class of what `@activity` stands on: a class, or a function that becomes one.

    Raises:
        ProgramError: neither.
    """
    if isinstance(marked, type):
        if issubclass(marked, Activity) and hasattr(marked, "run"):
            return marked
    elif inspect.isfunction(marked):
        members = {"run": staticmethod(marked), "__module__": marked.__module__, "__doc__": marked.__doc__}
        return type(marked.__name__, (Activity,), members)
    raise ProgramError(
        f"@activity goes on a function or an Activity class with a method run, not on {marked!r}"
    )

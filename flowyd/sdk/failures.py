"""What goes wrong, or elsewhere, in an author's code: errors of tasks, and control flow.

Errors (`Exception`) are for authors to catch. Control flow (`BaseException`) passes through every
`except Exception` on purpose: it ends a run, and the run starts again from the top in the next decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowyd.errors import FlowydError, ProgramError


class TaskError(FlowydError):
    """Raised by `.result()` when the activity or child workflow failed; `str()` is the reason it gave."""

    def __init__(
        self,
        reason: str = "",
        *,
        details: str | None = None,
        call: str = "",
        error_type: str | None = None,
        remote_traceback: str | None = None,
    ) -> None:
        super().__init__(reason)
        #: At most 256 characters.
        self.reason = reason
        #: The details as they came, if any.
        self.details = details
        #: Which call of the workflow this was, such as `resize-0`.
        self.call = call
        #: Name of the exception class that left the activity, if it was a Python activity.
        self.error_type = error_type
        #: The traceback of that exception as text.
        self.remote_traceback = remote_traceback


class TaskTimedout(TaskError):
    """Raised by `.result()` when the last attempt of the task timed out."""

    def __init__(
        self,
        reason: str = "A job has timed out.",
        *,
        kind: str | None = None,
        details: str | None = None,
        call: str = "",
    ) -> None:
        super().__init__(reason, details=details, call=call)
        #: START_TO_CLOSE, SCHEDULE_TO_START, SCHEDULE_TO_CLOSE or HEARTBEAT. `details` are the last
        #: heartbeat's.
        self.kind = kind


class TaskCanceled(TaskError):
    """Raised by `.result()` when the task or timer was canceled."""


class TaskTerminated(TaskError):
    """Raised by `.result()` when the child workflow was terminated."""


class TaskRefused(TaskError):
    """Raised by `.result()` when the service would not start the task; the reason is its cause."""


class PlaceholderError(ProgramError):
    """Raised when the result object of a call is used as if it were the value."""


class PayloadError(ProgramError):
    """Raised when a value cannot travel: no codec for its type, unreadable text, or too long."""


class PayloadLost(BaseException):
    """Raised when a payload kept in a store cannot be read or written: not the author's failure."""


class SuspendTask(BaseException):
    """Raised to leave a run whose next step needs a result that is not there yet.

    In an activity: leave the task open, to be finished by its token later.
    """


class CancelRequested(BaseException):
    """Raised inside `run`, at the point where it waits, when somebody asked to cancel the execution.

    Catch it for clean-up (activities may be called and waited for) and let it go on, or return a value.
    It is raised once.
    """


class RestartRequested(BaseException):
    """Raised by `Workflow.restart`: end this run and continue as a new one."""

    def __init__(
        self, arguments: tuple[Any, ...], keywords: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> None:
        super().__init__("restart")
        self.arguments = arguments
        self.keywords = dict(keywords)
        #: What the options() blocks around the call say of the new run.
        self.settings = dict(settings)

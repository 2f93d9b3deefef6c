"""What a worker tells its supervisor: its state and until when it means to stay in it.

A report is not a pulse. It is written by the thread that does the work, once per change of state, and
carries the deadline after which the worker counts as hung. One report is one line of JSON on a pipe; there
are two for each activity, so the records are msgspec's structs: made and written in a sixth of the time that
dataclasses take (msgspec's JSON in 3 % of the standard library's).
Deadlines are on the system-wide monotonic clock (CLOCK_MONOTONIC, seconds), the same in all processes.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from flowyd.errors import ProtocolError


class WorkerState(str, Enum):
    """What a worker says it is doing."""

    LOADING = "loading"  #: imports its modules and registers their types
    POLLING = "polling"  #: waits for a task
    IDLE = "idle"  #: serves no type, so it polls for nothing; waits to be replaced or stopped
    RUNNING = "running"  #: runs one activity or decides one decision task
    STOPPING = "stopping"  #: takes no more tasks and will exit


class TaskInHand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The task a worker runs: enough to show it, and to answer for it if the worker dies."""

    #: "activity" or "decision".
    kind: str
    task_token: str
    #: Name and version of the activity type, or of the workflow type for a decision.
    type_name: str
    type_version: str
    workflow_id: str
    run_id: str
    #: Activity id; empty for a decision.
    activity_id: str = ""
    started_event_id: int = 0
    previous_started_event_id: int = 0
    #: What it is known by from one attempt to the next (`quarantine.key_of`); empty for a decision.
    quarantine_key: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of a worker's state."""

    state: WorkerState
    #: When the state began (CLOCK_MONOTONIC).
    since: float
    #: Past this the worker counts as hung (CLOCK_MONOTONIC); None: it has no limit.
    until: float | None
    #: Set while RUNNING.
    task: TaskInHand | None = None
    #: What it runs besides, where it runs several async activities at once; `until` is the earliest limit.
    more_tasks: tuple[TaskInHand, ...] = ()
    #: A task it was handed and left open, because it is quarantined.
    held: TaskInHand | None = None
    #: Tasks finished since the worker started, and how many of them were answered as failed.
    tasks_done: int = 0
    tasks_failed: int = 0
    #: When RecordActivityTaskHeartbeat last succeeded for `task` (CLOCK_MONOTONIC).
    last_heartbeat_at: float | None = None
    #: Module path to traceback or reason, for modules that could not be served; sent when loading ends.
    broken_modules: dict[str, str] | None = None
    #: "name version" of each type served; sent when loading ends.
    served_types: tuple[str, ...] | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Report).decode


def encode_report(report: Report) -> bytes:
    """The report as one line, newline included."""
    return _encode(report) + b"\n"


def decode_report(line: bytes) -> Report:
    """The report of one line.

    Raises:
        ProtocolError: the line is not what `encode_report` writes.
    """
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not a worker's report ({error}): {line[:200]!r}") from error

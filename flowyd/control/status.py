"""The answer of the control command `status`: the daemon, its pools and workers as records.

The supervisor makes it, the command line and the console show it; both directions go through this module.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from flowyd.control.quarantine import QuarantinedTask, decode_tasks
from flowyd.errors import ProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker (or the engine) as the supervisor sees it from outside."""

    #: 0 while no process exists (back-off, fatal).
    pid: int
    #: starting, loading, polling, running, hung, draining, stopping, back-off, fatal.
    state: str
    #: How long in that state, seconds.
    state_s: float
    #: The task in hand; None when idle. Members as `reports.TaskInHand`, without the token.
    task: dict[str, Any] | None = None
    #: How many tasks are in hand: more than one only where the pool's concurrency is above 1.
    tasks_in_hand: int = 0
    #: Age of the last report, and of the task's last heartbeat, seconds; None: there was none.
    report_age_s: float | None = None
    heartbeat_age_s: float | None = None
    started_at: float | None = None
    tasks_done: int = 0
    tasks_failed: int = 0
    rss_bytes: int = 0
    #: CPU share of one core since the last look, in percent.
    cpu_percent: float = 0.0
    restarts: int = 0
    #: Why the last predecessor ended that was not told to, such as "killed by SIGKILL"; empty: none did.
    last_death: str = ""
    #: When it ended, epoch seconds.
    last_death_at: float | None = None
    #: Seconds until the next start is tried, while in back-off or fatal.
    retry_in_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """One [[pool]] and its workers."""

    name: str
    #: "activity" or "decision".
    kind: str
    task_list: str
    processes: int
    workers: tuple[WorkerStatus, ...]
    #: Module path to traceback, for modules the pool's workers could not serve.
    broken_modules: dict[str, str]
    served_types: tuple[str, ...]
    draining: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
    """The whole daemon."""

    version: str
    pid: int
    #: starting, running, stopping.
    state: str
    started_at: float
    domain: str
    #: "embedded" or "aws".
    backend: str
    config_file: str
    #: None when backend is "aws".
    engine: WorkerStatus | None
    pools: tuple[PoolStatus, ...]
    #: Tasks that killed their workers and wait for an operator.
    quarantined: tuple[QuarantinedTask, ...] = ()


def encode_status(status: DaemonStatus) -> dict[str, Any]:
    """The record as JSON-able members."""
    return asdict(status)


def decode_status(members: dict[str, Any]) -> DaemonStatus:
    """The record of `encode_status`'s members.

    Raises:
        ProtocolError: a member is missing or unknown; the daemon is probably of another version.
    """
    try:
        engine = members["engine"]
        pools = tuple(
            PoolStatus(
                **{
                    **pool,
                    "workers": tuple(WorkerStatus(**worker) for worker in pool["workers"]),
                    "served_types": tuple(pool["served_types"]),
                }
            )
            for pool in members["pools"]
        )
        return DaemonStatus(
            **{
                **members,
                "engine": WorkerStatus(**engine) if engine is not None else None,
                "pools": pools,
                "quarantined": decode_tasks(members.get("quarantined", ())),
            }
        )
    except (KeyError, TypeError, ProtocolError) as error:
        raise ProtocolError(
            f"the daemon's status cannot be read ({error}); is it of another version of flowyd?"
        ) from error

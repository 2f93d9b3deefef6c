"""A worker process from its fork to its exit: load, register, serve, stop."""

from __future__ import annotations

import gc
import logging
import os
import re
import socket
import time
from dataclasses import dataclass
from typing import cast

import setproctitle

from flowyd.config.records import PoolKind
from flowyd.control.in_hand import InHand
from flowyd.control.reports import WorkerState
from flowyd.errors import FlowydError, UnreachableError
from flowyd.log import LogStyle, set_up_logging
from flowyd.sdk.registry import (
    ActivityRegistration,
    WorkflowRegistration,
    activities_in,
    workflows_in,
)
from flowyd.swf.client import PollingClient
from flowyd.swf.limits import NAME_CHARACTERS
from flowyd.worker.hand import Hand
from flowyd.worker.loading import Loaded, load_units
from flowyd.worker.payloads import use_storage
from flowyd.worker.quarantined import QuarantineKeys
from flowyd.worker.registration import register_activity, register_domain, register_workflow, served
from flowyd.worker.reporting import Reporter
from flowyd.worker.rolling import Rolling
from flowyd.worker.service import client_of, identity
from flowyd.worker.spec import HANDED_ON, SERVICE_AWAY, WorkerSpec
from flowyd.worker.stopping import HandedOn, StopSignal
from flowyd.worker.units import Modules

logger = logging.getLogger(__name__)

#: Importing modules and registering their types; a worker that takes longer is hung.
LOADING_S = 120.0

#: Allocations of a decision worker between two looks for garbage in circles: Python's 700 would have it look
#: through its runs again and again, which leave none behind.
_DECISIONS_GC_THRESHOLD = 10_000

_DONE = 0
_FAILED = 1


def run_worker(spec: WorkerSpec, *, reports_fd: int, modules: Modules, rolling: Rolling) -> int:
    """Serves the pool's task list until told to stop; the exit code.

    It runs in a forked child of the supervisor, in a process group of its own.
    """
    set_up_logging(spec.log_level, style=LogStyle.PREFIXED)
    os.environ.update(spec.environment)
    stop = StopSignal()
    stop.install(limit_s=spec.stop_timeout_s + spec.service.poll_wait_s)
    reporter = Reporter(reports_fd, _hand(spec))
    reporter.report(WorkerState.LOADING, until=time.monotonic() + LOADING_S)
    title = f"flowyd: {spec.pool} {spec.kind.value} worker"
    setproctitle.setproctitle(f"{title}: loading")
    client = client_of(spec.service)
    # Before the modules: what they name themselves goes before it.
    use_storage(spec.service.payloads)
    loaded = load_units(modules)
    refused = dict(modules.refused)
    try:
        post = _Post(spec=spec, client=client, title=title, reporter=reporter, stop=stop)
        _serve(post, loaded, refused, rolling)
    except HandedOn:
        client.close()
        return HANDED_ON
    except FlowydError as error:
        if stop.requested:
            return _DONE
        logger.error("%s", error, extra={"action": "worker", "pool": spec.pool})
        return SERVICE_AWAY if isinstance(error, UnreachableError) else _FAILED
    reporter.hand.hold(())
    reporter.report(WorkerState.STOPPING, until=None)
    client.close()
    if stop.orphaned:
        # Nobody else reaps what this worker's tasks have left behind.
        os.killpg(0, 9)
    return _DONE


def _hand(spec: WorkerSpec) -> Hand:
    inherited = InHand(
        pid=os.getpid(),
        pool=spec.pool,
        kind=spec.kind.value,
        slot=spec.slot,
        task_list=spec.task_list,
        tasks=spec.orphans,
        polls=spec.polls,
    )
    return Hand(inherited, spec.hand_fd)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Post:
    """What every kind of worker is given."""

    spec: WorkerSpec
    client: PollingClient
    title: str
    reporter: Reporter
    stop: StopSignal


def _serve(post: _Post, loaded: Loaded, refused: dict[str, str], rolling: Rolling) -> None:
    """Registers what was loaded, reports it, and serves it until a stop is requested."""
    spec, stop = post.spec, post.stop
    register_domain(
        post.client, spec.service.domain, retention_days=spec.service.retention_days, wait=stop.wait
    )
    broken = dict(loaded.broken)
    activities = _activities(post, loaded, broken) if spec.kind is PoolKind.ACTIVITY else {}
    workflows = _workflows(post, loaded, broken) if spec.kind is PoolKind.DECISION else {}
    names = tuple(sorted(" ".join(key) for key in (*activities, *workflows)))
    state = WorkerState.LOADING if names else WorkerState.IDLE
    until = time.monotonic() + LOADING_S if names else None
    post.reporter.report(state, until=until, broken_modules=broken, served_types=names)
    # What was loaded stays: no look for garbage has to go through it.
    gc.freeze()
    if workflows:
        gc.set_threshold(_DECISIONS_GC_THRESHOLD)
        _decide(post, workflows, rolling)
    elif activities and spec.concurrency > 1:
        _work_concurrently(post, activities, {**refused, **broken}, rolling)
    elif activities:
        _work(post, activities, {**refused, **broken}, rolling)
    else:
        logger.warning("nothing to serve in pool %s; it polls for nothing", spec.pool)
        setproctitle.setproctitle(f"{post.title}: nothing to serve")
        while not stop.requested:
            stop.wait(3600.0)


def _activities(
    post: _Post, loaded: Loaded, broken: dict[str, str]
) -> dict[tuple[str, str], ActivityRegistration]:
    """The activity types served; modules with types that drifted go to `broken`."""
    found = [(path, r) for path, modules in loaded.modules.items() for m in modules for r in activities_in(m)]
    domain = post.spec.service.domain
    return served(found, broken, lambda r: register_activity(post.client, domain, r, wait=post.stop.wait))


def _workflows(
    post: _Post, loaded: Loaded, broken: dict[str, str]
) -> dict[tuple[str, str], WorkflowRegistration]:
    """As `_activities`, for workflow types."""
    found = [(path, r) for path, modules in loaded.modules.items() for m in modules for r in workflows_in(m)]
    domain = post.spec.service.domain
    return served(found, broken, lambda r: register_workflow(post.client, domain, r, wait=post.stop.wait))


def _work(
    post: _Post,
    activities: dict[tuple[str, str], ActivityRegistration],
    why_not: dict[str, str],
    rolling: Rolling,
) -> None:
    from flowyd.worker.activity_worker import ActivityWorker

    spec = post.spec
    ActivityWorker(
        post.client,
        activities,
        domain=spec.service.domain,
        task_list=spec.task_list,
        identity=identity(spec.pool),
        title=post.title,
        why_not=why_not,
        rolling=rolling,
        reporter=post.reporter,
        stop=post.stop,
        quarantine=QuarantineKeys(spec.quarantine_keys),
    ).run(released=spec.orphans)


def _work_concurrently(
    post: _Post,
    activities: dict[tuple[str, str], ActivityRegistration],
    why_not: dict[str, str],
    rolling: Rolling,
) -> None:
    from flowyd.worker.concurrent import ConcurrentClient, ConcurrentWorker  # asyncio: 60 ms

    spec = post.spec
    ConcurrentWorker(
        # Both clients that `client_of` makes have what it needs.
        cast(ConcurrentClient, post.client),
        activities,
        domain=spec.service.domain,
        task_list=spec.task_list,
        identity=identity(spec.pool),
        title=post.title,
        why_not=why_not,
        reporter=post.reporter,
        stop=post.stop,
        quarantine=QuarantineKeys(spec.quarantine_keys),
        concurrency=spec.concurrency,
        rolling=rolling,
    ).run(released=spec.orphans)


def _decide(post: _Post, workflows: dict[tuple[str, str], WorkflowRegistration], rolling: Rolling) -> None:
    from flowyd.decider import ReplayFilter
    from flowyd.worker.decision_worker import DecisionWorker

    spec = post.spec
    for handler in logging.getLogger().handlers:
        handler.addFilter(ReplayFilter())
    DecisionWorker(
        post.client,
        workflows,
        domain=spec.service.domain,
        task_list=spec.task_list,
        sticky_list=sticky_list(spec.pool, spec.slot),
        identity=identity(spec.pool),
        title=post.title,
        reporter=post.reporter,
        rolling=rolling,
        stop=post.stop,
    ).run(orphans=spec.orphans)


def sticky_list(pool: str, slot: int) -> str:
    """The task list of a slot's own: the same after a restart, so that what waits there is found again."""
    host = socket.gethostname()
    name = re.sub(r"[:/|\x00-\x1f\x7f-\x9f]", "-", f"flowyd.{host}.{pool}.{slot}")
    return name[-NAME_CHARACTERS:]

"""The answer of the control command `status`, made from what the crew holds."""

from __future__ import annotations

import os
import time
from importlib import metadata

from msgspec.structs import asdict

from flowyd.control.status import DaemonStatus, PoolStatus, WorkerStatus
from flowyd.supervisor.child import Child
from flowyd.supervisor.crew import Crew
from flowyd.supervisor.plan import Ending
from flowyd.supervisor.pools import ENGINE, PoolState
from flowyd.supervisor.processes import cpu_s, rss_bytes


def daemon_status(crew: Crew, *, started_at: float, settled: bool) -> DaemonStatus:
    """The whole daemon now."""
    state = "stopping" if crew.roster.ending is not Ending.NO else "running" if settled else "starting"
    engine = crew.roster.pools.get(ENGINE)
    return DaemonStatus(
        version=metadata.version("flowyd"),
        pid=os.getpid(),
        state=state,
        started_at=started_at,
        domain=crew.config.flowyd.domain,
        backend=crew.config.swf.backend.value,
        config_file=str(crew.config.file),
        engine=_workers(crew, engine)[0] if engine else None,
        pools=tuple(_pool_status(crew, pool) for pool in crew.roster.pools.values() if pool is not engine),
        quarantined=crew.quarantine.tasks(),
    )


def summary(crew: Crew) -> str:
    """One line for systemd: "12/12 workers, 0 broken modules"."""
    workers = [child for child in crew.roster.children.values() if child.rank > 0 and not child.errand]
    wanted = sum(pool.processes for pool in crew.roster.pools.values() if pool.rank > 0)
    ready = sum(child.ready and not child.stopping for child in workers)
    broken = {path for pool in crew.roster.pools.values() for path in pool.unserved()}
    tasks = len(crew.quarantine.tasks())
    quarantined = f", {tasks} quarantined {'task' if tasks == 1 else 'tasks'}" if tasks else ""
    modules = "module" if len(broken) == 1 else "modules"
    return f"{ready}/{wanted} workers, {len(broken)} broken {modules}{quarantined}"


def _pool_status(crew: Crew, pool: PoolState) -> PoolStatus:
    assert pool.config is not None
    return PoolStatus(
        name=pool.name,
        kind=pool.config.kind.value,
        task_list=pool.config.task_list,
        processes=pool.processes,
        workers=tuple(_workers(crew, pool)),
        broken_modules=pool.unserved(),
        served_types=pool.served_types,
        draining=pool.drained,
    )


def _workers(crew: Crew, pool: PoolState) -> list[WorkerStatus]:
    """Its children, and an entry for each slot that has none."""
    now = time.monotonic()
    members = crew.roster.members(pool.name)
    found = [_worker(pool, child, now) for child in members]
    if pool.drained:
        return found
    taken = {child.slot for child in members}
    return found + [_absent(crew, pool, slot, now) for slot in range(pool.processes) if slot not in taken]


def _worker(pool: PoolState, child: Child, now: float) -> WorkerStatus:
    report = child.report
    task = None
    if child.task is not None:
        task = {name: value for name, value in asdict(child.task).items() if name != "task_token"}
    death = pool.last_death.get(child.slot)
    heartbeat = report.last_heartbeat_at if report else None
    return WorkerStatus(
        pid=child.pid,
        state=child.state(),
        state_s=now - (report.since if report else child.started_at),
        task=task,
        tasks_in_hand=len(child.in_hand),
        report_age_s=now - report.since if report else None,
        heartbeat_age_s=now - heartbeat if heartbeat is not None else None,
        started_at=child.started_wall_at,
        tasks_done=report.tasks_done if report else 0,
        tasks_failed=report.tasks_failed if report else 0,
        rss_bytes=rss_bytes(child.pid),
        cpu_percent=child.cpu.look(cpu_s(child.pid), now),
        restarts=pool.restarts[child.slot],
        last_death=death.how if death else "",
        last_death_at=death.at if death else None,
    )


def _absent(crew: Crew, pool: PoolState, number: int, now: float) -> WorkerStatus:
    slot = crew.roster.slot(pool.name, number)
    death = pool.last_death.get(number)
    wait = max(0.0, slot.retry_at - now) if slot.retry_at is not None else None
    state = "fatal" if slot.fatal else "back-off" if wait else "starting"
    return WorkerStatus(
        pid=0,
        state=state,
        state_s=0.0,
        restarts=pool.restarts[number],
        last_death=death.how if death else "",
        last_death_at=death.at if death else None,
        retry_in_s=wait,
    )

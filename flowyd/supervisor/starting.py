"""What each kind of child is and runs: the engine, a worker of a pool, an errand.

The children's own code is imported after the fork where it would make the parent heavy.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import setproctitle

from flowyd.config.records import Config, Pool
from flowyd.control.reports import WorkerState
from flowyd.log import LogStyle, set_up_logging
from flowyd.supervisor.succession import Legacy
from flowyd.worker.reporting import Reporter
from flowyd.worker.rolling import Rolling
from flowyd.worker.spec import Errand, ServiceSpec, WorkerSpec
from flowyd.worker.units import Modules

ChildMain = Callable[[int], int]


def service_of(config: Config) -> ServiceSpec:
    """The SWF service that the configuration names."""
    return ServiceSpec(
        domain=config.flowyd.domain,
        engine_socket=config.flowyd.engine_socket,
        swf=config.swf,
        payloads=config.payloads,
        retention_days=config.engine.retention_days,
    )


def quarantine_keys_file(config: Config) -> Path:
    """Where the supervisor tells the workers which tasks are quarantined."""
    return config.flowyd.runtime_dir / "quarantine.keys"


def worker_spec(config: Config, pool: Pool, slot: int, legacy: Legacy) -> WorkerSpec:
    """What the pool's worker in the slot is told."""
    return WorkerSpec(
        pool=pool.name,
        kind=pool.kind,
        slot=slot,
        task_list=pool.task_list,
        service=service_of(config),
        stop_timeout_s=pool.stop_timeout_s,
        log_level=config.flowyd.log_level,
        environment=dict(pool.environment),
        orphans=legacy.orphans,
        polls=legacy.polls,
        hand_fd=legacy.hand_fd,
        quarantine_keys=quarantine_keys_file(config),
        concurrency=pool.concurrency,
    )


def worker_main(spec: WorkerSpec, *, modules: Modules, rolling: Rolling) -> ChildMain:
    """The main function of a worker."""

    def main(reports_fd: int) -> int:
        from flowyd.worker.main import run_worker

        return run_worker(spec, reports_fd=reports_fd, modules=modules, rolling=rolling)

    return main


def errand_main(errand: Errand) -> ChildMain:
    """The main function of an errand."""

    def main(reports_fd: int) -> int:
        from flowyd.worker.errand import run_errand

        setproctitle.setproctitle("flowyd: errand")
        Reporter(reports_fd).report(WorkerState.LOADING, until=None)
        return run_errand(errand)

    return main


def engine_main(config: Config, sockets: Sequence[socket.socket]) -> ChildMain:
    """The main function of the embedded engine, which serves sockets that already listen."""

    def main(reports_fd: int) -> int:
        # sqlite3 and asyncio: 70 ms and 12 MiB that the supervisor does without.
        from flowyd.engine.main import EngineSettings, run_engine

        setproctitle.setproctitle("flowyd: engine")
        set_up_logging(config.flowyd.log_level, style=LogStyle.PREFIXED)
        reporter = Reporter(reports_fd)
        reporter.report(WorkerState.LOADING, until=None)
        settings = EngineSettings(
            database=config.database,
            durability=config.engine.durability,
            keys_file=config.engine.keys_file,
            tls_certificate=config.engine.tls_certificate,
            tls_key=config.engine.tls_key,
            limits=config.engine.limits,
        )
        return run_engine(settings, sockets, lambda: reporter.report(WorkerState.POLLING, until=None))

    return main

"""`flowyd workers`: every worker, its state, its task, its last death."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from flowyd.cli.daemon_status import daemon_status
from flowyd.cli.options import add_watch
from flowyd.cli.tables import table
from flowyd.cli.watching import View, present
from flowyd.console.view_model import workers
from flowyd.errors import FlowydError

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "workers",
        help="every worker: its state, its task, its last death",
        description="The engine, each pool and its workers. Their state is what the supervisor sees from "
        "outside; Beat is the age of the last heartbeat, Report of the last report.",
    )
    parser.add_argument("pool", metavar="POOL", nargs="?", help="default: all")
    add_watch(parser)
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Prints the workers."""
    return present(namespace, lambda: look(namespace))


def look(namespace: argparse.Namespace) -> View:
    """The workers of all pools, or of the one that is named."""
    status = daemon_status(namespace)
    names = [pool.name for pool in status.pools]
    if namespace.pool and namespace.pool not in names:
        raise FlowydError(f"no pool {namespace.pool!r}; there are: {', '.join(names) or 'none'}")
    pools = [pool for pool in status.pools if namespace.pool in (None, pool.name)]
    rows = [
        row
        for row in workers.rows(status)
        if namespace.pool is None or (row.pool is not None and row.pool.name == namespace.pool)
    ]
    engine = asdict(status.engine) if status.engine is not None else None
    return View(
        members=lambda: {"engine": engine, "pools": [asdict(pool) for pool in pools]},
        lines=lambda page: table(workers.columns(now=time.time()), rows, page),
    )

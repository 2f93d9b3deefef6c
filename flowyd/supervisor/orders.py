"""What children are told by signals: to stop, to write their stacks, to end at once."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time

from flowyd.supervisor.child import Child
from flowyd.supervisor.forking import DUMP_SIGNAL
from flowyd.supervisor.nursery import task_tags
from flowyd.supervisor.plan import StopReason, patience_s
from flowyd.supervisor.pools import PoolState
from flowyd.supervisor.roster import Roster

logger = logging.getLogger(__name__)


def tell_to_stop(roster: Roster, child: Child, reason: StopReason, kill_at: float) -> None:
    """SIGTERM: it takes no new task; past `kill_at` it is killed."""
    child.stop_reason, child.kill_at = reason, kill_at
    # The next step of a replacement need not wait for this one's end.
    roster.changed = True
    level = logging.DEBUG if reason is StopReason.SHUTDOWN and child.task is None else logging.INFO
    logger.log(level, "%s[%d] is told to stop: %s", child.pool, child.pid, reason.value, extra=about(child))
    _signal(child.pid, signal.SIGTERM)


def kill(child: Child) -> None:
    """SIGKILL to it and to what its tasks have started."""
    child.killed = True
    task = f"; it runs {child.task.type_name} of {child.task.workflow_id}" if child.task else ""
    logger.warning("%s[%d] is killed%s", child.pool, child.pid, task, extra=about(child))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    _signal(child.pid, signal.SIGKILL)


def dump(child: Child) -> None:
    """Has it write its threads' stacks among its output; it goes on with its work."""
    _signal(child.pid, DUMP_SIGNAL)


def dump_hung(child: Child) -> None:
    """The stacks of a child that is past its deadline beyond doubt."""
    child.hung = True
    logger.error("%s[%d] is past its deadline; its stacks follow", child.pool, child.pid, extra=about(child))
    dump(child)


def recycle(roster: Roster, child: Child) -> None:
    """Has it replaced by a fresh one as soon as its task is done."""
    seen = child.seen()
    grace = patience_s(seen, roster.pools[child.pool].wanted()) + seen.poll_wait_s
    tell_to_stop(roster, child, StopReason.RECYCLED, time.monotonic() + grace)


def serve_orphans(roster: Roster, pool: PoolState) -> None:
    """Replaces an idle worker, if there is one and none is on its way: the successor takes what waits."""
    members = roster.members(pool.name)
    if any(child.stopping or not child.ready for child in members):
        return
    idle = next((child for child in members if child.task is None), None)
    if idle is not None:
        recycle(roster, idle)


def about(child: Child) -> dict[str, str | int]:
    """The child as fields of a log record."""
    return {"action": "worker", "pool": child.pool, "worker_pid": child.pid, **task_tags(child)}


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)

"""The quotas the engine applies; the defaults are the service's own (SWF Developer Guide, quotas)."""

from __future__ import annotations

from dataclasses import dataclass

from flowyd.swf import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """How much an execution, a domain or a task list may hold."""

    #: Per execution: open activities, timers, children.
    open_activities: int = limits.OPEN_TASKS_PER_EXECUTION
    open_timers: int = limits.OPEN_TASKS_PER_EXECUTION
    open_children: int = limits.OPEN_TASKS_PER_EXECUTION
    #: Events after which an execution is terminated.
    history_events: int = limits.EVENTS_PER_EXECUTION
    #: Per domain, children included.
    open_executions: int = limits.OPEN_EXECUTIONS_PER_DOMAIN
    #: Polls waiting at one task list.
    pollers: int = limits.POLLERS_PER_TASK_LIST

"""flowyd: durable Python workflows as a host service.

Authors import everything they need from here; names are loaded when first used, so that `import flowyd`
costs nothing (no boto3, textual, sqlite3 or asyncio).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowyd.sdk.activity import Activity as Activity
    from flowyd.sdk.combine import finish_order as finish_order
    from flowyd.sdk.combine import first as first
    from flowyd.sdk.combine import gather as gather
    from flowyd.sdk.combine import parallel_reduce as parallel_reduce
    from flowyd.sdk.combine import wait as wait
    from flowyd.sdk.failures import CancelRequested as CancelRequested
    from flowyd.sdk.failures import PayloadError as PayloadError
    from flowyd.sdk.failures import PlaceholderError as PlaceholderError
    from flowyd.sdk.failures import SuspendTask as SuspendTask
    from flowyd.sdk.failures import TaskCanceled as TaskCanceled
    from flowyd.sdk.failures import TaskError as TaskError
    from flowyd.sdk.failures import TaskRefused as TaskRefused
    from flowyd.sdk.failures import TaskTerminated as TaskTerminated
    from flowyd.sdk.failures import TaskTimedout as TaskTimedout
    from flowyd.sdk.placeholder import Error as Error
    from flowyd.sdk.placeholder import Placeholder as Placeholder
    from flowyd.sdk.placeholder import Result as Result
    from flowyd.sdk.placeholder import ResultObject as ResultObject
    from flowyd.sdk.placeholder import Timeout as Timeout
    from flowyd.sdk.proxies import ActivityProxy as ActivityProxy
    from flowyd.sdk.proxies import WorkflowProxy as WorkflowProxy
    from flowyd.sdk.registry import activity as activity
    from flowyd.sdk.registry import workflow as workflow
    from flowyd.sdk.retry import RetryPolicy as RetryPolicy
    from flowyd.sdk.serialize import payload_codec as payload_codec
    from flowyd.sdk.workflow import Workflow as Workflow
    from flowyd.sdk.workflow import finish as finish
    from flowyd.sdk.workflow import restart as restart
    from flowyd.worker.payloads import store_payloads as store_payloads

#: Module of each name.
_HOMES = {
    "flowyd.sdk.activity": ("Activity",),
    "flowyd.sdk.combine": ("finish_order", "first", "gather", "parallel_reduce", "wait"),
    "flowyd.sdk.failures": (
        "CancelRequested",
        "PayloadError",
        "PlaceholderError",
        "SuspendTask",
        "TaskCanceled",
        "TaskError",
        "TaskRefused",
        "TaskTerminated",
        "TaskTimedout",
    ),
    "flowyd.sdk.placeholder": ("Error", "Placeholder", "Result", "ResultObject", "Timeout"),
    "flowyd.sdk.proxies": ("ActivityProxy", "WorkflowProxy"),
    "flowyd.sdk.registry": ("activity", "workflow"),
    "flowyd.sdk.retry": ("RetryPolicy",),
    "flowyd.sdk.serialize": ("payload_codec",),
    "flowyd.sdk.workflow": ("Workflow", "finish", "restart"),
    "flowyd.worker.payloads": ("store_payloads",),
    "flowyd.worker.scripts": (
        "async_scheduler",
        "start_activity_worker",
        "start_workflow_worker",
        "workflow_starter",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # computed from the one table


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'flowyd' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

"""The operations that change executions, and the descriptions: one function each, in a table.

A function gets the context and the checked request and answers with the body (empty where SWF answers
nothing). It raises a fault before it changes anything. What follows in other executions is carried out by the
service when the function is through.
Order of the checks of a start (a choice where the service's is unknown): domain, type, deprecated, open run
of that workflow id, quota, undefined values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from flowyd.engine.context import Context, Request
from flowyd.engine.executions import Hot
from flowyd.engine.rules import across, requests
from flowyd.engine.rules.block import Block
from flowyd.engine.rules.decisions import complete_decision_task
from flowyd.engine.rules.description import describe
from flowyd.engine.rules.events import Draft
from flowyd.engine.rules.evolve import note_decide_after, note_heartbeat
from flowyd.engine.rules.resolution import Undefined, resolve_execution
from flowyd.swf.faults import (
    DefaultUndefinedFault,
    DomainDeprecatedFault,
    LimitExceededFault,
    TypeDeprecatedFault,
    UnknownResourceFault,
    WorkflowExecutionAlreadyStartedFault,
)

Operation = Callable[[Context, Request], bytes]

encode = msgspec.json.Encoder().encode


def start(context: Context, request: Request) -> bytes:
    """StartWorkflowExecution: answers with the run id."""
    first = _first_event(context, request)
    run_id = context.recorder.new_run_id()
    context.recorder.start(
        context.domain(request).id, workflow_id=request["workflowId"], run_id=run_id, first=first
    )
    return encode({"runId": run_id})


def _first_event(context: Context, request: Request) -> Draft:
    domain = context.domain(request)
    workflow_type = request["workflowType"]
    written = f"WorkflowType=[name={workflow_type['name']}, version={workflow_type['version']}]"
    registered = context.registry.type(domain.id, "workflow", workflow_type)
    if registered is None:
        raise UnknownResourceFault(f"Unknown type: {written}")
    if domain.status != "REGISTERED":
        raise DomainDeprecatedFault(domain.name)
    if registered.status != "REGISTERED":
        raise TypeDeprecatedFault(written)
    running = context.executions.open_run(domain.id, request["workflowId"])
    if running is not None and running.state.is_open:
        raise WorkflowExecutionAlreadyStartedFault()
    if context.executions.open_count(domain.id) >= context.quotas.open_executions:
        raise LimitExceededFault(
            f"Limit on the number of open executions in a domain reached: {context.quotas.open_executions}"
        )
    resolved = resolve_execution(request, registered.configuration)
    if isinstance(resolved, Undefined):
        raise DefaultUndefinedFault(resolved.value.name)
    return across.root_started({**request, **resolved})


def signal(context: Context, request: Request) -> bytes:
    """SignalWorkflowExecution."""
    context.recorder.change(context.named_open(request), lambda block: requests.signal(block, request))
    return b""


def request_cancel(context: Context, request: Request) -> bytes:
    """RequestCancelWorkflowExecution."""
    context.recorder.change(context.named_open(request), requests.request_cancel)
    return b""


def terminate(context: Context, request: Request) -> bytes:
    """TerminateWorkflowExecution."""
    context.recorder.change(context.named_open(request), lambda block: requests.terminate(block, request))
    return b""


def describe_execution(context: Context, request: Request) -> bytes:
    """DescribeWorkflowExecution."""
    return description(context.named_run(request))


def description(hot: Hot) -> bytes:
    """The answer of DescribeWorkflowExecution for an execution at hand."""
    return encode(describe(hot.state))


def complete_decision(context: Context, request: Request) -> bytes:
    """RespondDecisionTaskCompleted."""
    hot, token = context.of_token(request, "decision")
    scheduled, started = token.scheduled_event_id, token.started_event_id
    requests.require_started_decision(hot.state, scheduled_event_id=scheduled, started_event_id=started)
    if token.digest != hot.started_digest:
        # Of a history that was lost before it was durable; this one has come to as many events.
        raise requests.unknown_decision_task(scheduled)
    around = context.recorder.surroundings(hot.row.domain_id)
    context.recorder.change(hot, lambda block: complete_decision_task(block, request, around))
    return b""


def _closing_activity(ending: str) -> Operation:
    def close(context: Context, request: Request) -> bytes:
        hot, token = context.of_token(request, "activity")
        activity = requests.require_started_activity(
            hot.state, scheduled_event_id=token.scheduled_event_id, started_event_id=token.started_event_id
        )

        if hot.state.decide_after is not None and not context.decider_is_there(hot):
            note_decide_after(hot.state, None)  # a successor may see to it differently

        def add(block: Block) -> None:
            requests.close_activity(block, activity, ending=ending, request=request)

        context.recorder.change(hot, add)
        return b""

    return close


def heartbeat(context: Context, request: Request) -> bytes:
    """RecordActivityTaskHeartbeat: no event; the clock starts again and the details are kept."""
    hot, token = context.of_token(request, "activity")
    activity = requests.require_started_activity(
        hot.state, scheduled_event_id=token.scheduled_event_id, started_event_id=token.started_event_id
    )
    note_heartbeat(activity, at=context.now, details=request.get("details"))
    context.executions.save_clocks(hot, activity)
    return encode({"cancelRequested": activity.cancel_requested_event_id > 0})


def _counting(kind: str) -> Operation:
    def count(context: Context, request: Request) -> bytes:
        key = (context.domain(request).id, kind, request["taskList"]["name"])
        number, truncated = context.matching.count(key)
        answer: dict[str, Any] = {"count": number, "truncated": truncated}
        return encode(answer)

    return count


#: Operation: its function. Polls, histories and the registry's operations are elsewhere.
OPERATIONS: dict[str, Operation] = {
    "StartWorkflowExecution": start,
    "SignalWorkflowExecution": signal,
    "RequestCancelWorkflowExecution": request_cancel,
    "TerminateWorkflowExecution": terminate,
    "DescribeWorkflowExecution": describe_execution,
    "RespondDecisionTaskCompleted": complete_decision,
    "RespondActivityTaskCompleted": _closing_activity("ActivityTaskCompleted"),
    "RespondActivityTaskFailed": _closing_activity("ActivityTaskFailed"),
    "RespondActivityTaskCanceled": _closing_activity("ActivityTaskCanceled"),
    "RecordActivityTaskHeartbeat": heartbeat,
    "CountPendingActivityTasks": _counting("activity"),
    "CountPendingDecisionTasks": _counting("decision"),
}

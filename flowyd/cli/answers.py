"""What several commands ask of an SWF service: every page of a list, one execution, its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from flowyd.cli.reaching import Service
from flowyd.errors import FlowydError
from flowyd.swf.faults import UnknownResourceFault

#: SWF's own greatest page.
PAGE = 1_000
#: Events asked for at the end of a history that is known up to there.
TAIL_PAGE = 100

Execution = dict[str, str]
Event = dict[str, Any]


def pages(service: Service, action: str, request: Mapping[str, Any], member: str) -> Iterator[Any]:
    """Every item of a paged list; a page is asked for when its first item is."""
    token = ""
    while True:
        answer = service.client.call(action, {**request, "nextPageToken": token} if token else request)
        yield from answer.get(member) or ()
        token = answer.get("nextPageToken") or ""
        if not token:
            return


def infos(
    service: Service, side: str, filters: Mapping[str, Any], *, oldest: float = 0, limit: int | None
) -> Iterator[dict[str, Any]]:
    """Executions of a side, "Open" or "Closed", those started last first: at most `limit`, or all."""
    request = {
        "domain": service.domain,
        "startTimeFilter": {"oldestDate": int(oldest)},
        "maximumPageSize": min(limit or PAGE, PAGE),
        **filters,
    }
    found = pages(service, f"List{side}WorkflowExecutions", request, "executionInfos")
    return islice(found, limit)


def find_execution(service: Service, workflow_id: str, run_id: str | None) -> Execution:
    """SWF's pair of ids: the run given, else the open one, else the one that was started last.

    Raises:
        FlowydError: the domain has no execution of that workflow id.
    """
    if run_id:
        return {"workflowId": workflow_id, "runId": run_id}
    filters = {"executionFilter": {"workflowId": workflow_id}}
    for side in ("Open", "Closed"):
        for info in infos(service, side, filters, limit=1):
            execution: Execution = info["execution"]
            return execution
    raise FlowydError(
        f"no execution with workflow id {workflow_id!r} in domain {service.domain}; see: flowyd list --all"
    )


def describe(service: Service, execution: Execution) -> dict[str, Any]:
    """SWF's description.

    Raises:
        FlowydError: there is no such run (any more).
    """
    try:
        return service.client.call(
            "DescribeWorkflowExecution", {"domain": service.domain, "execution": execution}
        )
    except UnknownResourceFault as fault:
        raise FlowydError(
            f"no run {execution['runId']} of {execution['workflowId']!r} in domain {service.domain}; "
            f"see: flowyd list --all --workflow-id {execution['workflowId']}"
        ) from fault


def history(service: Service, execution: Execution, known: list[Event] | None = None) -> list[Event]:
    """All events in order; of a history that is known up to somewhere, only the rest is fetched."""
    action = "GetWorkflowExecutionHistory"
    request = {"domain": service.domain, "execution": execution}
    if not known:
        return list(pages(service, action, {**request, "maximumPageSize": PAGE}, "events"))
    last = known[-1]["eventId"]
    newest = pages(service, action, {**request, "maximumPageSize": TAIL_PAGE, "reverseOrder": True}, "events")
    fresh: list[Event] = []
    for event in newest:
        if event["eventId"] <= last:
            break
        fresh.append(event)
    return [*known, *reversed(fresh)]

"""What the screens ask of an SWF service: lists, one execution, types, task lists. Everything here blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from flowyd.console.backend import Backend
from flowyd.console.view_model.executions import Execution, from_info
from flowyd.console.view_model.spans import Event, Span, closed_spans, spans
from flowyd.swf.faults import SwfFault

#: Executions asked for at a time: SWF's own greatest page.
PAGE = 1_000
#: Events asked for at the end of a history that is known up to there.
TAIL_PAGE = 100
#: Events asked for first, while nothing is known: more than a screen shows, and there within a moment.
FIRST_PAGE = 200


class Side(str, Enum):
    """Which executions are listed."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"

    @property
    def next(self) -> Side:
        sides = list(Side)
        return sides[(sides.index(self) + 1) % len(sides)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuestion:
    """Which executions to list."""

    domain: str
    side: Side
    #: How many of each side at most; 0: all there are.
    most: int
    #: Ask the service for closed ones of this status only; None: any.
    close_status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Executions with true counts of the domain."""

    executions: tuple[Execution, ...]
    #: There are more than were asked for.
    more: bool
    open_count: int
    closed_count: int
    #: A count is a lower bound.
    truncated: bool


def list_executions(backend: Backend, question: ListQuestion) -> Listing:
    """The newest executions of the sides asked for.

    Raises:
        SwfFault, UnreachableError, ProtocolError: as `Backend.swf`.
    """
    domain, ever = question.domain, {"oldestDate": 0}
    found: list[Execution] = []
    more = False
    if question.side is not Side.CLOSED:
        request = {"domain": domain, "startTimeFilter": ever, "maximumPageSize": PAGE}
        page, rest = _some(backend, "ListOpenWorkflowExecutions", request, question.most)
        found, more = page, rest
    if question.side is not Side.OPEN:
        request = {"domain": domain, "closeTimeFilter": ever, "maximumPageSize": PAGE}
        if question.close_status is not None:
            request["closeStatusFilter"] = {"status": question.close_status}
        page, rest = _some(backend, "ListClosedWorkflowExecutions", request, question.most)
        known = {execution.key for execution in page}
        # One that closed between the two lists is in both: its closed form is the newer.
        found = [execution for execution in found if execution.key not in known] + page
        more = more or rest
    if question.side is Side.ALL:
        found.sort(key=lambda execution: -execution.started_at)
    opened = backend.swf("CountOpenWorkflowExecutions", {"domain": domain, "startTimeFilter": ever})
    closed = backend.swf("CountClosedWorkflowExecutions", {"domain": domain, "closeTimeFilter": ever})
    return Listing(
        executions=tuple(found),
        more=more,
        open_count=opened["count"],
        closed_count=closed["count"],
        truncated=bool(opened.get("truncated") or closed.get("truncated")),
    )


def _some(backend: Backend, action: str, request: dict[str, Any], most: int) -> tuple[list[Execution], bool]:
    """Whole pages until there are `most`, and whether there are more."""
    found: list[Execution] = []
    token = ""
    while True:
        answer = backend.swf(action, {**request, "nextPageToken": token} if token else request)
        found += map(from_info, answer["executionInfos"])
        token = answer.get("nextPageToken") or ""
        if not token or (most and len(found) >= most):
            return found, bool(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionQuestion:
    """Which execution, and what is known of its history."""

    domain: str
    workflow_id: str
    run_id: str
    #: The whole history up to some event, and only newer events are asked for; empty: the whole history is
    #: asked for; None: its first page, so that there is something to show.
    known: tuple[Event, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionAnswer:
    """One execution: its record, SWF's whole description, and its history."""

    execution: Execution
    description: dict[str, Any]
    events: tuple[Event, ...]
    #: False: `events` are only the first of the history.
    whole: bool
    #: What the history tells of, worked out here in the thread: of a long one it takes a tenth of a second.
    #: Empty when no event is new. Of a history that is not whole: what has ended in it.
    spans: tuple[Span, ...] = ()
    #: The line of code it stands at, where the source is on this machine.
    source_line: str = ""


def read_execution(backend: Backend, question: ExecutionQuestion) -> ExecutionAnswer:
    """Description and history, as much of it as is asked for.

    Raises:
        SwfFault, UnreachableError, ProtocolError: as `Backend.swf`.
    """
    execution = {"workflowId": question.workflow_id, "runId": question.run_id}
    description = backend.swf(
        "DescribeWorkflowExecution", {"domain": question.domain, "execution": execution}
    )
    request = {"domain": question.domain, "execution": execution}
    run = from_info(description["executionInfo"])
    if question.known is None:
        page = backend.swf("GetWorkflowExecutionHistory", {**request, "maximumPageSize": FIRST_PAGE})
        events, whole = tuple(page["events"]), not page.get("nextPageToken")
    else:
        events, whole = _history(backend, request, question.known), True
    found = spans(events) if len(events) != len(question.known or ()) else ()
    if not whole:
        found = tuple(span for span in found if not span.is_open)
    elif run.closed_at is not None:
        found = closed_spans(found, run.closed_at)
    return ExecutionAnswer(execution=run, description=description, events=events, whole=whole, spans=found)


def _history(backend: Backend, request: dict[str, Any], known: Sequence[Event]) -> tuple[Event, ...]:
    action = "GetWorkflowExecutionHistory"
    if not known:
        return tuple(backend.pages(action, {**request, "maximumPageSize": PAGE}, "events"))
    last = known[-1]["eventId"]
    newest = backend.pages(action, {**request, "maximumPageSize": TAIL_PAGE, "reverseOrder": True}, "events")
    fresh = []
    for event in newest:
        if event["eventId"] <= last:
            break
        fresh.append(event)
    return (*known, *reversed(fresh)) if fresh else tuple(known)


def list_types(backend: Backend, domain: str, kind: str) -> list[dict[str, Any]]:
    """SWF's type infos of a kind ("workflow" or "activity"), registered and deprecated, each type once.

    Raises:
        SwfFault, UnreachableError, ProtocolError: as `Backend.swf`.
    """
    found = {}
    for status in ("REGISTERED", "DEPRECATED"):
        request = {"domain": domain, "registrationStatus": status, "maximumPageSize": PAGE}
        for info in backend.pages(f"List{kind.capitalize()}Types", request, "typeInfos"):
            # One that is deprecated between the two requests is in both answers: the later one counts.
            kind_of = info[f"{kind}Type"]
            found[kind_of["name"], kind_of["version"]] = info
    return list(found.values())


def list_domains(backend: Backend) -> list[dict[str, Any]]:
    """SWF's domain infos, registered and deprecated, each domain once.

    Raises:
        SwfFault, UnreachableError, ProtocolError: as `Backend.swf`.
    """
    found = {}
    for status in ("REGISTERED", "DEPRECATED"):
        for info in backend.pages("ListDomains", {"registrationStatus": status}, "domainInfos"):
            # As with types: one that is deprecated in between is in both answers.
            found[info["name"]] = info
    return list(found.values())


def count_pending(
    backend: Backend, domain: str, lists: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """SWF's PendingTaskCount by kind and name of the list.

    Raises:
        SwfFault, UnreachableError, ProtocolError: as `Backend.swf`.
    """
    return {
        (kind, name): backend.swf(
            f"CountPending{kind.capitalize()}Tasks", {"domain": domain, "taskList": {"name": name}}
        )
        for kind, name in lists
    }


def default_lists(
    backend: Backend, domain: str, kinds: Iterable[tuple[str, dict[str, Any]]]
) -> set[tuple[str, str]]:
    """Kind and name of the default task list of each type given as (kind, type)."""
    found = set()
    for kind, named in kinds:
        request = {"domain": domain, f"{kind}Type": named}
        try:
            answer = backend.swf(f"Describe{kind.capitalize()}Type", request)
        except SwfFault:
            # Deleted between listing and describing: it names no list any more.
            continue
        name = (answer["configuration"].get("defaultTaskList") or {}).get("name")
        if name:
            found.add(("decision" if kind == "workflow" else "activity", name))
    return found

"""Pages of histories: GetWorkflowExecutionHistory, and the events in a decision task's answer.

Bodies of events are stored as they are answered, so a page is their concatenation and nothing is parsed.
A page ends at the size asked for, or when it becomes too long for one answer; a token is there only if
more follows (recorded).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from flowyd.engine.context import Context, Request
from flowyd.engine.executions import Hot
from flowyd.engine.paging import next_page_token, page_of
from flowyd.engine.rules.requests import unknown_execution

#: A page ends after so many characters of events; clients must follow tokens anyway.
_PAGE_CHARACTERS = 4_000_000


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run as far as its history is concerned."""

    #: The execution's row.
    id: int
    last_event_id: int
    #: Set if it is in memory.
    hot: Hot | None


class EventPage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Some events of a history in the order asked for."""

    #: JSON text of the events, joined by commas.
    text: str
    #: How many they are.
    count: int


def history(context: Context, request: Request) -> bytes:
    """GetWorkflowExecutionHistory: of open and closed runs, until retention ends."""
    page = page_of(context.tokens, "GetWorkflowExecutionHistory", request, context.now)
    run = _named(context, request)
    first, last = 1, run.last_event_id
    backwards = bool(request.get("reverseOrder"))
    if page.after is not None:
        first, last = _rest(first, last, page.after[0], backwards)
    events = event_page(context, run, first=first, last=last, most=page.size, backwards=backwards)
    answer = f'{{"events":[{events.text}]'
    if events.count < last - first + 1:
        position = last - events.count + 1 if backwards else first + events.count - 1
        answer += f',"nextPageToken":"{next_page_token(context.tokens, page, [position], context.now)}"'
    return (answer + "}").encode()


def _rest(first: int, last: int, position: int, backwards: bool) -> tuple[int, int]:
    """The events that follow the last one shown."""
    return (first, position - 1) if backwards else (position + 1, last)


def _named(context: Context, request: Request) -> Run:
    """The run whose history is asked for; a cold one is not folded for that."""
    domain, named = context.domain(request), request["execution"]
    execution_id = context.executions.find(domain.id, named["workflowId"], named["runId"])
    if execution_id is None:
        raise unknown_execution(named["workflowId"], named["runId"])
    hot = context.executions.peek(execution_id)
    if hot is not None:
        return run_of(hot)
    return Run(id=execution_id, last_event_id=context.store.last_event_id(execution_id), hot=None)


def run_of(hot: Hot) -> Run:
    """The history of an execution in memory."""
    return Run(id=hot.id, last_event_id=hot.state.next_event_id - 1, hot=hot)


def event_page(context: Context, run: Run, *, first: int, last: int, most: int, backwards: bool) -> EventPage:
    """At most so many of the events first to last, from the end that is asked for."""
    if backwards:
        return _taken(context.store.events_backwards(run.id, max(first, last - most + 1), last))
    last = min(last, first + most - 1)
    recent = run.hot.recall(first, last) if run.hot is not None else None
    if recent:
        # Memory has less of a history than a page may have, or one event.
        return EventPage(text=",".join(recent), count=len(recent))
    return _taken(context.store.events(run.id, first, last))


def _taken(bodies: Iterable[str]) -> EventPage:
    taken: list[str] = []
    characters = 0
    for body in bodies:
        taken.append(body)
        characters += len(body)
        if characters > _PAGE_CHARACTERS:
            break
    return EventPage(text=",".join(taken), count=len(taken))

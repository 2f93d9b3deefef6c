"""Pages of histories: GetWorkflowExecutionHistory, and the events in a decision task's answer.

Bodies of events are stored as they are answered, so a page is their concatenation and nothing is parsed.
A page ends at the size asked for, or when it becomes too long for one answer; a token is there only if
more follows (recorded).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowyd.engine.context import Context, Request
from flowyd.engine.executions import Hot
from flowyd.engine.paging import next_page_token, page_of

#: A page ends after so many characters of events; clients must follow tokens anyway.
_PAGE_CHARACTERS = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Some events of a history in the order asked for."""

    #: JSON text of the events, joined by commas.
    text: str
    #: How many they are.
    count: int


def history(context: Context, request: Request) -> bytes:
    """GetWorkflowExecutionHistory: of open and closed runs, until retention ends."""
    page = page_of(context.tokens, "GetWorkflowExecutionHistory", request, context.now)
    hot = context.named_run(request)
    first, last = 1, hot.state.next_event_id - 1
    backwards = bool(request.get("reverseOrder"))
    if page.after is not None:
        first, last = _rest(first, last, page.after[0], backwards)
    events = event_page(context, hot, first=first, last=last, most=page.size, backwards=backwards)
    answer = f'{{"events":[{events.text}]'
    if events.count < last - first + 1:
        position = last - events.count + 1 if backwards else first + events.count - 1
        answer += f',"nextPageToken":"{next_page_token(context.tokens, page, [position], context.now)}"'
    return (answer + "}").encode()


def _rest(first: int, last: int, position: int, backwards: bool) -> tuple[int, int]:
    """The events that follow the last one shown."""
    return (first, position - 1) if backwards else (position + 1, last)


def event_page(context: Context, hot: Hot, *, first: int, last: int, most: int, backwards: bool) -> EventPage:
    """At most so many of the events first to last, from the end that is asked for."""
    if backwards:
        return _taken(context.store.events_backwards(hot.id, max(first, last - most + 1), last))
    last = min(last, first + most - 1)
    return _taken(hot.recall(first, last) or context.store.events(hot.id, first, last))


def _taken(bodies: Iterable[str]) -> EventPage:
    taken: list[str] = []
    characters = 0
    for body in bodies:
        taken.append(body)
        characters += len(body)
        if characters > _PAGE_CHARACTERS:
            break
    return EventPage(text=",".join(taken), count=len(taken))

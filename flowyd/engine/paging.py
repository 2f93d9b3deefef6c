"""Pages of lists: how many items, from where, and the token for what follows.

Rules (SWF API Reference; recorded answers): no size or 0 means 1,000 items; a token is there only if more
follows; it belongs to one query, whose other members must stay the same, except the page size.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowyd.engine.tokens import TokenCodec
from flowyd.swf.faults import ValidationException
from flowyd.swf.limits import PAGE_EVENTS

_NOT_OF_THE_QUERY = frozenset({"nextPageToken", "maximumPageSize"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is asked for."""

    #: The query in one canonical text, which the next page's token is bound to.
    query: str
    #: At most so many items.
    size: int
    #: Where the last page ended, as the list itself wrote it; None: from the start.
    after: list[Any] | None


def page_of(codec: TokenCodec, action: str, request: dict[str, Any], now: float) -> Page:
    """The page that a request asks for.

    Raises:
        ValidationException: the token is not of this query, or too old.
    """
    members = {name: request[name] for name in request if name not in _NOT_OF_THE_QUERY}
    query = action + json.dumps(members, sort_keys=True, separators=(",", ":"))
    token = request.get("nextPageToken")
    after = None
    if token is not None:
        after = json.loads(codec.read_page_token(token, query, now))
        if not isinstance(after, list):
            raise ValidationException("Invalid token")
    return Page(query=query, size=request.get("maximumPageSize") or PAGE_EVENTS, after=after)


def next_page_token(codec: TokenCodec, page: Page, position: Sequence[Any], now: float) -> str:
    """The token for what follows `position`, which must be of JSON's own types."""
    return codec.page_token(page.query, json.dumps(list(position), separators=(",", ":")), now)

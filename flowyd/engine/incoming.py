"""From a request to the checked call, with what flowyd's own callers say in headers."""

from __future__ import annotations

from flowyd.engine import requests
from flowyd.engine.calls import Call
from flowyd.engine.connection import Connection
from flowyd.engine.http import HttpRequest
from flowyd.swf.actions import POLLS, READS, VOIDS


def call_of(action: str, request: HttpRequest, trusted: Connection | None) -> Call:
    """The checked call.

    `trusted`: its connection, if nobody but the caller can have written flowyd's own headers.

    Raises:
        SwfFault: the request is wrong.
    """
    if action in POLLS:
        poll = Call(action=action, request=requests.poll(action, request.body), poll_id=request.poll_id)
        if trusted is not None:
            poll.trust(request.most_tasks, shares_clock=trusted.shares_clock)
        return poll
    call = Call(action=action, request=requests.checked(action, request.body))
    if action in READS:
        call.waits_for_close = request.waits_for_close
    elif action in VOIDS and trusted is not None:
        if action == "RespondActivityTaskFailed":
            call.not_begun = request.not_begun
        if named := request.next_poll:
            next_action, next_request, most_tasks = requests.next_poll(named)
            call.next_poll = Call(action=next_action, request=next_request, poll_id=request.poll_id)
            call.next_poll.trust(most_tasks, shares_clock=trusted.shares_clock)
    return call

"""Cancel wishes of a run, carried out: requests for what is still open, once each.

The service makes no decision task of a timer's cancelation (SWF API Reference, CancelTimer: the decider knows
it). A run that needs that timer to be over would never go on: it asks for a timer of no seconds besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowyd.decider import decisions as wire
from flowyd.decider.asking import Requests, cancel_control, canceled_id
from flowyd.decider.index import HistoryIndex
from flowyd.decider.outcomes import Decision
from flowyd.decider.records import Kind, State, Target
from flowyd.sdk.placeholder import Placeholder, ResultObject


def carry_out(wishes: list[Target], index: HistoryIndex, requests: Requests) -> list[Target]:
    """Adds the decisions that cancel what is open, or is being asked for now; the timers among that."""
    timers: list[Target] = []
    new = set(requests.new)
    for kind, wished_id in dict.fromkeys(wishes):
        held = index.find(kind, wished_id)
        is_open = (kind, wished_id) in new or (held is not None and held.state is State.OPEN)
        requested = held is not None and held.cancel_requested
        if is_open and not requested:
            requests.decisions.append(_request(kind, wished_id))
            if kind is Kind.TIMER:
                timers.append((kind, wished_id))
    return timers


def go_on_after(timer: Target, requests: Requests) -> None:
    """Adds the timer that brings about the next decision after the cancelation of this one."""
    requests.decisions.append(wire.start_timer(canceled_id(timer[1]), 0))


def waited_for(results: Sequence[ResultObject[Any]]) -> set[Target]:
    """Everything that must be over before one of these can be finished."""
    found: set[Target] = set()
    left = list(results)
    while left:
        result = left.pop()
        if result.target is not None:
            found.add(result.target)
        if isinstance(result, Placeholder):
            left.extend(result.waiting_for)
    return found


def _request(kind: Kind, wished_id: str) -> Decision:
    if kind is Kind.TIMER:
        return wire.cancel_timer(wished_id)
    if kind is Kind.CHILD:
        return wire.request_cancel_external(
            control=cancel_control(wished_id), workflow_id=wished_id, run_id=None
        )
    return wire.request_cancel_activity(wished_id)

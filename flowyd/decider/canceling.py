"""Cancel wishes of a run, carried out: requests for what is still open, once each."""

from __future__ import annotations

from flowyd.decider import decisions as wire
from flowyd.decider.asking import Requests, cancel_control
from flowyd.decider.index import HistoryIndex
from flowyd.decider.outcomes import Decision
from flowyd.decider.progress import Target
from flowyd.decider.records import Kind, State


def carry_out(wishes: list[Target], index: HistoryIndex, requests: Requests) -> None:
    """Adds the decisions that cancel what is open, or is being asked for by this very decision."""
    new = set(requests.new)
    for kind, wished_id in dict.fromkeys(wishes):
        held = index.find(kind, wished_id)
        is_open = (kind, wished_id) in new or (held is not None and held.state is State.OPEN)
        requested = held is not None and held.cancel_requested
        if is_open and not requested:
            requests.decisions.append(_request(kind, wished_id))


def _request(kind: Kind, wished_id: str) -> Decision:
    if kind is Kind.TIMER:
        return wire.cancel_timer(wished_id)
    if kind is Kind.CHILD:
        return wire.request_cancel_external(
            control=cancel_control(wished_id), workflow_id=wished_id, run_id=None
        )
    return wire.request_cancel_activity(wished_id)

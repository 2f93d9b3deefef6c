"""Does the code still ask for what the history holds? Every comparison, and the one error they end in.

Three ways not to fit: the code asks under a known id for something else; the code asks anew where an
earlier decision passed without asking; the history holds something the code no longer asks for.
"""

from __future__ import annotations

from collections.abc import Set

from flowyd.decider.index import HistoryIndex
from flowyd.decider.records import Asked, Kind, Target
from flowyd.decider.sources import Line, calling_line

#: How much of an input a report shows.
_SHOWN = 200


class Divergence(BaseException):
    """Raised through the author's code when code and history do not fit; ends in a Broken outcome."""

    def __init__(self, *, code_asks: str, history_holds: str, call: str, where: Line) -> None:
        super().__init__(f"the code asks for {code_asks}, but the history holds {history_holds}")
        self.code_asks = code_asks
        self.history_holds = history_holds
        self.call = call
        self.where = str(where)


def _text(kind: Kind, what: str, input_text: str | None) -> str:
    shown = f"{kind.value} {what}"
    if input_text is None:
        return shown
    cut = (
        input_text if len(input_text) <= _SHOWN else f"{input_text[:_SHOWN]}… ({len(input_text)} characters)"
    )
    return f"{shown} with {cut}"


def compare(held: Asked, *, what: str, input_text: str | None) -> None:
    """Checks that what the code asks for under this id is what the history holds under it.

    Raises:
        Divergence: it is not.
    """
    if held.what == what and (held.input is None or input_text is None or held.input == input_text):
        return
    if not held.what:
        return
    raise Divergence(
        code_asks=_text(held.kind, what, input_text),
        history_holds=_text(held.kind, held.what, held.input),
        call=held.id,
        where=calling_line(),
    )


def missed(*, kind: Kind, asked_id: str, what: str, input_text: str | None, decision: int) -> Divergence:
    """The error for something new asked at a point that an earlier decision has passed."""
    return Divergence(
        code_asks=_text(kind, what, input_text),
        history_holds=f"nothing under this id, though the decision of event {decision} passed this point",
        call=asked_id,
        where=calling_line(),
    )


def forgotten(index: HistoryIndex, touched: Set[Target]) -> Divergence:
    """The error for the earliest thing in the history that the code did not ask for."""
    left = index.asked.keys() - touched
    held = min((index.asked[key] for key in left), key=lambda one: (one.decision_id, one.id))
    return Divergence(
        code_asks="nothing of the kind any more",
        history_holds=_text(held.kind, held.what, held.input),
        call=held.id,
        where=Line("", 0),
    )

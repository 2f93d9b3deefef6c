"""What a run writes down for its own replays: side effects, and which way it took at a change of code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowyd.decider import decisions as wire
from flowyd.decider.asking import Requests
from flowyd.decider.determinism import Divergence
from flowyd.decider.index import HistoryIndex
from flowyd.decider.progress import Progress
from flowyd.decider.sources import calling_line
from flowyd.sdk.payloads import payloads, sent
from flowyd.sdk.serialize import decode_value, encode_value

_SIDE_EFFECT = "side-effect"
_CHANGE = "change"


class Markers:
    """The markers of one run of the code."""

    def __init__(self, index: HistoryIndex, progress: Progress, requests: Requests) -> None:
        self._index = index
        self._progress = progress
        self._requests = requests
        self._side_effects = 0
        self._changes: dict[str, bool] = {}

    def side_effect(self, produce: Callable[[], Any]) -> Any:
        """The recorded value, or the value now, to be recorded.

        Raises:
            Divergence: an earlier decision passed this point without recording one.
        """
        number = self._side_effects
        self._side_effects += 1
        recorded = self._index.markers.get(_SIDE_EFFECT, ())
        if number < len(recorded):
            return decode_value(payloads.text(recorded[number].text or "null"))
        if self._progress.replaying and self._index.close_refused_id <= self._progress.decision:
            raise Divergence(
                code_asks=f"side effect {number}",
                history_holds=f"{len(recorded)} of them, though an earlier decision passed this point",
                call=f"{_SIDE_EFFECT}-{number}",
                where=calling_line(),
            )
        text = encode_value(produce())
        travels = sent(text, f"the value of side effect {number}")
        self._requests.decisions.append(wire.record_marker(_SIDE_EFFECT, travels))
        return decode_value(text)

    def changed(self, change_id: str) -> bool:
        """Whether this run takes the new way: decided, and recorded, where it first comes to the change."""
        if change_id not in self._changes:
            name = f"{_CHANGE}-{change_id}"
            recorded = name in self._index.markers
            self._changes[change_id] = recorded or not self._progress.replaying
            if not recorded and self._changes[change_id]:
                self._requests.decisions.append(wire.record_marker(name, None))
        return self._changes[change_id]

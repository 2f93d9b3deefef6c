"""SWF's durations: strings of whole seconds or `NONE`, as `int | None` on our side of the edge.

Source: SWF API Reference, DurationInSeconds and DurationInSecondsOptional (at most 8 characters).
"""

from __future__ import annotations

from flowyd.errors import ProtocolError

NONE = "NONE"

#: One year: the longest any task or execution may take.
LONGEST_S = 31_536_000


def to_wire(seconds: int | None) -> str:
    """The wire form of whole seconds; None (no limit) becomes `NONE`."""
    return NONE if seconds is None else str(seconds)


def from_wire(text: str) -> int | None:
    """Seconds of a wire duration; `NONE` becomes None.

    Raises:
        ProtocolError: the text is neither digits nor `NONE`.
    """
    if text == NONE:
        return None
    if not (text.isascii() and text.isdigit()):
        raise ProtocolError(f"{text!r} is no SWF duration; it must be whole seconds or NONE")
    return int(text)

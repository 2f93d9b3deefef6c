"""When Python looks for cycles of unreachable objects: not while somebody types.

A full collection walks over every object there is; with a history of ten thousand events that takes 60 to
200 ms, and by Python's own measure it came due every two seconds. What the console holds is answers, which
contain no cycles and are freed without any collection; only screens that were left are cycles. So full
collections are made rare, what was there from the beginning is left out of them, and one is made when a
screen has been left.
"""

from __future__ import annotations

import gc

#: So many collections of the middle generation pass before a full one comes due by itself; Python's own
#: measure is 10.
MIDDLE_PER_FULL = 1_000
#: A screen that was left is collected so much later, seconds, when its successor stands.
AFTER_LEAVING_S = 1.0

Thresholds = tuple[int, int, int]


def make_rare() -> Thresholds:
    """Makes full collections rare; the thresholds before, for `as_before`."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(before[0], before[1], MIDDLE_PER_FULL)
    return before


def as_before(thresholds: Thresholds) -> None:
    """Takes `make_rare` back."""
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def collect() -> None:
    """Looks at everything that is not left out."""
    gc.collect()

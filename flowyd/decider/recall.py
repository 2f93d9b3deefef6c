"""What a replay remembers for the next one: calls that it has held against the history already.

A cache on the index and nothing else: a call that is not here, or is made in another way than it is here,
goes the long way of `caller` and gets the same answer. Remembered are the plainest and most frequent calls:
first attempts without a delay whose arguments are values that cannot change. The answer is always made
anew, from what the history says by now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowyd.decider.records import Asked, Target
from flowyd.sdk.payloads import payloads
from flowyd.sdk.placeholder import Result
from flowyd.sdk.scheduling import Callee

#: Equal values of one of these types have the same text in an input. Not float: 0.0 and -0.0.
_EQUAL_TEXT = frozenset({str, int, bool, bytes})
_UNCHANGING = _EQUAL_TEXT | {float, type(None)}

_UNREAD: Any = object()

#: Memory one takes besides its texts, roughly, measured on CPython 3.11.
KNOWN_BYTES = 350


class Known:
    """One call, with arguments for which the history was found to hold the right input."""

    __slots__ = ("arguments", "callee", "held", "key", "names", "read", "shown", "value")

    def __init__(
        self,
        callee: Callee,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        *,
        held: Asked,
        shown: str,
        read: Callable[[str], Any],
    ) -> None:
        """`arguments` and `keywords` are `unchanging`; `read` gives the value of a result text."""
        self.callee = callee
        self.names = tuple(keywords)
        self.arguments = (*arguments, *keywords.values())
        self.held = held
        self.key: Target = (held.kind, held.id)
        self.shown = shown
        self.read = read
        self.value: Any = _UNREAD

    def is_call(self, callee: Callee, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
        """Whether a call in these words asks for the same with the same input."""
        if callee is not self.callee and callee != self.callee:
            return False
        if keywords or self.names:
            if tuple(keywords) != self.names:
                return False
            arguments = (*arguments, *keywords.values())
        then = self.arguments
        if len(arguments) != len(then):
            return False
        for new, old in zip(arguments, then):  # noqa: B905  # equal by the line above, and this is the hot path
            if new is old:
                continue
            value = new.peek() if isinstance(new, Result) else new
            if value is not old and (
                type(value) is not type(old) or type(value) not in _EQUAL_TEXT or value != old
            ):
                return False
        return True

    def has_value(self) -> bool:
        """Whether the value was read before and is one that cannot change."""
        return self.value is not _UNREAD

    def decode(self, text: str) -> Any:
        """The value of the result text, kept if it cannot change."""
        value = self.read(payloads.text(text))
        if type(value) in _UNCHANGING:
            self.value = value
        return value


def unchanging(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    """Whether none of these values can change, so that their text stays what it is."""
    return _UNCHANGING.issuperset(map(type, arguments)) and _UNCHANGING.issuperset(
        map(type, keywords.values())
    )

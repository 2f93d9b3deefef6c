"""What travels for a payload that is kept outside of the history: its hash and its length, as JSON.

Whoever reads a history finds the form here, also where no store is at hand.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_BEGINNING = '{"__flowyd__": ["stored", '
_FORM = re.compile(
    re.escape(_BEGINNING) + r'\{"sha256": "([0-9a-f]{64})", "characters": ([0-9]{1,18})\}\]\}', re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A payload in a store."""

    #: SHA-256 of the text, in hexadecimal: its name in the store.
    key: str
    #: Length of the text.
    characters: int

    def to_wire(self) -> str:
        """The text that travels."""
        members = json.dumps({"sha256": self.key, "characters": self.characters})
        return f"{_BEGINNING}{members}]}}"


def from_wire(travelled: str) -> Reference | None:
    """The reference that travelled; None: it is a payload itself."""
    found = _FORM.fullmatch(travelled) if travelled.startswith(_BEGINNING) else None
    return None if found is None else Reference(key=found[1], characters=int(found[2]))

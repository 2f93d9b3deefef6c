"""Chance that is the same in every replay: derived from a seed text, never from the machine."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID


def fraction(seed: str) -> float:
    """A number in [0, 1), evenly spread over seeds."""
    return (int.from_bytes(sha256(seed.encode()).digest()[:8], "big") >> 11) / (1 << 53)


def uuid4(seed: str) -> UUID:
    """A UUID of the random kind, decided by the seed."""
    return UUID(bytes=sha256(seed.encode()).digest()[:16], version=4)

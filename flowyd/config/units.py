"""Durations and sizes as people write them: "1h30m" and "512M", to numbers and back."""

from __future__ import annotations

import re

#: Longest first: the order in which they may follow each other.
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"\s*".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?){unit})?" for unit in _SECONDS))

_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT])")


def seconds_of(text: str) -> float:
    """Seconds of a duration such as "30s", "5m", "1h30m", "250ms" or "30d".

    Raises:
        ValueError: it is none; units must be given, each at most once, the longest first.
    """
    found = _DURATION.fullmatch(text.strip())
    parts = {unit: float(count) for unit, count in found.groupdict().items() if count} if found else {}
    if not parts:
        raise ValueError(f"{text!r} is no duration")
    return round(sum(count * _SECONDS[unit] for unit, count in parts.items()), 6)


def duration_text(seconds: float) -> str:
    """The shortest way to write seconds for `seconds_of`, rounded to milliseconds."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    text = ""
    for unit, length_s in _SECONDS.items():
        count, milliseconds = divmod(milliseconds, round(length_s * 1000))
        text += f"{count}{unit}" if count else ""
    return text


def bytes_of(text: str) -> int:
    """Bytes of a size such as "64K", "512M" or "1.5G"; each unit is 1024 of the one before.

    Raises:
        ValueError: it is none.
    """
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no size")
    return int(float(found[1]) * _BYTES[found[2]])


def size_text(count: int) -> str:
    """The shortest exact way to write bytes that `bytes_of` reads; plain digits when no unit divides them."""
    for unit, length in reversed(_BYTES.items()):
        if count and count % length == 0:
            return f"{count // length}{unit}"
    return str(count)

"""Numbers as people read them: ages, durations, times of day, bytes, percent."""

from __future__ import annotations

from datetime import datetime, timezone, tzinfo

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def duration(seconds: float | None) -> str:
    """The two largest units: `820ms`, `4.2s`, `3m 12s`, `2d 4h`; a dash for None."""
    if seconds is None:
        return "-"
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    rest = round(seconds)
    for index, (size, unit) in enumerate(_STEPS[:-1]):
        if rest >= size:
            smaller, name = _STEPS[index + 1]
            part = rest % size // smaller
            return f"{rest // size}{unit} {part}{name}" if part else f"{rest // size}{unit}"
    return f"{rest}s"


def age(seconds: float | None) -> str:
    """One unit only, for narrow columns: `12s`, `4m`, `3h`, `9d`; a dash for None."""
    if seconds is None:
        return "-"
    rest = int(max(seconds, 0.0))
    for size, unit in _STEPS:
        if rest >= size:
            return f"{rest // size}{unit}"
    return "0s"


def moment(at: float | None, *, now: float, zone: tzinfo | None = None) -> str:
    """A time in the reader's zone: of today without the date, of this year without the year."""
    if at is None:
        return "-"
    then = datetime.fromtimestamp(at, timezone.utc).astimezone(zone)
    today = datetime.fromtimestamp(now, timezone.utc).astimezone(zone)
    if then.date() == today.date():
        return then.strftime("%H:%M:%S")
    if then.year == today.year:
        return then.strftime("%d %b %H:%M")
    return then.strftime("%Y-%m-%d")


def full_moment(at: float | None, *, zone: tzinfo | None = None) -> str:
    """Date, time and zone, for summaries; a dash for None."""
    if at is None:
        return "-"
    return datetime.fromtimestamp(at, timezone.utc).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def size(count: int) -> str:
    """Bytes as `512 B`, `1.4 MB`, in powers of 1,000."""
    if count < 1_000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1_000
        if value < 999.5:
            return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
    return f"{value / 1_000:.1f} TB"


def number(count: int) -> str:
    """A count with its thousands apart."""
    return f"{count:,}"


def plural(count: int, noun: str) -> str:
    """`1 execution`, `3 executions`."""
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"

"""What was done from this console: each request with its equal command and its result."""

from __future__ import annotations

from dataclasses import dataclass

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Column, Tone, cell


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneRow:
    """One request that was carried out or refused."""

    key: str
    at: float
    target: str
    #: The equal `flowyd …` command.
    command: str
    result: str
    failed: bool


def columns(*, now: float) -> tuple[Column[DoneRow], ...]:
    """The columns of what was done."""
    return (
        Column(title="At", draw=lambda r, _w: cell(wording.moment(r.at, now=now), Tone.DIM), width=12),
        Column(
            title="Result",
            draw=lambda r, _w: cell(
                f"{'✘' if r.failed else '✔'} {r.result}", Tone.BAD if r.failed else Tone.GOOD
            ),
            width=22,
            stretch=1,
        ),
        Column(title="Target", draw=lambda r, _w: cell(r.target), width=16, stretch=1, spare=1),
        Column(title="Command", draw=lambda r, _w: cell(r.command, Tone.STRONG), width=30, stretch=3),
    )


def matches(row: DoneRow, text: str) -> bool:
    """Whether all words occur in the row."""
    written = f"{row.target} {row.command} {row.result}".lower()
    return all(word in written for word in text.lower().split())

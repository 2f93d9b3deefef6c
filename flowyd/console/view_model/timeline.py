"""Spans as bars on one time axis: `░` waits for a worker, `█` is worked on, `▏` is a moment.

A bar is as long as its part of the axis and at least one character, so that nothing vanishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import (
    Cell,
    Column,
    Part,
    Tone,
    by_number,
    by_text,
    cell,
    cut_inside,
    fit,
)
from flowyd.console.view_model.spans import Kind, Span

_OUTCOMES = {
    "completed": ("✔", Tone.GOOD),
    "fired": ("✔", Tone.GOOD),
    "failed": ("✘", Tone.BAD),
    "timed out": ("◷", Tone.BAD),
    "canceled": ("⊘", Tone.WARN),
    "terminated": ("■", Tone.WARN),
    "left open": ("·", Tone.DIM),
}
#: An id of a child is shown when there is room for so many of its characters.
_CHILD_ID = 5
_MOMENTS = {Kind.SIGNAL: "✉", Kind.CANCEL: "⊘", Kind.MARKER: "⚑"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The stretch of time that the bars share, epoch seconds."""

    begins_at: float
    ends_at: float

    def position(self, at: float, width: int) -> float:
        """Where a time lies, in characters from the left."""
        length = max(self.ends_at - self.begins_at, 0.001)
        return (at - self.begins_at) / length * width


def axis(spans: Sequence[Span], *, started_at: float, closed_at: float | None, now: float) -> Axis:
    """From the start of the execution to its end, or now, or the last event if clocks differ."""
    last = max((s.ended_at or s.started_at or s.asked_at for s in spans), default=started_at)
    return Axis(begins_at=started_at, ends_at=max(closed_at if closed_at is not None else now, last))


def heading(line: Axis, width: int) -> str:
    """The axis written out: 0 at the left, the whole length at the right, steps between as they fit."""
    total = line.ends_at - line.begins_at
    text = [" "] * max(width, 0)
    steps = 4 if width >= 48 else 2
    for index in (0, steps, *range(1, steps)):
        label = wording.duration(total * index / steps) if index else "0"
        at = round(width * index / steps) - (
            len(label) if index == steps else len(label) // 2 if index else 0
        )
        if (
            at >= 0
            and at + len(label) <= width
            and all(c == " " for c in text[max(at - 1, 0) :][: len(label) + 2])
        ):
            text[at : at + len(label)] = label
    return "".join(text)


def bar(span: Span, line: Axis, width: int, *, now: float) -> Cell:
    """The span drawn on the axis, `width` characters at most."""
    if width <= 0:
        return ()
    end = span.ended_at if span.ended_at is not None else max(now, span.asked_at)
    work = span.started_at if span.kind is not Kind.TIMER else None
    left = min(int(line.position(span.asked_at, width)), width - 1)
    if span.kind in _MOMENTS or (span.ended_at == span.asked_at and span.outcome == "failed"):
        sign = _MOMENTS.get(span.kind, "✘")
        return (Part(" " * left), Part(sign, outcome_tone(span)))
    right = max(min(round(line.position(end, width)), width), left + 1)
    turn = right if work is None else min(max(round(line.position(work, width)), left), right - 1)
    fill = "┄" if span.kind is Kind.TIMER else "░"
    return (
        Part(" " * left),
        Part(fill * (turn - left), Tone.WAITING),
        Part("█" * (right - turn), outcome_tone(span)),
    )


def outcome_tone(span: Span) -> Tone:
    """The tone of how the span ended, or goes on."""
    if span.kind in _MOMENTS:
        return Tone.STRONG
    if span.is_open:
        return Tone.WAITING if span.started_at is None else Tone.BUSY
    return _OUTCOMES.get(span.outcome, ("", Tone.PLAIN))[1]


def state(span: Span, *, now: float) -> Cell:
    """How it stands, in a word or two."""
    if span.kind in _MOMENTS:
        return cell(f"{_MOMENTS[span.kind]} {span.kind.value}", Tone.STRONG)
    if not span.is_open:
        sign, tone = _OUTCOMES.get(span.outcome, ("·", Tone.PLAIN))
        return cell(f"{sign} {span.outcome}", tone)
    if span.kind is Kind.TIMER:
        return cell(f"… in {wording.duration((span.due_at or now) - now)}", Tone.WAITING)
    if span.started_at is None:
        return cell("… waiting", Tone.WAITING)
    return cell("▷ canceling" if span.cancel_requested else "▶ running", Tone.BUSY)


def name(span: Span, width: int) -> Cell:
    """Type and id; children and timers are marked by a sign."""
    sign = {Kind.CHILD: "⤷ ", Kind.TIMER: "┄ ", Kind.LAMBDA: "λ ", Kind.DECISION: "◇ "}.get(span.kind, "")
    kind = span.type.rpartition(" ")[0] or span.type
    text = kind or span.id or ("decision task" if span.kind is Kind.DECISION else span.kind.value)
    room = width - len(sign + text) - 2
    # Children of one type are told apart by their ids only, other tasks also by what happens to them.
    if kind and room >= (_CHILD_ID if span.kind is Kind.CHILD else len(span.id)):
        return (Part(f"{sign}{text}"), Part(f"  {cut_inside(span.id, room)}", Tone.DIM))
    return (Part(fit(f"{sign}{text}", width).rstrip()),)


def took_s(span: Span, *, now: float) -> float:
    """How long it took, or takes so far, seconds."""
    return (span.ended_at if span.ended_at is not None else now) - span.asked_at


def columns(line: Axis, *, now: float) -> tuple[Column[Span], ...]:
    """The timeline as a table; its last column is headed by the axis."""
    return (
        Column(title="What", draw=name, order=lambda s: by_text(s.type or s.id), width=18, stretch=1),
        Column(
            title="State", draw=lambda s, _w: state(s, now=now), order=lambda s: by_text(s.outcome), width=12
        ),
        Column(
            title="Took",
            draw=lambda s, _w: cell("" if s.kind in _MOMENTS else wording.duration(took_s(s, now=now))),
            order=lambda s: by_number(took_s(s, now=now)),
            width=7,
            right=True,
        ),
        Column(
            title="Timeline",
            heading=lambda width: heading(line, width),
            draw=lambda s, w: bar(s, line, w, now=now),
            order=lambda s: by_number(s.asked_at),
            width=20,
            stretch=3,
        ),
    )

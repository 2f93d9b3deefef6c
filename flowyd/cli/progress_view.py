"""The progress of one execution as lines: one per activity, child or timer. Pure: spans in, lines out."""

from __future__ import annotations

from collections.abc import Sequence

from flowyd.cli.output import Page
from flowyd.cli.show_view import state_cell, waited_s, worked_s
from flowyd.cli.tables import shortened
from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Tone, cell
from flowyd.console.view_model.spans import Kind, Span

#: What is worth a line; decisions are how a workflow thinks, not what it does.
_SHOWN = (Kind.ACTIVITY, Kind.CHILD, Kind.TIMER, Kind.LAMBDA)


def board(found: Sequence[Span], *, now: float, page: Page, title: str) -> list[str]:
    """A heading and a line for each span, at most as many as the screen has: those that ended first are
    folded into one line."""
    ours = [span for span in found if span.kind in _SHOWN]
    room = max(page.height - 3, 1)
    folded = len(ours) - room if len(ours) > room else 0
    if folded:
        ended = [span for span in ours if not span.is_open][:folded]
        ours = [span for span in ours if span not in ended]
        ours = ours[-room:]
    lines = [page.drawn(cell(title, Tone.STRONG))]
    if folded:
        lines.append(page.drawn(cell(f"  … {wording.number(folded)} more", Tone.DIM)))
    names = max((len(name_of(span)) for span in ours), default=0)
    lines += [_line(span, names, now, page) for span in ours]
    return lines


def name_of(span: Span) -> str:
    """What a span is called: its type and id, the kind where it has no type."""
    return f"{span.type} ({span.id})" if span.type else f"{span.kind.value} {span.id}"


def moment_line(span: Span, *, now: float) -> str:
    """A change of a span as a plain line: time, name, state, duration; for a log."""
    state = "".join(part.text for part in state_cell(span))
    at = span.ended_at or span.started_at or span.asked_at
    took = f"  {_took(span, now)}" if not span.is_open else ""
    return f"{wording.moment(at, now=now)}  {name_of(span)}  {state}{took}"


def _line(span: Span, names: int, now: float, page: Page) -> str:
    padding = " " * (14 - len("".join(part.text for part in state_cell(span))))
    content = (
        *cell("  "),
        *state_cell(span),
        *cell(padding),
        *cell(name_of(span).ljust(names)),
        *cell(f"  {_took(span, now)}", Tone.DIM),
    )
    return page.drawn(shortened(content, page.width or 10_000))


def _took(span: Span, now: float) -> str:
    worked = worked_s(span, now)
    if span.kind is Kind.TIMER:
        due = f"due in {wording.duration(span.due_at - now)}" if span.due_at is not None else ""
        return due or wording.duration(waited_s(span, now))
    if worked is None:
        return f"waits {wording.duration(waited_s(span, now))}"
    failure = span.text.split("\n", 1)[0] if span.outcome in ("failed", "timed out") else ""
    return wording.duration(worked) + (f"  {failure}" if failure else "")

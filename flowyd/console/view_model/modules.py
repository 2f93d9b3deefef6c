"""What the pools have loaded as rows, quarantined modules first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Column, Part, Tone, by_text, cell, cut_path
from flowyd.control.drift import Drift, drifts_in
from flowyd.control.status import DaemonStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRow:
    """One type a pool serves, or one module it could not."""

    pool: str
    kind: str
    #: "name version", or the path of a quarantined module.
    name: str
    #: Traceback or reason; empty when it is served.
    problem: str
    #: Types of the module whose defaults are not those they are registered with.
    drifts: tuple[Drift, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.pool} {self.name}"


def module_rows(status: DaemonStatus) -> tuple[ModuleRow, ...]:
    """Quarantined modules first, then the types each pool serves."""
    broken = [
        ModuleRow(pool=pool.name, kind=pool.kind, name=path, problem=text, drifts=drifts_in(text))
        for pool in status.pools
        for path, text in sorted(pool.broken_modules.items())
    ]
    served = [
        ModuleRow(pool=pool.name, kind=pool.kind, name=name, problem="")
        for pool in status.pools
        for name in pool.served_types
    ]
    return (*broken, *served)


def module_found(row: ModuleRow, text: str) -> bool:
    """Whether all words occur in the row."""
    word = "drift" if row.drifts else ""
    written = f"{row.key} {row.kind} {word} {row.problem}".lower()
    return all(word in written for word in text.lower().split())


def summary(rows: Sequence[ModuleRow]) -> Cell:
    """How many types are served, and how many modules are not."""
    drifted = sum(1 for row in rows if row.drifts)
    broken = sum(1 for row in rows if row.problem) - drifted
    served = len(rows) - broken - drifted
    counts = ((broken, "quarantined"), (drifted, "drift"))
    bad = (Part(f"  {count} {word}", Tone.BAD) for count, word in counts if count)
    return (Part(f"  {wording.plural(served, 'type')} served", Tone.DIM), *bad)


def module_columns() -> tuple[Column[ModuleRow], ...]:
    """The columns of the modules' table."""
    return (
        Column(
            title="Pool",
            draw=lambda r, _w: cell(r.pool),
            order=lambda r: by_text(r.pool),
            width=12,
            stretch=1,
        ),
        Column(title="Kind", draw=lambda r, _w: cell(r.kind, Tone.DIM), width=8),
        Column(title="State", draw=lambda r, _w: _module_state(r), width=13),
        Column(
            title="Type or module",
            draw=lambda r, w: cell(cut_path(r.name, w), Tone.STRONG),
            order=lambda r: by_text(r.name),
            width=20,
            stretch=3,
        ),
        Column(
            title="Reason",
            draw=lambda r, _w: cell(_reason(r), Tone.BAD),
            width=16,
            stretch=3,
            spare=1,
        ),
    )


def _module_state(row: ModuleRow) -> Cell:
    if row.drifts:
        return cell("≠ drift", Tone.BAD)
    return cell("✘ quarantined", Tone.BAD) if row.problem else cell("✔ served", Tone.GOOD)


def _reason(row: ModuleRow) -> str:
    """Which values drifted, or the line of a traceback that says what happened."""
    if not row.drifts:
        return last_line(row.problem)
    return "; ".join(f"{drift.type}: {', '.join(drift.differences)}" for drift in row.drifts)


def last_line(text: str) -> str:
    """The line of a traceback that says what happened."""
    lines: Sequence[str] = text.strip().splitlines()
    return lines[-1].strip() if lines else ""

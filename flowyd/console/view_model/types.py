"""Registered workflow and activity types as rows, with the pools here that serve them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Cell, Column, Part, Tone, by_number, by_text, cell
from flowyd.control.drift import drifts_in
from flowyd.control.status import DaemonStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRow:
    """One workflow or activity type."""

    #: "workflow" or "activity".
    kind: str
    name: str
    version: str
    deprecated: bool
    description: str
    created_at: float
    #: Pools whose workers serve it.
    pools: tuple[str, ...]
    #: What sets the registered defaults apart from those of a module here, which is not served for it.
    drift: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name} {self.version}"


def type_rows(
    kind: str, infos: Iterable[Mapping[str, Any]], status: DaemonStatus | None
) -> tuple[TypeRow, ...]:
    """The rows of SWF's WorkflowTypeInfos or ActivityTypeInfos, with the pools here that serve them."""
    pool_kind = "decision" if kind == "workflow" else "activity"
    pools = [p for p in (status.pools if status else ()) if p.kind == pool_kind]
    drifted = {
        drift.type: drift.differences
        for pool in pools
        for reason in pool.broken_modules.values()
        for drift in drifts_in(reason)
    }
    found = []
    for info in infos:
        named = info[f"{kind}Type"]
        label = f"{named['name']} {named['version']}"
        found.append(
            TypeRow(
                kind=kind,
                name=named["name"],
                version=named["version"],
                deprecated=info["status"] == "DEPRECATED",
                description=info.get("description") or "",
                created_at=float(info["creationDate"]),
                pools=tuple(p.name for p in pools if label in p.served_types),
                drift=drifted.get(label, ()),
            )
        )
    return tuple(sorted(found, key=lambda row: (row.name, row.version)))


def type_columns(*, now: float) -> tuple[Column[TypeRow], ...]:
    """The columns of the types' table."""
    return (
        Column(
            title="Kind", draw=lambda r, _w: cell(r.kind, Tone.DIM), order=lambda r: by_text(r.kind), width=8
        ),
        Column(
            title="Name",
            draw=lambda r, _w: cell(r.name, Tone.STRONG),
            order=lambda r: by_text(r.name),
            width=18,
            stretch=3,
        ),
        Column(
            title="Version", draw=lambda r, _w: cell(r.version), order=lambda r: by_text(r.version), width=7
        ),
        Column(
            title="Status",
            draw=lambda r, _w: _status(r),
            order=lambda r: by_text(_status_word(r)),
            width=10,
        ),
        Column(title="Served by", draw=lambda r, _w: _served(r), width=12, stretch=2),
        Column(
            title="Since",
            draw=lambda r, _w: cell(wording.moment(r.created_at, now=now), Tone.DIM),
            order=lambda r: by_number(r.created_at),
            width=12,
            spare=1,
        ),
        Column(
            title="Description",
            draw=lambda r, _w: (
                cell("; ".join(r.drift), Tone.BAD) if r.drift else cell(r.description, Tone.DIM)
            ),
            width=12,
            stretch=5,
            spare=2,
        ),
    )


def _status_word(row: TypeRow) -> str:
    if row.deprecated:
        return "deprecated"
    return "drift" if row.drift else "registered"


def _status(row: TypeRow) -> Cell:
    if row.deprecated:
        return cell("deprecated", Tone.WARN)
    return cell("≠ drift", Tone.BAD) if row.drift else cell("registered", Tone.GOOD)


def drift_note(row: TypeRow) -> Cell:
    """What differs and what to do, for who opens the row; empty: nothing drifted."""
    if not row.drift:
        return ()
    here = "no pool serves it" if not row.pools else "pools go on with the code they had"
    return (
        Part(f"drift: {here}, for the module names other defaults than are registered\n", Tone.BAD),
        *(Part(f"  {difference}\n") for difference in row.drift),
        Part("A registered type never changes: give it a new version, or the old values.\n\n", Tone.STRONG),
    )


def _served(row: TypeRow) -> Cell:
    return cell(", ".join(row.pools)) if row.pools else cell("no pool here", Tone.DIM)


def type_found(row: TypeRow, text: str) -> bool:
    """Whether all words occur in the type's row."""
    written = " ".join((row.key, _status_word(row), row.description, *row.pools, *row.drift)).lower()
    return all(word in written for word in text.lower().split())

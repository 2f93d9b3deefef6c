"""SWF domains as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowyd.console.view_model.cells import Column, Part, Tone, by_text, cell


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRow:
    """One SWF domain."""

    name: str
    deprecated: bool
    description: str
    #: The console shows this one now.
    current: bool

    @property
    def key(self) -> str:
        return self.name


def domain_rows(infos: Iterable[Mapping[str, Any]], current: str) -> tuple[DomainRow, ...]:
    """The rows of SWF's DomainInfos."""
    return tuple(
        DomainRow(
            name=info["name"],
            deprecated=info["status"] == "DEPRECATED",
            description=info.get("description") or "",
            current=info["name"] == current,
        )
        for info in infos
    )


def domain_found(row: DomainRow, text: str) -> bool:
    """Whether all words occur in the domain's row."""
    written = f"{row.name} {row.description}".lower()
    return all(word in written for word in text.lower().split())


def domain_columns() -> tuple[Column[DomainRow], ...]:
    """The columns of the domains' table."""
    return (
        Column(
            title="Domain",
            draw=lambda r, _w: (Part("● " if r.current else "  ", Tone.GOOD), Part(r.name, Tone.STRONG)),
            order=lambda r: by_text(r.name),
            width=24,
            stretch=2,
        ),
        Column(
            title="Status",
            draw=lambda r, _w: (
                cell("deprecated", Tone.WARN) if r.deprecated else cell("registered", Tone.GOOD)
            ),
            width=10,
        ),
        Column(title="Description", draw=lambda r, _w: cell(r.description, Tone.DIM), width=16, stretch=3),
    )

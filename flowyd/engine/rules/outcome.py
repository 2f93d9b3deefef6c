"""What a decide function works with besides the state, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from flowyd.engine.rules.effects import AcrossEffect
from flowyd.engine.rules.events import Attributes, Draft
from flowyd.engine.rules.settings import Quotas


class TypeOnRecord(Protocol):
    """A registered workflow or activity type."""

    @property
    def status(self) -> str:
        """REGISTERED or DEPRECATED."""
        ...

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The defaults as registered, by wire name."""
        ...


#: The type of that name and version, None if there is none.
TypeLookup = Callable[[Mapping[str, Any]], "TypeOnRecord | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the rules may ask about the domain; no answer changes within one block."""

    quotas: Quotas
    activity_type: TypeLookup
    workflow_type: TypeLookup
    #: Open executions of the domain.
    open_executions: Callable[[], int]
    #: A run id that was never used.
    new_run_id: Callable[[], str]


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """A decision's place: the completed decision task it belongs to, and the surroundings."""

    completed_event_id: int
    around: Surroundings


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision comes to: events, and what must happen outside."""

    drafts: tuple[Draft, ...]
    effects: tuple[AcrossEffect, ...] = ()


def happened(event_type: str, attributes: Attributes) -> Outcome:
    """One event and nothing outside."""
    return Outcome(drafts=((event_type, attributes),))

"""Drift: a type whose module names other defaults than are registered, and the sentence that tells of it.

A worker gives the reason why a module is not served as text; this module writes the sentence for drift and
reads it again, so that who shows it can name type and values. Both directions stand here and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One type that drifted."""

    #: "name version", as in `PoolStatus.served_types`.
    type: str
    #: Which values differ, such as "start_to_close is 300 there and 60 in the module".
    differences: tuple[str, ...]


_BETWEEN = "; "
_SENTENCE = re.compile(
    r"(?P<type>.+?) is registered with other defaults: (?P<differences>.+)\. Give the type a new version"
)


def sentence(drift: Drift) -> str:
    """The reason why the type is not served."""
    found = _BETWEEN.join(drift.differences)
    return f"{drift.type} is registered with other defaults: {found}. Give the type a new version"


def drifts_in(reason: str) -> tuple[Drift, ...]:
    """The types that drifted by the reason why their module is not served; empty: it has other reasons."""
    found = (_SENTENCE.fullmatch(line) for line in reason.splitlines())
    return tuple(
        Drift(type=match["type"], differences=tuple(match["differences"].split(_BETWEEN)))
        for match in found
        if match
    )

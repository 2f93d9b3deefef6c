"""Which versions of the modules are served: what the directories hold, less what does not work. Pure.

A candidate is tried as a whole. What breaks is taken back to the version served before, and the rest is tried
again, until nothing breaks. Whoever is blamed has changed: the broken unit itself; if it did not change, what
it may import has (the units of its directory that others import, then all of them). A unit that breaks where
nothing changed stays: its workers know why. A refusal stands until something in the directory changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flowyd.worker.units import Scanned, Unit, digest_of

Units = Mapping[str, Unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a unit is not served as it stands in its directory."""

    #: Traceback or report.
    why: str
    #: Its directory's content when it was tried; empty: nothing was tried, it is refused at each look.
    surroundings: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What is served, and what is refused, by path."""

    units: dict[str, Unit] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)


def candidate(before: Stock, found: Scanned) -> Stock:
    """What to try: all that was found, but served versions for what may not be taken up or was refused."""
    units = dict(found.units)
    refusals = {path: Refusal(why=why) for path, why in found.refused.items()}
    for path, unit in before.units.items():
        if path in found.refused or unit.root in found.refused:
            units[path] = unit
    around = surroundings(found.units)
    for path, refusal in before.refusals.items():
        tried = found.units.get(path) or before.units.get(path)
        if tried is not None and refusal.surroundings and around.get(tried.root) == refusal.surroundings:
            refusals[path] = refusal
            _take_back(units, [path], before.units)
    return Stock(units=units, refusals=refusals)


def surroundings(units: Units) -> dict[str, str]:
    """For each directory a digest of all it holds."""
    roots: dict[str, list[tuple[str, str]]] = {}
    for path, unit in sorted(units.items()):
        roots.setdefault(unit.root, []).append((path, unit.version))
    return {root: digest_of(json.dumps(versions).encode()) for root, versions in roots.items()}


def changed(before: Units, after: Units) -> set[str]:
    """Paths of units that came, went, or have another version."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def touched(before: Units, after: Units) -> set[str]:
    """Paths of the units whose code may do something else than before: changed ones, and who imports them."""
    differing = changed(before, after)
    imported = {_root(path, before, after) for path in differing if _is_imported(path, before, after)}
    return {path for path, unit in after.items() if path in differing or unit.root in imported}


def take_back(tried: Stock, before: Units, broken: Mapping[str, str], found: Units) -> Stock | None:
    """What to try next, after so much broke; None: there is nothing to take back, what was tried stands."""
    differing = changed(before, tried.units)
    around = surroundings(found)
    units, refusals = dict(tried.units), dict(tried.refusals)
    for path, why in sorted(broken.items()):
        for blamed in _blamed(path, differing, before, tried.units):
            story = why if blamed == path else f"{path} breaks with it: {why}"
            root = _root(blamed, before, tried.units)
            refusals.setdefault(blamed, Refusal(why=story, surroundings=around.get(root, "")))
            _take_back(units, [blamed], before)
    if units == tried.units:
        return None
    return Stock(units=units, refusals=refusals)


def _blamed(path: str, differing: set[str], before: Units, after: Units) -> list[str]:
    if path in differing:
        return [path]
    root = _root(path, before, after)
    near = sorted(other for other in differing if _root(other, before, after) == root)
    imported = [other for other in near if _is_imported(other, before, after)]
    return imported or near


def _root(path: str, before: Units, after: Units) -> str:
    return (after.get(path) or before[path]).root


def _is_imported(path: str, before: Units, after: Units) -> bool:
    """Whether others import it by plain name; a unit that registers types is not meant to be."""
    return not (after.get(path) or before[path]).registers


def _take_back(units: dict[str, Unit], paths: Iterable[str], before: Units) -> None:
    for path in paths:
        if path in before:
            units[path] = before[path]
        else:
            units.pop(path, None)

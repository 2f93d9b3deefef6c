"""Result objects inside arguments, at any depth of lists, tuples, dicts and dataclasses: filled in."""

from __future__ import annotations

import dataclasses
from typing import Any

from flowyd.sdk.placeholder import Error, Result, ResultObject

_LEAVES = frozenset({str, int, float, bool, type(None), bytes})


@dataclasses.dataclass(slots=True)
class Findings:
    """What stands in the way of sending a value, and when the last of its parts was known."""

    errors: list[Error[Any]] = dataclasses.field(default_factory=list)
    unfinished: list[ResultObject[Any]] = dataclasses.field(default_factory=list)
    #: Highest order among the results filled in.
    order: int = 0


def fill(value: Any, findings: Findings) -> Any:
    """The value with every Result replaced by what it holds; other result objects go into `findings`.

    What holds no result object is returned as it is, not copied.
    """
    cls = type(value)
    if cls in _LEAVES:
        return value
    if isinstance(value, ResultObject):
        return _fill_result(value, findings)
    if cls is list or cls is tuple:
        return _fill_items(value, findings)
    if cls is dict:
        return _fill_members(value, findings)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fill_fields(value, findings)
    return value


def _fill_result(value: ResultObject[Any], findings: Findings) -> Any:
    if isinstance(value, Result):
        findings.order = max(findings.order, value.order or 0)
        return value.peek()
    if isinstance(value, Error):
        findings.errors.append(value)
    else:
        findings.unfinished.append(value)
    return None


def _fill_items(value: Any, findings: Findings) -> Any:
    changed = {}
    for place, old in enumerate(value):
        # Most items are leaves, and are not worth a call.
        if type(old) not in _LEAVES and (new := fill(old, findings)) is not old:
            changed[place] = new
    if not changed:
        return value
    return type(value)(changed.get(place, old) for place, old in enumerate(value))


def _fill_members(value: dict[Any, Any], findings: Findings) -> dict[Any, Any]:
    changed = {}
    for key, old in value.items():
        if type(old) not in _LEAVES and (new := fill(old, findings)) is not old:
            changed[key] = new
    return {**value, **changed} if changed else value


def _fill_fields(value: Any, findings: Findings) -> Any:
    changed = {}
    for field in dataclasses.fields(value):
        old = getattr(value, field.name)
        new = fill(old, findings)
        if new is not old:
            changed[field.name] = new
    if not changed:
        return value
    copy = object.__new__(type(value))
    for field in dataclasses.fields(value):
        object.__setattr__(copy, field.name, changed.get(field.name, getattr(value, field.name)))
    return copy

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
        filled = {key: fill(item, findings) for key, item in value.items()}
        return filled if any(filled[key] is not value[key] for key in value) else value
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
    filled = [fill(item, findings) for item in value]
    if all(new is old for new, old in zip(filled, value)):  # noqa: B905  # equal by construction
        return value
    return type(value)(filled)


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

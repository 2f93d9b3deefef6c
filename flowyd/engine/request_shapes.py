"""What a member of a request may be, and how each kind of member is checked.

A shape's `check` returns the value to go on with (None: as if it had not been given) and appends what is
wrong to `found`, so that one answer lists every violation. A value of another JSON type ends the check at
once, as the service's framework does: it cannot even read such a request. Unknown members are left out.
Sources: the published service model for lengths and sets; SWF API Reference for what the model does not say
(names, durations, ranges); messages as reported, and in the framework's habitual form where none is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from flowyd.swf.faults import SerializationException

#: A request lists no more violations than this: its answer must not be larger than the request.
MOST_VIOLATIONS = 100

#: Moments are at most so many seconds from the epoch: the year 9999, and far within what the store can hold.
_LATEST_S = 253_402_300_799

_REQUIRED = "Member must not be null"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken constraint."""

    #: As it was sent; None: it was not.
    value: object
    #: Member names joined by dots, list members as `decisions.1.member`.
    path: str
    constraint: str

    def __str__(self) -> str:
        shown = "null" if self.value is None else f"'{_written(self.value)}'"
        return f"Value {shown} at '{self.path}' failed to satisfy constraint: {self.constraint}"


class Shape(Protocol):
    """What a value may be."""

    def check(self, value: object, path: str, found: list[Violation]) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string; lengths count characters. `blank_is_absent`: an empty one counts as not given."""

    shortest: int = 0
    longest: int | None = None
    pattern: re.Pattern[str] | None = None
    blank_is_absent: bool = False

    def check(self, value: object, path: str, found: list[Violation]) -> object:
        if type(value) is not str:
            raise _wrong_type(value, "String")
        if not value and self.blank_is_absent:
            return None
        if len(value) < self.shortest:
            constraint = f"Member must have length greater than or equal to {self.shortest}"
            found.append(Violation(value=value, path=path, constraint=constraint))
        if self.longest is not None and len(value) > self.longest:
            constraint = f"Member must have length less than or equal to {self.longest}"
            found.append(Violation(value=value, path=path, constraint=constraint))
        if self.pattern and not self.pattern.fullmatch(value):
            constraint = f"Member must satisfy regular expression pattern: {self.pattern.pattern}"
            found.append(Violation(value=value, path=path, constraint=constraint))
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberText:
    """A string that holds a whole number between two bounds, or matches `pattern` without being one."""

    text: Text
    lowest: int
    highest: int

    def check(self, value: object, path: str, found: list[Violation]) -> object:
        already = len(found)
        checked = self.text.check(value, path, found)
        if not checked or len(found) > already or not str(checked).lstrip("+-").isdigit():
            return checked
        constraint = _broken_bound(int(str(checked)), self.lowest, self.highest)
        if constraint:
            found.append(Violation(value=value, path=path, constraint=constraint))
        return checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A JSON number without a fraction."""

    lowest: int
    highest: int

    def check(self, value: object, path: str, found: list[Violation]) -> object:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise _wrong_type(value, "Integer")
        constraint = _broken_bound(value, self.lowest, self.highest)
        if constraint:
            found.append(Violation(value=value, path=path, constraint=constraint))
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Epoch seconds, whole or with a fraction, of the years that have four digits."""

    def check(self, value: object, path: str, found: list[Violation]) -> object:
        del path, found
        if not isinstance(value, (int, float)) or isinstance(value, bool) or abs(value) > _LATEST_S:
            raise _wrong_type(value, "Timestamp")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """true or false."""

    def check(self, value: object, path: str, found: list[Violation]) -> object:
        del path, found
        if type(value) is not bool:
            raise _wrong_type(value, "Boolean")
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a closed set, in the order in which messages list it."""

    values: tuple[str, ...]

    def check(self, value: object, path: str, found: list[Violation]) -> object:
        if type(value) is not str:
            raise _wrong_type(value, "String")
        if value not in self.values:
            constraint = f"Member must satisfy enum value set: [{', '.join(self.values)}]"
            found.append(Violation(value=value, path=path, constraint=constraint))
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A list; `null_items`: null among the items is accepted and kept (recorded for tagList)."""

    item: Shape
    longest: int | None = None
    null_items: bool = False

    def check(self, value: object, path: str, found: list[Violation]) -> object:
        if type(value) is not list:
            raise _wrong_type(value, "List")
        if self.longest is not None and len(value) > self.longest:
            constraint = f"Member must have length less than or equal to {self.longest}"
            found.append(Violation(value=value, path=path, constraint=constraint))
        checked: list[object] = []
        for number, item in enumerate(value, 1):
            if len(found) >= MOST_VIOLATIONS:
                break
            where = f"{path}.{number}.member"
            if item is not None:
                checked.append(self.item.check(item, where, found))
            elif self.null_items:
                checked.append(None)
            else:
                found.append(Violation(value=None, path=where, constraint=_REQUIRED))
        return checked


@dataclass(frozen=True, slots=True)
class Structure:
    """An object; a member's name ends with `*` in the table where the member is required."""

    members: Mapping[str, Shape]
    _rows: tuple[tuple[str, Shape, bool], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rows = ((name.rstrip("*"), shape, name.endswith("*")) for name, shape in self.members.items())
        object.__setattr__(self, "_rows", tuple(rows))

    def check(self, value: object, path: str, found: list[Violation]) -> object:
        if type(value) is not dict:
            raise _wrong_type(value, "Structure")
        checked = {}
        for name, shape, is_required in self._rows:
            given = value.get(name)
            if given is not None:
                given = shape.check(given, f"{path}.{name}" if path else name, found)
                if given is not None:
                    checked[name] = given
            elif is_required:
                where = f"{path}.{name}" if path else name
                found.append(Violation(value=None, path=where, constraint=_REQUIRED))
        return checked


def _broken_bound(number: int, lowest: int, highest: int) -> str | None:
    if number < lowest:
        return f"Member must have value greater than or equal to {lowest}"
    if number > highest:
        return f"Member must have value less than or equal to {highest}"
    return None


def _written(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join('null' if item is None else str(item) for item in value)}]"
    return str(value)


_JSON_TYPES: dict[type, str] = {
    str: "STRING_VALUE",
    int: "NUMBER_VALUE",
    float: "DECIMAL_VALUE",
    list: "START_ARRAY",
    dict: "START_OBJECT",
    type(None): "NULL_VALUE",
}


def _wrong_type(value: object, wanted: str) -> SerializationException:
    given = ("FALSE_VALUE", "TRUE_VALUE")[value] if type(value) is bool else _JSON_TYPES[type(value)]
    return SerializationException(f"{given} can not be converted to a {wanted}")

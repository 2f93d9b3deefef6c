"""The shapes of requests as types that msgspec decodes and checks in one go.

A type lets through less than its shape does, and never more: what it takes needs no other look, what it does
not take is looked at by the shape, which knows what is wrong, or that nothing is. So no message comes from
here.
Members that a type does not name are left out, as the shape leaves them out.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, TypedDict, cast

import msgspec

from flowyd.engine.request_shapes import Choice, Flag, ListOf, NumberText, Shape, Structure, Text, Whole
from flowyd.engine.request_table import OPERATIONS


@cache
def decoder(action: str) -> msgspec.json.Decoder[dict[str, Any]]:
    """Decodes requests of an operation; a value that it does not take may be right nevertheless."""
    return msgspec.json.Decoder(_structure(OPERATIONS[action]))


def _structure(shape: Structure) -> Any:
    names = {name.rstrip("*"): _type(member) for name, member in shape.members.items()}
    # The names are known only here, so this cannot be written as a class.
    made: Any = cast("Any", TypedDict)("Request", names, total=False)
    made.__required_keys__ = frozenset(name[:-1] for name in shape.members if name.endswith("*"))
    return made


def _type(shape: Shape) -> Any:
    match shape:
        case Structure():
            return _structure(shape)
        case ListOf():
            # Without null among the items, wherever the shape may take it.
            return Annotated[list[_type(shape.item)], msgspec.Meta(max_length=shape.longest)]  # type: ignore[misc]  # made here
        case Text():
            return Annotated[str, _text(shape)]
        case NumberText():
            return Annotated[str, msgspec.Meta(pattern=_number(shape))]
        case Choice():
            return Literal[shape.values]
        case Whole():
            return Annotated[int, msgspec.Meta(ge=shape.lowest, le=shape.highest)]
        case Flag():
            return bool
    # A moment, or what comes to be: the shape looks at it.
    return msgspec.UnsetType


def _text(shape: Text) -> msgspec.Meta:
    pattern = rf"\A(?:{shape.pattern.pattern})\Z" if shape.pattern else None
    shortest = max(shape.shortest, 1) if shape.blank_is_absent else shape.shortest
    return msgspec.Meta(min_length=shortest, max_length=shape.longest, pattern=pattern)


def _number(shape: NumberText) -> str:
    """Numbers without a sign whose digits are too few to break a bound, and NONE where the shape takes it."""
    digits = len(str(shape.highest)) - 1
    number = f"[0-9]{{1,{digits}}}" if shape.lowest <= 0 else f"[1-9][0-9]{{0,{digits - 1}}}"
    takes_none = shape.text.pattern is not None and shape.text.pattern.fullmatch("NONE")
    return rf"\A(?:{number}{'|NONE' if takes_none else ''})\Z"

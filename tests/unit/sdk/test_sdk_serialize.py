"""What travels between workflows and activities, and what does not."""

from __future__ import annotations

import json
from collections import namedtuple
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowyd import ActivityProxy, PayloadError, PlaceholderError, Result
from flowyd.sdk.payloads import sent
from flowyd.sdk.serialize import (
    decode_arguments,
    decode_value,
    encode_arguments,
    encode_value,
    payload_codec,
)


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


@dataclass(frozen=True)
class Picture:
    path: str
    taken: date
    colours: list[Colour] = field(default_factory=list)


class Point:
    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and other.x == self.x

    __hash__ = None


payload_codec(Point, tag="point", encode=lambda point: point.x, decode=Point)

VALUES = [
    None,
    "text",
    [1, 2.5, True, {"a": [None]}],
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc),
    date(2026, 1, 2),
    time(3, 4),
    timedelta(days=-1, microseconds=5),
    Decimal("1.10"),
    UUID(int=7),
    b"\x00\xff",
    {1, 2},
    frozenset({"a"}),
    Colour.RED,
    Size.BIG,
    Picture("p", date(2026, 1, 2), [Colour.RED]),
    Point(4),
    {1: "a", (2, 3): "b"},
    {"__flowyd__": ["date", "not one"]},
    {"deep": [{"x": [Decimal("1"), {"y": b"z"}]}]},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_arrives_as_it_was_sent(value: Any) -> None:
    arrived = decode_value(encode_value(value))

    assert arrived == value
    assert type(arrived) is type(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(json_values)
def test_any_nesting_arrives_as_it_was_sent(value: Any) -> None:
    assert decode_value(encode_value(value)) == value


def test_arguments_are_json_lists_of_positional_and_keyword() -> None:
    assert json.loads(encode_arguments(1, "a", (2,), key={"b": None})) == [
        [1, "a", [2]],
        {"key": {"b": None}},
    ]


def test_named_tuples_and_tuples_arrive_as_lists() -> None:
    pair = namedtuple("pair", "a b")

    assert decode_value(encode_value([(1, 2), pair(3, 4)])) == [[1, 2], [3, 4]]


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_any_text_is_arguments_or_a_payload_error(text: str) -> None:
    try:
        arguments, keywords = decode_arguments(text)
    except PayloadError:
        return
    assert isinstance(arguments, list)
    assert isinstance(keywords, dict)


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", "[[]]", "[[], []]", "nonsense", "[[], {}, 1]", '[{"__flowyd__": 3}, {}]', "[" * 100_000],
)
def test_input_of_another_form_is_a_payload_error(text: str) -> None:
    with pytest.raises(PayloadError):
        decode_arguments(text)


def test_a_type_without_a_codec_is_named() -> None:
    with pytest.raises(PayloadError, match="builtins:object"):
        encode_value([object()])


def test_an_unknown_tag_is_named() -> None:
    with pytest.raises(PayloadError, match="'martian'"):
        decode_value('{"__flowyd__": ["martian", 1]}')


@pytest.mark.parametrize(
    "name", ["os:system", "subprocess:Popen", "no_such_module:X", "builtins:eval", "json:JSONDecoder"]
)
@pytest.mark.parametrize("tag", ["dataclass", "enum"])
def test_a_payload_cannot_name_what_is_neither_dataclass_nor_enum(tag: str, name: str) -> None:
    with pytest.raises(PayloadError, match="not loaded here"):
        decode_value(json.dumps({"__flowyd__": [tag, [name, {}]]}))


def test_a_tag_belongs_to_one_type() -> None:
    with pytest.raises(ValueError, match="taken"):
        payload_codec(Colour, tag="decimal", encode=str, decode=Colour)


def test_a_result_object_inside_a_value_is_named() -> None:
    with pytest.raises(PlaceholderError, match=r"resize-0.*use \.result\(\)"):
        encode_value({"path": [Result(1, call="resize-0")]})


def test_text_beyond_the_limit_names_what_it_is() -> None:
    with pytest.raises(PayloadError, match="the result of X is 32769 characters long"):
        sent("x" * 32_769, "the result of X")
    assert sent("x" * 32_768, "it")


def test_transport_hooks_replace_the_json() -> None:
    class Shouting(ActivityProxy[str]):
        _serialize_arguments = staticmethod(lambda *arguments, **_: "!".join(arguments))

    assert Shouting("a", 1)._serialize_arguments("x", "y") == "x!y"

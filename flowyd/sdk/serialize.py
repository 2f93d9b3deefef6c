"""How values travel: JSON, arguments as `[[positional], {keyword}]`, other types by a tag.

A tagged value is an object with the one member `__flowyd__`: `[tag, content]`. A dict of an author that
happens to hold that key, or keys that are not text, travels by the tag `dict`. Tuples arrive as lists.
Dataclasses and enums are named by module and class and found among the modules already loaded; nothing is
imported at the wish of a payload. Own types: `payload_codec`.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from flowyd.sdk.failures import PayloadError
from flowyd.sdk.placeholder import ResultObject, refuse

T = TypeVar("T")

TAG = "__flowyd__"

_PLAIN = frozenset({str, int, float, bool, type(None)})
_TEXT = frozenset({str})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Codec:
    tag: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def _interval(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


_CODECS: dict[type, _Codec] = {}
_DECODERS: dict[str, Callable[[Any], Any]] = {}


def payload_codec(cls: type[T], *, tag: str, encode: Callable[[T], Any], decode: Callable[[Any], T]) -> None:
    """Lets values of exactly this class travel; both sides must have said so.

    `encode` returns anything that travels already, `decode` takes it back.

    Raises:
        ValueError: the tag belongs to another class.
    """
    taken = [known for known, codec in _CODECS.items() if codec.tag == tag and not _same(known, cls)]
    if taken or tag in _NAMED:
        raise ValueError(f"the payload tag {tag!r} is taken by {taken[0].__name__ if taken else 'flowyd'}")
    _CODECS[cls] = _Codec(tag=tag, encode=encode, decode=decode)
    _DECODERS[tag] = decode


def _same(one: type, other: type) -> bool:
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _name(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _find(name: str, wanted: Callable[[Any], bool]) -> Any:
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is None or not isinstance(found, type) or not wanted(found):
        raise PayloadError(
            f"the payload holds a {name}, which is not loaded here; import it in this module too"
        )
    return found


def _decode_dataclass(content: list[Any]) -> Any:
    cls = _find(content[0], dataclasses.is_dataclass)
    instance = object.__new__(cls)
    for key, value in content[1].items():
        object.__setattr__(instance, key, value)
    return instance


def _decode_enum(content: list[Any]) -> Any:
    return _find(content[0], lambda cls: issubclass(cls, Enum))(content[1])


_NAMED: dict[str, Callable[[Any], Any]] = {
    "dict": lambda pairs: {_key(key): value for key, value in pairs},
    "dataclass": _decode_dataclass,
    "enum": _decode_enum,
}


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key


for _cls, _tag, _encode, _decode in (
    (datetime, "datetime", datetime.isoformat, datetime.fromisoformat),
    (date, "date", date.isoformat, date.fromisoformat),
    (time, "time", time.isoformat, time.fromisoformat),
    (timedelta, "timedelta", _interval, lambda parts: timedelta(*parts)),
    (Decimal, "decimal", str, Decimal),
    (UUID, "uuid", str, UUID),
    (bytes, "bytes", lambda value: base64.b64encode(value).decode(), base64.b64decode),
    (set, "set", list, set),
    (frozenset, "frozenset", list, frozenset),
):
    payload_codec(_cls, tag=_tag, encode=_encode, decode=_decode)  # type: ignore[arg-type]  # a row fits itself


def _plain(value: Any) -> Any:
    """The value in JSON's own types."""
    cls = type(value)
    if cls in _PLAIN:
        return value
    if cls is list or cls is tuple:
        return [item if type(item) in _PLAIN else _plain(item) for item in value]
    if cls is dict:
        return _plain_dict(value)
    if cls in _CODECS:
        codec = _CODECS[cls]
        return {TAG: [codec.tag, _plain(codec.encode(value))]}
    return _plain_other(value)


def _plain_dict(value: dict[Any, Any]) -> Any:
    if TAG in value or not _TEXT.issuperset(map(type, value)):
        return {TAG: ["dict", [[_plain(key), _plain(item)] for key, item in value.items()]]}
    # Most members are plain, and are not worth a call.
    return {key: item if type(item) in _PLAIN else _plain(item) for key, item in value.items()}


def _plain_other(value: Any) -> Any:
    if isinstance(value, ResultObject):
        refuse(value, "turned into JSON")
    if isinstance(value, Enum):
        return {TAG: ["enum", [_name(type(value)), _plain(value.value)]]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {TAG: ["dataclass", [_name(type(value)), fields]]}
    if isinstance(value, Mapping):
        return _plain_dict(dict(value))
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (Sequence, range)):
        return [_plain(item) for item in value]
    raise PayloadError(
        f"a {_name(type(value))} cannot travel as JSON; pass what JSON knows, or register a payload_codec"
    )


def _untag(members: dict[str, Any]) -> Any:
    if TAG not in members or len(members) != 1:
        return members
    tag, content = members[TAG]
    decode = _NAMED.get(tag) or _DECODERS.get(tag)
    if decode is None:
        raise PayloadError(
            f"the payload holds the tag {tag!r}, for which no payload_codec is registered here"
        )
    return decode(content)


#: Made once: making a decoder costs as much as reading a small payload.
_decode_json = json.JSONDecoder(object_hook=_untag).decode


def encode_value(value: Any) -> str:
    """The JSON text of one value.

    Raises:
        PayloadError: something in it has no codec. PlaceholderError: it holds a result object.
    """
    return json.dumps(_plain(value))


def decode_value(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        PayloadError: no JSON, or a tag nobody knows here.
    """
    try:
        return _decode_json(text)
    except PayloadError:
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise PayloadError(f"this is no payload of flowyd: {text[:80]!r} ({error})") from error


def encode_arguments(*arguments: Any, **keywords: Any) -> str:
    """The JSON text of a call's arguments: `[[positional], {keyword}]`."""
    return json.dumps([_plain(arguments), {key: _plain(value) for key, value in keywords.items()}])


def decode_arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments of a call.

    Raises:
        PayloadError: the text is not `[[…], {…}]`.
    """
    value = decode_value(text)
    if (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], list)
        and isinstance(value[1], dict)
    ):
        return value[0], value[1]
    raise PayloadError(f"input must be JSON of the form [[positional], {{keyword}}], not {text[:80]!r}")


def known_tags() -> Iterable[str]:
    """Every tag this process can read."""
    return sorted({*_NAMED, *_DECODERS})

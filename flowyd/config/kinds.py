"""The kinds of values a key of the configuration may have: what is allowed, how it is read and written.

A kind reads a TOML value into the record's value and writes it back as TOML, so that reading what was
written gives the same. `allowed` finishes the sentence "must be …" for the operator.
"""

from __future__ import annotations

import json
import os.path
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from flowyd.config.units import bytes_of, duration_text, seconds_of, size_text
from flowyd.errors import FlowydError

#: The longest address a unix socket may have on Linux is 107 bytes (unix(7)); "/control.sock" is 13 of them.
RUNTIME_DIR_BYTES = 94


class NotAllowedError(FlowydError):
    """Raised when a value is not of its kind; the text, if any, replaces the general sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of value."""

    #: Finishes "must be …".
    allowed: str
    #: The record's value of a TOML value; relative paths are put under the folder.
    #: Raises NotAllowedError.
    read: Callable[[Any, Path], Any]
    #: The TOML text of a record's value.
    write: Callable[[Any], str]


def toml_text(value: str) -> str:
    """A TOML basic string (JSON's escapes, and DEL, which TOML wants escaped as well)."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def text(allowed: str, pattern: str) -> Kind:
    """Text that matches a pattern as a whole."""
    compiled = re.compile(pattern, re.DOTALL)

    def read(value: Any, _folder: Path) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise NotAllowedError
        return value

    return Kind(allowed=allowed, read=read, write=toml_text)


#: Names that SWF gets to see (API Reference, "Name"): 1 to 256 characters, some refused, "arn" refused.
SWF_NAME = text(
    'a name of 1 to 256 characters without ":", "/", "|", control characters and spaces at its ends',
    r"(?!arn\Z)(?!\s)[^:/|\x00-\x1f\x7f-\x9f]{1,256}(?<!\s)",
)
#: Names of pools: they are typed on command lines and shown in process titles.
POOL_NAME = text(
    'a name of 1 to 40 letters, digits, "-", "_" and ".", beginning with a letter or digit',
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}",
)
URL = text('an address that begins with "http://" or "https://"', r"https?://[^\s/]+\S*")
PLAIN_TEXT = text("text in quotes", r"[^\x00-\x1f\x7f]+")


#: Names of users and groups, as useradd(8) allows them.
ACCOUNT = text("the name of a user or group", r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


def word(*choices: str) -> Kind:
    """One of a few words."""

    def read(value: Any, _folder: Path) -> str:
        if not isinstance(value, str) or value not in choices:
            raise NotAllowedError
        return value

    return Kind(allowed=_choice(choices), read=read, write=toml_text)


def one_of(choices: type[Enum]) -> Kind:
    """One of an enum's values."""

    def read(value: Any, _folder: Path) -> Enum:
        try:
            return choices(value)
        except ValueError:
            raise NotAllowedError from None

    return Kind(
        allowed=_choice([choice.value for choice in choices]),
        read=read,
        write=lambda value: toml_text(str(value.value)),
    )


def number(*, least: int, most: int) -> Kind:
    """A whole number."""

    allowed = f"a whole number from {least} to {most}"

    def read(value: Any, _folder: Path) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value):
            raise NotAllowedError(f"must be {allowed}; write {value} without quotes")
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise NotAllowedError
        return value

    return Kind(allowed=allowed, read=read, write=str)


def duration(*, least: str, most: str) -> Kind:
    """Seconds, written as a duration or as a number of seconds."""

    def read(value: Any, _folder: Path) -> float:
        seconds = _seconds(value)
        if not seconds_of(least) <= seconds <= seconds_of(most):
            raise NotAllowedError
        return seconds

    def write(seconds: float) -> str:
        written = duration_text(seconds)
        return toml_text(written) if seconds_of(written) == seconds else repr(seconds)

    allowed = f'from {least} to {most}, written like "30s", "5m", "1h30m", "250ms", or as a number of seconds'
    return Kind(allowed=allowed, read=read, write=write)


def days(*, least: int, most: int) -> Kind:
    """Whole days. A bare number is refused: elsewhere it means seconds, and here days would be meant."""

    def read(value: Any, _folder: Path) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            raise NotAllowedError(f'must say its unit; for {value} days write "{value}d"')
        count, rest = divmod(_seconds(value), 86_400) if isinstance(value, str) else (-1, 0)
        if rest or not least <= count <= most:
            raise NotAllowedError
        return int(count)

    return Kind(
        allowed=f'whole days from "{least}d" to "{most}d"',
        read=read,
        write=lambda value: toml_text(f"{value}d"),
    )


def size(*, least: str, most: str) -> Kind:
    """Bytes, written as a size or as a number of bytes."""

    def read(value: Any, _folder: Path) -> int:
        try:
            count = bytes_of(value) if isinstance(value, str) else value
        except ValueError:
            raise NotAllowedError from None
        if isinstance(count, bool) or not isinstance(count, int):
            raise NotAllowedError
        if not bytes_of(least) <= count <= bytes_of(most):
            raise NotAllowedError
        return count

    def write(count: int) -> str:
        written = size_text(count)
        return written if written.isdigit() else toml_text(written)

    return Kind(
        allowed=f'from {least} to {most}, written like "64M" or "1G", or as a number of bytes',
        read=read,
        write=write,
    )


def path(*, longest_bytes: int = 4095) -> Kind:
    """One path; relative ones are relative to the folder of the configuration file."""

    def read(value: Any, folder: Path) -> Path:
        if not isinstance(value, str) or not value or "\0" in value:
            raise NotAllowedError
        found = Path(os.path.normpath(folder / value))
        if len(str(found).encode()) > longest_bytes:
            raise NotAllowedError(
                f"must be a path of at most {longest_bytes} bytes (the sockets in it have a limit); "
                f"it has {len(str(found).encode())}"
            )
        return found

    return Kind(allowed="a path in quotes", read=read, write=lambda value: toml_text(str(value)))


def _read_payload_store(value: Any, folder: Path) -> str:
    if isinstance(value, str) and "://" in value:
        # Names of buckets: Amazon S3 User Guide, general purpose bucket naming rules.
        if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\x00-\x1f\x7f]*)?", value):
            raise NotAllowedError
        return value
    return str(path().read(value, folder))


PAYLOAD_STORE = Kind(
    allowed='a directory, or a place in Amazon S3 such as "s3://bucket/prefix"',
    read=_read_payload_store,
    write=toml_text,
)


def list_of(kind: Kind, what: str) -> Kind:
    """A list of one kind."""

    def read(value: Any, folder: Path) -> tuple[Any, ...]:
        if isinstance(value, str):
            raise NotAllowedError(f"must be a list of {what}; write [{toml_text(value)}]")
        if not isinstance(value, list):
            raise NotAllowedError
        try:
            return tuple(kind.read(item, folder) for item in value)
        except NotAllowedError as error:
            raise NotAllowedError(str(error)) from None

    return Kind(
        allowed=f"a list of {what}",
        read=read,
        write=lambda items: "[" + ", ".join(kind.write(item) for item in items) + "]",
    )


def optional(kind: Kind, *, word: str) -> Kind:
    """A kind, or one word that stands for None; TOML has no value for "none"."""
    shown = f'"{word}"'

    def read(value: Any, folder: Path) -> Any:
        return None if value == word else kind.read(value, folder)

    return Kind(
        allowed=f"{kind.allowed}, or {shown}",
        read=read,
        write=lambda value: shown if value is None else kind.write(value),
    )


def _read_listener(value: Any, _folder: Path) -> str:
    address, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    bracketed = address.startswith("[") and address.endswith("]")
    if not address or (":" in address and not bracketed) or not re.fullmatch(r"[0-9]{1,5}", port):
        raise NotAllowedError
    if not 1 <= int(port) <= 65_535:
        raise NotAllowedError
    return str(value)


LISTENERS = list_of(
    Kind(allowed="an address and a port", read=_read_listener, write=toml_text),
    'addresses with ports such as "127.0.0.1:8080" or "[::1]:8080"',
)


def _read_environment(value: Any, _folder: Path) -> dict[str, str]:
    if not isinstance(value, dict):
        raise NotAllowedError
    for name, content in value.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise NotAllowedError(f"has the variable name {name!r}; letters, digits and _ are allowed")
        if not isinstance(content, str):
            raise NotAllowedError(f"must have text for {name}; write {name} = {toml_text(_shown(content))}")
        if "\0" in content:
            raise NotAllowedError(f"must not have a zero character in {name}")
    return dict(value)


ENVIRONMENT = Kind(
    allowed='a table of text such as { LANG = "C.UTF-8" }',
    read=_read_environment,
    write=lambda value: (
        "{"
        + ", ".join(f" {name} = {toml_text(content)}" for name, content in value.items())
        + (" }" if value else "}")
    ),
)


#: Those of getrlimit(2) that a worker may be given, and whether each counts bytes.
RLIMIT_NAMES = {
    "as": True,
    "core": True,
    "cpu": False,
    "data": True,
    "fsize": True,
    "memlock": True,
    "nofile": False,
    "nproc": False,
    "stack": True,
}


def _read_rlimits(value: Any, _folder: Path) -> dict[str, int | None]:
    if not isinstance(value, dict):
        raise NotAllowedError
    found: dict[str, int | None] = {}
    for name, limit in value.items():
        if name not in RLIMIT_NAMES:
            raise NotAllowedError(f"has {name!r}, which is no limit; there are {', '.join(RLIMIT_NAMES)}")
        found[name] = None if limit == "unlimited" else _rlimit(name, limit)
    return found


def _rlimit(name: str, limit: Any) -> int:
    try:
        count = bytes_of(limit) if isinstance(limit, str) and RLIMIT_NAMES[name] else limit
    except ValueError:
        count = None
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 1 << 62:
        what = 'a size such as "2G"' if RLIMIT_NAMES[name] else "a whole number"
        raise NotAllowedError(f'must have {what} or "unlimited" for {name}')
    return count


def _write_rlimit(name: str, limit: int | None) -> str:
    if limit is None:
        return toml_text("unlimited")
    written = size_text(limit) if RLIMIT_NAMES[name] else str(limit)
    return written if written.isdigit() else toml_text(written)


RLIMITS = Kind(
    allowed='a table of limits such as { nofile = 1024, as = "2G", core = 0 }',
    read=_read_rlimits,
    write=lambda value: (
        "{"
        + ", ".join(f" {name} = {_write_rlimit(name, limit)}" for name, limit in value.items())
        + (" }" if value else "}")
    ),
)


def _choice(words: Sequence[str]) -> str:
    *most, last = [toml_text(word) for word in words]
    return f"{', '.join(most)} or {last}"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seconds(value: Any) -> float:
    try:
        seconds = seconds_of(value) if isinstance(value, str) else value
    except ValueError:
        raise NotAllowedError from None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds != seconds:
        raise NotAllowedError
    return float(seconds)

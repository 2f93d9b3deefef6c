"""The file of access keys for the engine's TCP endpoints.

    [[key]]
    id = "reporting"
    secret = "…"
    read_only = true

The file holds secrets, so nobody but its owner may read or change it.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from flowyd.errors import ConfigError

_MEMBERS = {"id": str, "secret": str, "read_only": bool}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """Who may sign requests, and for what."""

    id: str
    secret: str
    #: May only use operations that change nothing.
    read_only: bool = False

    def __repr__(self) -> str:
        return f"AccessKey(id={self.id!r})"


def load_keys(file: Path) -> dict[str, AccessKey]:
    """The keys of a file by their ids.

    Raises:
        ConfigError: the file cannot be read, is open to others, or is not what is described above.
    """
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                wrong = f"{file}: mode {stat.S_IMODE(mode):04o} lets others at the keys; use chmod 600"
                raise ConfigError([wrong])
            document = tomli.load(opened)
    except (OSError, tomli.TOMLDecodeError) as error:
        raise ConfigError([f"{file}: {error}"]) from error
    entries = document.pop("key", [])
    problems = [f"{file}: unknown key {name!r}; allowed is [[key]]" for name in document]
    if not isinstance(entries, list) or not entries:
        problems.append(f"{file}: no [[key]] in it; each needs id and secret")
        entries = []
    for number, entry in enumerate(entries, 1):
        problems += [f"{file}: [[key]] {number}: {problem}" for problem in _problems(entry)]
    if problems:
        raise ConfigError(problems)
    keys = {entry["id"]: AccessKey(**entry) for entry in entries}
    if len(keys) < len(entries):
        raise ConfigError([f"{file}: two keys have the same id"])
    return keys


def _problems(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return ["is no table"]
    found = [
        f"unknown key {name!r}; allowed are {', '.join(_MEMBERS)}" for name in entry if name not in _MEMBERS
    ]
    found += [f"{name!r} is missing" for name in ("id", "secret") if not entry.get(name)]
    found += [
        f"{name!r} is {value!r}; it must be a {_MEMBERS[name].__name__}"
        for name, value in entry.items()
        if name in _MEMBERS and name != "secret" and not isinstance(value, _MEMBERS[name])
    ]
    if "secret" in entry and not isinstance(entry["secret"], str):
        found.append("'secret' must be a str")
    return found

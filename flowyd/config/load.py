"""Reads the configuration file into records, or names everything that is wrong with it, all at once.

    FILE:LINE: [table] key = VALUE: what is wrong and what is allowed

A reader gathers problems and goes on; only a file that is no TOML at all ends with its first one. Checks
that need the whole (two pools of one name, a kind of pool without modules) come last and are left out
where the values they look at are themselves wrong.
"""

from __future__ import annotations

import difflib
import grp
import pwd
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli

from flowyd.config import checks
from flowyd.config.keys import POOL, POOL_REQUIRED, POOLS, TABLES, Key
from flowyd.config.kinds import NotAllowedError, toml_text
from flowyd.config.lines import Place, lines_of
from flowyd.config.records import Config, Daemon, Engine, EngineLimits, PayloadStorage, Pool, Swf
from flowyd.errors import ConfigError

#: A value longer than this is cut in messages.
_SHOWN_CHARACTERS = 60
_TABLES_SHOWN = f"{', '.join(f'[{table}]' for table in TABLES)} and [[{POOLS}]]"


def load(file: Path) -> Config:
    """The configuration of a file, checked as a whole.

    Raises:
        ConfigError: with one message per problem.
    """
    return parse(_text_of(file), file=file)


def load_for_client(file: Path) -> Config:
    """As `load`, but without pools, engine and the look at directories: what a caller of the daemon needs.

    So a mistake in a pool does not take the command line from someone who wants to see what runs.

    Raises:
        ConfigError: the file cannot be read, or [flowyd], [swf] or [payloads] have a problem.
    """
    reader = _Reader(_text_of(file), file)
    daemon, swf = Daemon(**reader.table("flowyd")), Swf(**reader.table("swf"))
    payloads = PayloadStorage(**reader.table("payloads"))
    reader.finish()
    return Config(file=file, flowyd=daemon, swf=swf, payloads=payloads)


def is_account(kind: str, name: str) -> bool:
    """Whether this machine has the `user` or the `group`."""
    try:
        if kind == "user":
            pwd.getpwnam(name)
        else:
            grp.getgrnam(name)
    except KeyError:
        return False
    return True


def parse(
    text: str,
    *,
    file: Path,
    is_directory: Callable[[Path], bool] = Path.is_dir,
    is_account: Callable[[str, str], bool] = is_account,
) -> Config:
    """The configuration of a text; `file` names it in messages and its folder holds relative paths.

    Raises:
        ConfigError: with one message per problem.
    """
    reader = _Reader(text, file)
    reader.unknown_tables()
    tables = {name: reader.table(name) for name in TABLES}
    pools = reader.pools()
    reader.check_together(is_directory, is_account)
    reader.finish()
    return Config(
        file=file,
        flowyd=Daemon(**tables["flowyd"]),
        swf=Swf(**tables["swf"]),
        payloads=PayloadStorage(**tables["payloads"]),
        engine=Engine(**tables["engine"], limits=EngineLimits(**tables["engine.limits"])),
        pools=tuple(Pool(**fields) for fields in pools),
    )


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: must be UTF-8 text; byte {error.start} is not"]) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError([f"{file}: cannot be read: {reason}; name another file with --config"]) from error


class _Reader:
    """One pass over one file: its values, and the problems found so far."""

    def __init__(self, text: str, file: Path) -> None:
        self._file = file
        self._folder = Path(file).absolute().parent
        self._lines = lines_of(text)
        self._found: list[tuple[Place, str]] = []
        #: What could be read so far.
        self._tables: dict[str, dict[str, Any]] = {}
        self._pools: dict[int, dict[str, Any]] = {}
        self._members = self._parsed(text)

    def finish(self) -> None:
        """Raises ConfigError if there were problems: those of the file's top first."""
        found = sorted((self._lines.get(place, 0), message) for place, message in self._found)
        if found:
            raise ConfigError([f"{self._file}{f':{line}' if line else ''}: {text}" for line, text in found])

    def unknown_tables(self) -> None:
        """Finds tables and keys outside tables that do not exist."""
        for name, value in self._members.items():
            if name in TABLES or name == POOLS:
                continue
            shown = _heading(name, value) or f"{name} = {_shown(value)}"
            hint = "" if isinstance(value, dict) else _home(name)
            hint = hint or _nearest(name, [*TABLES, POOLS]) or f"there are {_TABLES_SHOWN}"
            what = "table" if isinstance(value, (dict, list)) else "key"
            self._problem((name, 0, ""), f"{shown}: no such {what}; {hint}")

    def table(self, name: str) -> dict[str, Any]:
        """The record's fields of a table that may be given once; what is wrong is left out."""
        outer, _, inner = name.partition(".")
        value = self._members.get(outer, {})
        if inner:
            value = value.get(inner, {}) if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            wrong = f"[[{name}]]" if isinstance(value, list) else f"{name} = {_shown(value)}"
            self._problem((outer, 0, inner), f"{wrong}: must be one table; write [{name}]")
            value = {}
        own = {key: member for key, member in value.items() if f"{name}.{key}" not in TABLES}
        self._tables[name] = self._fields(own, TABLES[name], (outer, 0, inner), f"[{name}]")
        return self._tables[name]

    def pools(self) -> list[dict[str, Any]]:
        """The fields of each [[pool]] that names all it must."""
        value = self._members.get(POOLS, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self._problem((POOLS, 0, ""), "[pool]: pools are a list; write [[pool]] with two brackets")
            value = []
        for index, members in enumerate(value):
            title = checks.pool_title(members.get("name"), index)
            self._pools[index] = self._fields(members, POOL, (POOLS, index, ""), title)
            for name in POOL_REQUIRED:
                if name not in members:
                    allowed = POOL[name].kind.allowed
                    self._problem((POOLS, index, ""), f"{title} {name}: is missing; must be {allowed}")
        return list(self._pools.values())

    def check_together(
        self, is_directory: Callable[[Path], bool], is_account: Callable[[str, str], bool]
    ) -> None:
        """Finds what is wrong between values that are right by themselves."""
        wrong = {place for place, _ in self._found}
        found = [
            *checks.listeners(self._tables),
            *checks.encryption(self._tables, wrong),
            *checks.payload_store(self._tables, wrong, is_directory),
            *checks.pool_names(self._pools, self._lines),
            *checks.backoffs(self._pools),
            *checks.worker_places(self._pools, is_directory),
            *checks.accounts(self._tables, self._pools, is_account),
            *checks.directories(self._tables, self._pools, wrong, is_directory),
        ]
        for place, message in found:
            self._problem(place, message)

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            return tomli.loads(text)
        except tomli.TOMLDecodeError as error:
            line = getattr(error, "lineno", None)
            reason = getattr(error, "msg", None) or str(error)
            where = f"{self._file}:{line}" if line else str(self._file)
            shown = text.splitlines()[line - 1].strip() if line and line <= len(text.splitlines()) else ""
            raise ConfigError([f"{where}: {shown}{': ' if shown else ''}{_in_our_words(reason)}"]) from error

    def _fields(
        self, members: Mapping[str, Any], keys: Mapping[str, Key], table: Place, title: str
    ) -> dict[str, Any]:
        found = {}
        outer, index, inner = table
        tables_within = [name.partition(".")[2] for name in TABLES if name.startswith(f"{outer}.")]
        for name, value in members.items():
            place, start = (outer, index, f"{inner}.{name}".lstrip(".")), f"{title} {name} = {_shown(value)}"
            key = keys.get(name)
            if key is None:
                known = [*keys] if inner else [*keys, *tables_within]
                hint = _home(name) or _nearest(name, known) or f"there are {', '.join(known)}"
                self._problem(place, f"{start}: no such key; {hint}")
                continue
            try:
                found[key.field] = key.kind.read(value, self._folder)
            except NotAllowedError as error:
                self._problem(place, f"{start}: {str(error) or f'must be {key.kind.allowed}'}")
        return found

    def _problem(self, place: Place, message: str) -> None:
        self._found.append((place, message))


def _heading(name: str, value: Any) -> str:
    """The line that begins a table or an array of tables; empty for a key's value."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"[[{name}]]"
    return f"[{name}]" if isinstance(value, dict) else ""


def _home(name: str) -> str:
    homes = [f"[{table}]" for table, keys in TABLES.items() if name in keys]
    return f"it belongs below {' or '.join(homes)}" if homes else ""


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


def _in_our_words(reason: str) -> str:
    """The parser's reason with what to do, for the mistakes that are made most."""
    if reason.startswith("Cannot declare"):
        return f"{reason}: a table may stand in the file only once; move its keys together"
    if reason.startswith("Cannot overwrite"):
        return f"{reason}: a key may stand in a table only once"
    if reason.startswith("Invalid value"):
        return f"{reason}: text stands in double quotes, true and false in small letters"
    return f"{reason}; the file is no TOML"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        shown = toml_text(value)
    elif isinstance(value, list):
        shown = "[" + ", ".join(_shown(item) for item in value) + "]"
    elif isinstance(value, dict):
        shown = "{ " + ", ".join(f"{name} = {_shown(item)}" for name, item in value.items()) + " }"
    else:
        shown = str(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[: _SHOWN_CHARACTERS - 1] + "…"

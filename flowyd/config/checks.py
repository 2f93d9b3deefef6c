"""What is wrong between values that are right by themselves: the checks that need the whole file.

Each check yields places and messages. A value that was itself wrong is absent here, and nothing is said
about it a second time: tables hold the record's fields that could be read, `wrong` the places that could not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from flowyd.config.keys import DAEMON, POOLS, defaults_of
from flowyd.config.lines import Place
from flowyd.config.records import Backend, Daemon, Engine, PayloadStorage, Pool, PoolKind, Swf

Found = tuple[Place, str]
Fields = Mapping[str, Any]

_POOL_DEFAULTS = defaults_of(Pool)


def pool_title(name: object, index: int) -> str:
    """How messages call a pool: by its name, or by its number in the file."""
    return f'[[pool]] "{name}"' if isinstance(name, str) else f"[[pool]] number {index + 1}"


def listeners(tables: Mapping[str, Fields]) -> Iterator[Found]:
    """TCP endpoints without a file of keys."""
    engine, swf = Engine(**tables["engine"]), Swf(**tables["swf"])
    if engine.listen and engine.keys_file is None and swf.backend is Backend.EMBEDDED:
        yield (
            ("engine", 0, "listen"),
            "[engine] listen: TCP endpoints need signed requests; name the file of keys with keys_file",
        )


def encryption(tables: Mapping[str, Fields], wrong: set[Place]) -> Iterator[Found]:
    """A certificate without its key or the other way round, or without an endpoint that would use it."""
    engine = Engine(**tables["engine"])
    named = {"tls_certificate": engine.tls_certificate, "tls_key": engine.tls_key}
    missing = [key for key, path in named.items() if path is None]
    if len(missing) == 2 or any(("engine", 0, key) in wrong for key in (*named, "listen")):
        return
    given = next(key for key, path in named.items() if path is not None)
    if missing:
        yield (
            ("engine", 0, given),
            f"[engine] {given}: needs {missing[0]} beside it; both may name one file that holds both",
        )
    elif not engine.listen:
        yield (
            ("engine", 0, given),
            f"[engine] {given}: TLS is for TCP endpoints and there is none; name one with listen",
        )


def payload_store(
    tables: Mapping[str, Fields], wrong: set[Place], is_directory: Callable[[Path], bool]
) -> Iterator[Found]:
    """A directory that is not there (it may not be mounted), and keys that nothing uses."""
    storage, place = PayloadStorage(**tables["payloads"]), ("payloads", 0, "store")
    if place in wrong:
        return
    if storage.directory is not None and not is_directory(storage.directory):
        yield (
            place,
            f"[payloads] store: {storage.directory} is no directory; create it, for the users of all pools "
            "to read and write",
        )
    if storage.store is not None and storage.directory is None:
        return
    for key in ("region", "profile", "endpoint_url"):
        if tables["payloads"].get(key) is not None:
            yield ("payloads", 0, key), f"[payloads] {key}: is for a store in S3; name one with store"


def pool_names(pools: Mapping[int, Fields], lines: Mapping[Place, int]) -> Iterator[Found]:
    """Two pools of one name."""
    seen: dict[str, int] = {}
    for index, fields in pools.items():
        name = fields.get("name")
        if name is None or seen.setdefault(name, index) == index:
            continue
        line = lines.get((POOLS, seen[name], "name"))
        first = f"; the first is on line {line}" if line else ""
        yield (
            (POOLS, index, "name"),
            f"{pool_title(name, index)} name: two pools have this name, names must differ{first}",
        )


def backoffs(pools: Mapping[int, Fields]) -> Iterator[Found]:
    """A first pause that is longer than the longest one."""
    for index, fields in pools.items():
        first_s, longest_s = (
            fields.get(field, _POOL_DEFAULTS[field]) for field in ("backoff_first_s", "backoff_longest_s")
        )
        if first_s > longest_s:
            key = "backoff_first" if "backoff_first_s" in fields else "backoff_longest"
            yield (
                (POOLS, index, key),
                f"{pool_title(fields.get('name'), index)} {key}: backoff_first ({first_s:g} s) must not be "
                f"longer than backoff_longest ({longest_s:g} s)",
            )


def worker_places(pools: Mapping[int, Fields], is_directory: Callable[[Path], bool]) -> Iterator[Found]:
    """A working directory that is not there, and several tasks at once where there is only one at a time."""
    for index, fields in pools.items():
        title, place = pool_title(fields.get("name"), index), fields.get("working_directory")
        if place is not None and not is_directory(place):
            yield (
                (POOLS, index, "working_directory"),
                f"{title} working_directory: {place} is no directory; create it or name another",
            )
        if fields.get("concurrency", 1) > 1 and fields.get("kind") is PoolKind.DECISION:
            yield (
                (POOLS, index, "concurrency"),
                f"{title} concurrency: is for async activities; a decision worker decides one task "
                "at a time, give it more processes",
            )


def accounts(
    tables: Mapping[str, Fields], pools: Mapping[int, Fields], is_account: Callable[[str, str], bool]
) -> Iterator[Found]:
    """Users and groups that this machine does not have; `is_account` is asked by kind and name."""
    named: list[tuple[Place, str, str, str | None]] = [
        (("flowyd", 0, key), f"[flowyd] {key}", "group", tables["flowyd"].get(key))
        for key in ("operators_group", "viewers_group")
    ]
    for index, fields in pools.items():
        title = pool_title(fields.get("name"), index)
        named += [((POOLS, index, key), f"{title} {key}", key, fields.get(key)) for key in ("user", "group")]
    for place, title, kind, name in named:
        if name is not None and not is_account(kind, name):
            yield place, f"{title}: there is no {kind} {name!r} on this machine; {kind}add makes one"


def directories(
    tables: Mapping[str, Fields],
    pools: Mapping[int, Fields],
    wrong: set[Place],
    is_directory: Callable[[Path], bool],
) -> Iterator[Found]:
    """A pool of a kind for which there are no modules."""
    daemon, kinds = Daemon(**tables["flowyd"]), {fields.get("kind") for fields in pools.values()}
    wanted = (
        (PoolKind.ACTIVITY, "activities", daemon.activities),
        (PoolKind.DECISION, "workflows", daemon.workflows),
    )
    for kind, key, paths in wanted:
        place = ("flowyd", 0, key)
        if kind not in kinds or place in wrong:
            continue
        start = f"[flowyd] {key} = {DAEMON[key].kind.write(paths)}"
        if not paths:
            yield place, f'{start}: must name a directory, as there is a pool of kind "{kind.value}"'
        for path in paths:
            if not is_directory(path):
                yield (
                    place,
                    f'{start}: {path} is no directory, and pools of kind "{kind.value}" take their modules '
                    "from there; create it or name another",
                )

"""Every key of the configuration file: the table that joins the file's names with the records' fields.

A key of the file says no unit, its field does: `stop_timeout = "30s"` is `stop_timeout_s = 30.0`.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any

from flowyd.config import kinds
from flowyd.config.kinds import Kind
from flowyd.config.records import Backend, Durability, Pool, PoolKind
from flowyd.swf.limits import DATA_CHARACTERS, REFERENCE_CHARACTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of the file."""

    name: str
    #: The field of the record.
    field: str
    kind: Kind


def _keys(**kinds_by_field: Kind) -> dict[str, Key]:
    found = {}
    for field, kind in kinds_by_field.items():
        name = field
        for unit in ("_s", "_bytes", "_days", "_characters"):
            name = name.removesuffix(unit)
        found[name] = Key(name=name, field=field, kind=kind)
    return found


_DIRECTORIES = kinds.list_of(kinds.path(), "directories")

#: The keys of each table, in the order in which they are shown.
DAEMON = _keys(
    domain=kinds.SWF_NAME,
    activities=_DIRECTORIES,
    workflows=_DIRECTORIES,
    state_dir=kinds.path(),
    runtime_dir=kinds.path(longest_bytes=kinds.RUNTIME_DIR_BYTES),
    log_level=kinds.word("debug", "info", "warning", "error"),
    operators_group=kinds.optional(kinds.ACCOUNT, word=""),
    viewers_group=kinds.optional(kinds.ACCOUNT, word=""),
)
SWF = _keys(
    backend=kinds.one_of(Backend),
    region=kinds.optional(kinds.PLAIN_TEXT, word=""),
    profile=kinds.optional(kinds.PLAIN_TEXT, word=""),
    endpoint_url=kinds.optional(kinds.URL, word=""),
    connect_timeout_s=kinds.duration(least="100ms", most="5m"),
    # The service may hold a poll a little longer than 60 s; a shorter patience loses the task it hands out.
    read_timeout_s=kinds.duration(least="70s", most="10m"),
)
PAYLOADS = _keys(
    store=kinds.optional(kinds.PAYLOAD_STORE, word=""),
    # A payload that is not longer than its reference gains nothing by being kept elsewhere.
    above_characters=kinds.number(least=REFERENCE_CHARACTERS, most=DATA_CHARACTERS),
    region=kinds.optional(kinds.PLAIN_TEXT, word=""),
    profile=kinds.optional(kinds.PLAIN_TEXT, word=""),
    endpoint_url=kinds.optional(kinds.URL, word=""),
)
ENGINE = _keys(
    database=kinds.optional(kinds.path(), word=""),
    durability=kinds.one_of(Durability),
    listen=kinds.LISTENERS,
    retention_days=kinds.days(least=0, most=90),
    keys_file=kinds.optional(kinds.path(), word=""),
    tls_certificate=kinds.optional(kinds.path(), word=""),
    tls_key=kinds.optional(kinds.path(), word=""),
)
#: Upper bounds are where a slip of the pen is likelier than a need.
LIMITS = _keys(
    domains=kinds.number(least=1, most=100_000),
    types_per_domain=kinds.number(least=1, most=1_000_000),
    open_executions=kinds.number(least=1, most=10_000_000),
    open_activities=kinds.number(least=1, most=100_000),
    open_timers=kinds.number(least=1, most=100_000),
    open_children=kinds.number(least=1, most=100_000),
    history_events=kinds.number(least=10, most=1_000_000),
    pollers=kinds.number(least=1, most=100_000),
    # Not above: clients are written for a service that answers after 60 seconds, and give up soon after.
    poll_s=kinds.duration(least="100ms", most="60s"),
    page_token_s=kinds.duration(least="1m", most="365d"),
    connections=kinds.number(least=10, most=1_000_000),
    memory_bytes=kinds.size(least="16M", most="1T"),
)
POOL = _keys(
    name=kinds.POOL_NAME,
    kind=kinds.one_of(PoolKind),
    task_list=kinds.SWF_NAME,
    processes=kinds.number(least=0, most=512),
    stop_timeout_s=kinds.duration(least="0s", most="1d"),
    backoff_first_s=kinds.duration(least="10ms", most="1h"),
    backoff_longest_s=kinds.duration(least="10ms", most="1d"),
    recycle_tasks=kinds.optional(kinds.number(least=1, most=1_000_000_000), word="never"),
    recycle_age_s=kinds.optional(kinds.duration(least="1s", most="365d"), word="never"),
    recycle_rss_bytes=kinds.optional(kinds.size(least="16M", most="1T"), word="never"),
    quarantine_deaths=kinds.optional(kinds.number(least=1, most=1000), word="never"),
    environment=kinds.ENVIRONMENT,
    nice=kinds.number(least=-20, most=19),
    user=kinds.optional(kinds.ACCOUNT, word=""),
    group=kinds.optional(kinds.ACCOUNT, word=""),
    working_directory=kinds.optional(kinds.path(), word=""),
    rlimits=kinds.RLIMITS,
    concurrency=kinds.number(least=1, most=1000),
)

#: The tables that may be given once, by their name in the file.
TABLES: dict[str, dict[str, Key]] = {
    "flowyd": DAEMON,
    "swf": SWF,
    "payloads": PAYLOADS,
    "engine": ENGINE,
    "engine.limits": LIMITS,
}
#: The array of tables.
POOLS = "pool"


def defaults_of(record: type[Any]) -> dict[str, Any]:
    """The fields of a record that have a default, with it."""
    found = {}
    for field in fields(record):
        if field.default is not MISSING:
            found[field.name] = field.default
        elif field.default_factory is not MISSING:
            found[field.name] = field.default_factory()
    return found


#: Keys without which a pool means nothing.
POOL_REQUIRED = tuple(key.name for key in POOL.values() if key.field not in defaults_of(Pool))

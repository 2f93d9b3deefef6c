"""A configuration as TOML: the effective values, every key, which loads again to the same records."""

from __future__ import annotations

from typing import Any

from flowyd.config.keys import POOL, TABLES, Key
from flowyd.config.records import Config


def render(config: Config) -> str:
    """The whole configuration, defaults filled in and paths absolute."""
    records: dict[str, Any] = {
        "flowyd": config.flowyd,
        "swf": config.swf,
        "payloads": config.payloads,
        "engine": config.engine,
        "engine.limits": config.engine.limits,
    }
    tables = [_table(f"[{name}]", records[name], keys) for name, keys in TABLES.items()]
    tables += [_table("[[pool]]", pool, POOL) for pool in config.pools]
    return "\n".join(tables)


def _table(header: str, record: Any, keys: dict[str, Key]) -> str:
    lines = [f"{key.name} = {key.kind.write(getattr(record, key.field))}" for key in keys.values()]
    return "\n".join([header, *lines, ""])

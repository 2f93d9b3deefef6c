"""The effective configuration as TOML loads again to the same records."""

from __future__ import annotations

import math
import os.path
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowyd.config.load import parse
from flowyd.config.records import (
    Backend,
    Config,
    Daemon,
    Durability,
    Engine,
    EngineLimits,
    PayloadStorage,
    Pool,
    PoolKind,
    Swf,
)
from flowyd.config.render import render

FILE = Path("/etc/flowyd.toml")

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", fullmatch=True)
swf_names = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Z"), exclude_characters=":/|"), min_size=1, max_size=99
).filter(lambda name: name != "arn")
paths = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20
).map(lambda name: Path(os.path.normpath(f"/x/{name}")))


def seconds(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most).filter(math.isfinite)


pools = st.builds(
    Pool,
    name=names,
    kind=st.sampled_from(PoolKind),
    task_list=swf_names,
    processes=st.integers(0, 512),
    stop_timeout_s=seconds(0, 86_400),
    backoff_first_s=seconds(0.01, 10),
    backoff_longest_s=seconds(10, 3600),
    recycle_tasks=st.none() | st.integers(1, 10**9),
    recycle_age_s=st.none() | seconds(1, 10**7),
    recycle_rss_bytes=st.none() | st.integers(16 << 20, 1 << 40),
    environment=st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True),
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
        max_size=3,
    ),
    nice=st.integers(-20, 19),
)
configs = st.builds(
    Config,
    file=st.just(FILE),
    flowyd=st.builds(
        Daemon,
        domain=swf_names,
        activities=st.lists(paths, min_size=1, max_size=3).map(tuple),
        workflows=st.lists(paths, min_size=1, max_size=3).map(tuple),
        state_dir=paths,
        runtime_dir=paths,
        log_level=st.sampled_from(["debug", "info", "warning", "error"]),
    ),
    swf=st.builds(
        Swf,
        backend=st.sampled_from(Backend),
        region=st.none() | names,
        profile=st.none() | names,
        endpoint_url=st.none() | names.map("https://{}:8080/".format),
        connect_timeout_s=seconds(0.1, 300),
        read_timeout_s=seconds(70, 600),
    ),
    payloads=st.builds(
        PayloadStorage,
        store=paths.map(str) | st.just("s3://bucket/prefix"),
        above_characters=st.integers(160, 32_768),
    )
    | st.builds(
        PayloadStorage,
        store=st.just("s3://bucket"),
        region=st.none() | names,
        profile=st.none() | names,
        endpoint_url=st.none() | names.map("https://{}:8080/".format),
    ),
    engine=st.builds(
        Engine,
        database=st.none() | paths,
        durability=st.sampled_from(Durability),
        listen=st.lists(st.integers(1, 65_535).map("127.0.0.1:{}".format), min_size=1, max_size=2).map(tuple),
        retention_days=st.integers(0, 90),
        keys_file=paths,
        tls_certificate=paths,
        tls_key=paths,
        limits=st.builds(
            EngineLimits,
            domains=st.integers(1, 100_000),
            history_events=st.integers(10, 1_000_000),
            poll_s=seconds(0.1, 60),
            page_token_s=seconds(60, 10**6),
            memory_bytes=st.integers(16 << 20, 1 << 40),
        ),
    ),
    pools=st.lists(pools, max_size=3, unique_by=lambda pool: pool.name).map(tuple),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(configs)
def test_what_is_shown_loads_again_to_the_same_records(config: Config) -> None:
    again = parse(render(config), file=FILE, is_directory=lambda _path: True)

    assert replace(again, file=FILE) == config

"""Reading the configuration: every mistake by its message, every default by the shipped file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from flowyd.config.keys import POOL, POOLS, TABLES
from flowyd.config.load import load, load_for_client, parse
from flowyd.config.records import (
    Backend,
    Config,
    Daemon,
    Engine,
    EngineLimits,
    PayloadStorage,
    Pool,
    PoolKind,
    Swf,
)
from flowyd.errors import ConfigError
from tests.unit.config.mistakes import MISTAKES, Mistake

FILE = Path("/etc/flowyd.toml")
ROOT = Path(__file__).parents[3]
RECORDS = {
    "flowyd": Daemon,
    "swf": Swf,
    "payloads": PayloadStorage,
    "engine": Engine,
    "engine.limits": EngineLimits,
    POOLS: Pool,
}


def parsed(text: str) -> Config:
    return parse(
        text,
        file=FILE,
        is_directory=lambda path: "missing" not in path.name,
        is_account=lambda _kind, name: "missing" not in name,
    )


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_gives_its_message(mistake: Mistake) -> None:
    with pytest.raises(ConfigError) as raised:
        parsed(mistake.text)

    assert raised.value.problems == tuple(m.replace("FILE", str(FILE)) for m in mistake.messages)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_reference_shows_each_mistake_with_its_message(mistake: Mistake) -> None:
    reference = (ROOT / "docs" / "configuration.md").read_text()

    assert all(message.replace("FILE", "flowyd.toml") in reference for message in mistake.messages)


@pytest.mark.parametrize("table", [*TABLES, POOLS])
def test_every_field_of_a_record_is_a_key_of_the_file(table: str) -> None:
    keys = TABLES.get(table, POOL)

    within = {name.rpartition(".")[2] for name in TABLES if name.startswith(f"{table}.")}
    assert {key.field for key in keys.values()} == set(RECORDS[table].__dataclass_fields__) - within


def test_an_empty_file_gives_the_defaults() -> None:
    assert parsed("") == Config(file=FILE)


def test_the_shipped_file_shows_every_key() -> None:
    text = (ROOT / "conf" / "flowyd.toml").read_text()
    shown: dict[str, set[str]] = {}
    for line in text.splitlines():
        if header := re.match(r"\[+([\w.]+)", line):
            shown.setdefault(header[1], set())
            table = header[1]
        elif key := re.match(r"#?(\w+) = ", line):
            shown[table].add(key[1])

    assert shown == {**{name: set(keys) for name, keys in TABLES.items()}, POOLS: set(POOL)}


def test_the_shipped_file_with_all_its_comments_opened_is_the_default() -> None:
    text = (ROOT / "conf" / "flowyd.toml").read_text()

    opened = parsed(re.sub(r"(?m)^#(?=\w)", "", text))

    assert replace(opened, pools=()) == Config(file=FILE)
    assert opened.pools == (
        Pool(name="decisions", kind=PoolKind.DECISION, task_list="image_processing"),
        Pool(name="images", kind=PoolKind.ACTIVITY, task_list="image_processing", processes=4),
    )


def test_the_shipped_file_explains_each_group_of_keys() -> None:
    first = (ROOT / "conf" / "flowyd.toml").read_text().split("\n[[pool]]\n", 2)[:2]

    for group in "\n".join(first).split("\n\n"):
        if re.search(r"(?m)^#?\w+ = ", group):
            assert re.search(r"(?m)^# \S", group), group


def test_the_development_file_is_right() -> None:
    config = parse((ROOT / "conf" / "development.toml").read_text(), file=ROOT / "conf" / "development.toml")

    assert config.flowyd.engine_socket.resolve() == ROOT / "var" / "run" / "engine.sock"


def test_relative_paths_are_relative_to_the_folder_of_the_file() -> None:
    config = parsed('[flowyd]\nstate_dir = "state"\nactivities = ["a", "/b"]\n')

    assert config.flowyd.state_dir == Path("/etc/state")
    assert config.flowyd.activities == (Path("/etc/a"), Path("/b"))


def test_a_client_does_not_mind_a_mistake_in_a_pool(tmp_path: Path) -> None:
    file = tmp_path / "flowyd.toml"
    file.write_text('[swf]\nbackend = "aws"\n[[pool]]\nkind = "nonsense"\n[nonsense]\n')

    config = load_for_client(file)

    assert config.swf.backend is Backend.AWS


@pytest.mark.parametrize(
    ("written", "store"),
    [
        ("payloads", "/etc/payloads"),
        ("/srv/payloads", "/srv/payloads"),
        ("s3://bucket", "s3://bucket"),
        ("s3://my.bucket/some/prefix", "s3://my.bucket/some/prefix"),
        ("", None),
    ],
)
def test_payloads_are_kept_in_a_directory_or_a_bucket(written: str, store: str | None) -> None:
    config = parsed(f'[payloads]\nstore = "{written}"\nabove = 1000\n')

    assert config.payloads == PayloadStorage(store=store, above_characters=1000)


def test_a_client_knows_where_payloads_are(tmp_path: Path) -> None:
    file = tmp_path / "flowyd.toml"
    file.write_text('[payloads]\nstore = "s3://bucket/x"\nregion = "eu-west-1"\n')

    assert load_for_client(file).payloads == PayloadStorage(store="s3://bucket/x", region="eu-west-1")


def test_a_client_minds_a_mistake_in_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "flowyd.toml"
    file.write_text('[swf]\nbackend = "azure"\n')

    with pytest.raises(ConfigError, match="embedded"):
        load_for_client(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "flowyd.toml"

    with pytest.raises(ConfigError) as raised:
        load(file)

    assert raised.value.problems == (
        f"{file}: cannot be read: No such file or directory; name another file with --config",
    )


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "flowyd.toml"
    file.write_bytes(b"a = \xff")

    with pytest.raises(ConfigError, match="must be UTF-8 text; byte 4 is not"):
        load(file)


def test_a_runtime_directory_too_long_for_a_socket_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"at most 94 bytes .* it has 101"):
        parsed(f'[flowyd]\nruntime_dir = "/{"x" * 100}"\n')


def test_a_wrong_value_is_not_complained_about_twice() -> None:
    with pytest.raises(ConfigError) as raised:
        parse('[flowyd]\nactivities = 5\n[[pool]]\nname = "a"\nkind = "activity"\ntask_list = "l"', file=FILE)

    assert len(raised.value.problems) == 1


def test_first_back_off_beyond_the_longest_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r":5: .*backoff_first \(60 s\) must not be longer than backoff_longest"
    ):
        parsed('[[pool]]\nname = "a"\nkind = "activity"\ntask_list = "l"\nbackoff_first = "1m"\n')

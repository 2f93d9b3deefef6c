"""Long payloads kept in a store: stored once, named by their content, and nobody's failure when lost."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowyd import ActivityProxy, PayloadError, RetryPolicy, Workflow, activity, store_payloads, workflow
from flowyd.errors import ConfigError, StoreError
from flowyd.sdk.failures import PayloadLost
from flowyd.sdk.payloads import payloads, sent
from flowyd.swf.payload_stores import DirectoryStore, S3Store, open_store
from flowyd.testing import Execution, ExecutionFailed, HistoryMismatch, LocalEngine, check_history


class MemoryStore:
    """A store that counts."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.puts = 0
        self.broken = False

    def put(self, key: str, text: str) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        self.puts += 1
        self.kept[key] = text

    def get(self, key: str) -> str:
        if self.broken or key not in self.kept:
            raise StoreError("it is not there")
        return self.kept[key]


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    memory = MemoryStore()
    payloads.use(memory, above=1_000)
    yield memory
    payloads.use(None)


@activity("grow", 1, "l")
def grow(text: str) -> str:
    return text * 2


@workflow("bulk", 1, "l")
class Bulk(Workflow):
    grow = ActivityProxy("grow", 1, retry_policy=RetryPolicy(maximum_attempts=2, first_interval_s=5))

    def run(self, text: str) -> Any:
        noted = self.side_effect(lambda: "n" * 2_000)
        told = self.signal("tell").result()
        return [self.grow(self.grow(text)), noted, told]


def bulk(engine: LocalEngine) -> Execution:
    execution = engine.start(Bulk, "x" * 900)
    engine.settle()
    execution.signal("tell", "short")
    return execution


@pytest.mark.usefixtures("store")
def test_long_payloads_arrive_and_stay_out_of_the_history() -> None:
    with LocalEngine([Bulk, grow]) as engine:
        execution = bulk(engine)

        assert execution.result() == ["x" * 3_600, "n" * 2_000, "short"]
        assert max(len(json.dumps(event)) for event in execution.history()) < 1_500
        check_history(Bulk, execution.history(), run_id=execution.run_id)


def test_each_payload_is_stored_once_however_often_it_is_replayed(store: MemoryStore) -> None:
    with LocalEngine([Bulk, grow]) as engine:
        bulk(engine).result()

    # The side effect, the second input, two results, the result of all.
    assert store.puts == len(store.kept) == 5


def test_a_decision_without_its_payloads_is_left_alone(store: MemoryStore) -> None:
    with LocalEngine([Bulk, grow]) as engine:
        execution = bulk(engine)
        for _ in range(2):
            engine.decide_next()
            engine.perform_next()
        payloads.use(store, above=1_000)
        store.broken = True

        with pytest.raises(HistoryMismatch, match="cannot be read: it is not there"):
            engine.settle()
        assert execution.history()[-1]["eventType"] == "DecisionTaskStarted"


def test_a_payload_that_cannot_be_stored_fails_the_activity(store: MemoryStore) -> None:
    with LocalEngine([Bulk, grow]) as engine:
        execution = bulk(engine)
        engine.decide_next()
        store.broken = True

        with pytest.raises(ExecutionFailed, match="a payload cannot be stored: the disk is full"):
            execution.result()


def test_an_activity_whose_input_is_lost_fails(store: MemoryStore) -> None:
    with LocalEngine([Bulk, grow]) as engine:
        execution = bulk(engine)
        while not engine.perform_next():
            engine.decide_next()
        engine.decide_next()
        payloads.use(store, above=1_000)
        kept, store.kept = store.kept, {}
        engine.perform_next()
        store.kept = kept

        assert execution.history()[-2]["eventType"] == "ActivityTaskFailed"
        assert execution.result() == ["x" * 3_600, "n" * 2_000, "short"]


@pytest.mark.usefixtures("store")
def test_a_reference_without_a_store_says_what_to_do() -> None:
    reference = sent("x" * 1_001, "it")
    payloads.use(None)

    with pytest.raises(PayloadLost, match="name it here too, in the configuration"):
        payloads.text(reference)


def test_what_is_not_what_was_stored_is_refused(store: MemoryStore) -> None:
    reference = sent("x" * 1_001, "it")
    payloads.use(store)
    store.kept = dict.fromkeys(store.kept, "something else")

    with pytest.raises(PayloadLost, match="is not what was stored"):
        payloads.text(reference)


@pytest.mark.usefixtures("store")
def test_text_that_only_looks_like_a_reference_stays_text() -> None:
    text = '{"__flowyd__": ["stored", {"sha256": "../../etc/passwd", "characters": 1}]}'

    assert payloads.text(text) == text


def test_without_a_store_what_is_too_long_is_refused() -> None:
    with pytest.raises(PayloadError, match="or name a store"):
        sent("x" * 32_769, "it")


def test_a_directory_keeps_payloads_by_their_hash(tmp_path: Path) -> None:
    store_payloads(tmp_path, above=10)
    try:
        reference = sent('"häßlich \ud800"', "it")
        store_payloads(tmp_path)

        assert payloads.text(reference) == '"häßlich \ud800"'
        (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
        assert path.parent.name == path.name[:2]
    finally:
        payloads.use(None)


def test_storing_again_renews_the_age_of_a_file(tmp_path: Path) -> None:
    directory = DirectoryStore(tmp_path)
    directory.put("ab12", "text")
    os.utime(tmp_path / "ab" / "ab12", (0, 0))

    directory.put("ab12", "text")

    assert (tmp_path / "ab" / "ab12").stat().st_mtime > 1_000_000


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o2770])
def test_whom_the_directory_lets_in_may_use_what_is_stored(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    folder.chmod(mode)

    DirectoryStore(folder).put("abcd", "text")

    assert stat.S_IMODE((folder / "ab").stat().st_mode) == mode
    assert stat.S_IMODE((folder / "ab" / "abcd").stat().st_mode) == mode & 0o666


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_stores_belongs_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 12_345, 54_321)

    DirectoryStore(tmp_path).put("abcd", "text")

    for made in (tmp_path / "ab", tmp_path / "ab" / "abcd"):
        assert (made.stat().st_uid, made.stat().st_gid) == (12_345, 54_321)


def test_a_directory_says_what_it_cannot_read_or_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="cannot be read"):
        DirectoryStore(tmp_path).get("abcd")
    with pytest.raises(StoreError, match="cannot be written"):
        DirectoryStore(tmp_path / "file").put("abcd", "text")


def test_a_store_is_an_absolute_directory_or_a_bucket() -> None:
    assert isinstance(open_store("s3://bucket/a/b"), S3Store)
    assert isinstance(open_store("/somewhere"), DirectoryStore)
    for wrong in ("somewhere", "s3://", "gs://bucket"):
        with pytest.raises(ConfigError, match="an absolute directory or s3://"):
            open_store(wrong)

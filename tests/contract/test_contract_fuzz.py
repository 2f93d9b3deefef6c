"""The fuzzer in short; `python -m tests.contract.fuzz` runs it for as long as wanted."""

from __future__ import annotations

from pathlib import Path

from tests.contract.fuzz import fuzz


def test_nothing_sent_harms_the_engine_or_its_file(tmp_path: Path) -> None:
    found = fuzz(tmp_path, requests=3_000, seed=20)

    assert found.statuses["200"] > 300
    assert found.executions > 10

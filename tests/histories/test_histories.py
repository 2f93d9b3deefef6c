"""Stored histories are replayed: a change of flowyd must not decide differently for open executions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowyd.testing import check_history, load_history
from tests.histories import flows

STORED = sorted(Path(__file__).parent.glob("*.json"))


def test_there_are_histories() -> None:
    assert len(STORED) >= 11


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_every_decision_of_a_stored_history_is_made_again(path: Path) -> None:
    stored = json.loads(path.read_text())

    check_history(getattr(flows, stored["workflow"]), load_history(path), run_id=stored["runId"])

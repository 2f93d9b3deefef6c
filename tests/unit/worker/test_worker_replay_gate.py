"""How many open executions the replay gate looks at, and what it says of the others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from flowyd import Workflow, workflow
from flowyd.sdk.registry import registration_of
from flowyd.testing import LocalEngine
from flowyd.worker import replay_gate
from flowyd.worker.replay_gate import Replays, first_divergence

DOMAIN = "test"


@workflow("patient", 1, "decide")
class Patient(Workflow):
    def run(self) -> None:
        self.signal("go").result()


PATIENT: Any = registration_of(Patient)


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    with LocalEngine([Patient]) as engine:
        for _ in range(5):
            engine.start(Patient)
        engine.settle()
        yield engine


def test_all_are_replayed_where_there_is_time(engine: LocalEngine) -> None:
    found = first_divergence(engine.client, DOMAIN, PATIENT, until=time.monotonic() + 60)

    assert found == (None, Replays(replayed=5))


def test_those_beyond_the_time_are_counted(engine: LocalEngine) -> None:
    found = first_divergence(engine.client, DOMAIN, PATIENT, until=0.0)

    assert found == (None, Replays(not_replayed=5))


def test_those_beyond_the_number_are_counted(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_gate, "MOST_EXECUTIONS", 3)

    found = first_divergence(engine.client, DOMAIN, PATIENT, until=time.monotonic() + 60)

    assert found == (None, Replays(replayed=3, not_replayed=2))

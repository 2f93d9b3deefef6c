"""What several files of system tests begin with."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.engine_process import EngineProcess


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine that the test may stop, kill and start; it is gone afterwards, also where the test failed."""
    engine = EngineProcess(tmp_path).start()
    yield engine
    if engine.is_running:
        os.kill(engine.pid, signal.SIGCONT)
        assert engine.stop() == 0

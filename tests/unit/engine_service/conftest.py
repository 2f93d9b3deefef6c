"""Scenes for the service's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from flowyd.config.records import Durability
from tests.unit.engine_service.engine_service_scene import Scene

settings.register_profile("long", max_examples=6_000)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A service with a domain and one type of each kind, registered with defaults."""
    opened = Scene(tmp_path / "engine.db")
    yield opened
    opened.service.close()


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Scene]:
    """A service whose turns are held, each until the next one or `durable` finds it written."""
    opened = Scene(tmp_path / "engine.db", durability=Durability.FULL)
    # The first record proves that the disk can be written past the page cache.
    opened.start("first")
    opened.service.checkpoint()
    if opened.service.fileno() is None:
        opened.service.close()
        pytest.skip("no writes in the background here")
    opened.service.more_waits = lambda: True
    yield opened
    opened.service.close()

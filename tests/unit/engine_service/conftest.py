"""Scenes for the service's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.unit.engine_service.engine_service_scene import Scene

settings.register_profile("long", max_examples=6_000)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A service with a domain and one type of each kind, registered with defaults."""
    opened = Scene(tmp_path / "engine.db")
    yield opened
    opened.service.close()

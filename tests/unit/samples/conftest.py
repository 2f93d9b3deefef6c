"""The samples as modules, a folder for their pictures, and a web server to download from."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.samples.sample_server import WebServer, running_web_server

ROOT = Path(__file__).parents[3]


def load(path: Path) -> ModuleType:
    """The module of a file that is in no package, as a worker loads it."""
    spec = importlib.util.spec_from_file_location(f"sample_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def images() -> ModuleType:
    """activities/images.py"""
    return load(ROOT / "activities" / "images.py")


@pytest.fixture(scope="session")
def imagecateg() -> ModuleType:
    """workflows/imagecateg.py"""
    return load(ROOT / "workflows" / "imagecateg.py")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the activities put their pictures."""
    monkeypatch.setenv("IMAGES_DIR", str(tmp_path / "pictures"))
    return tmp_path / "pictures"


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A server of its own for each test, as some keep it busy to the end."""
    with running_web_server() as server:
        yield server

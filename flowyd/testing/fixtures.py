"""pytest fixtures; import them into a conftest.py or test module to use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from flowyd.testing.engine import LocalEngine

#: Called with modules, classes and functions: a LocalEngine that serves them.
StartEngine = Callable[..., LocalEngine]


@pytest.fixture
def local_engine() -> Iterator[StartEngine]:
    """Starts engines, each for the types it is given; all are closed when the test is over."""
    with ExitStack() as running:

        def start(*sources: Any) -> LocalEngine:
            return running.enter_context(LocalEngine(sources))

        yield start

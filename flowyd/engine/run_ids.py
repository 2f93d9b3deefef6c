"""Run ids in the service's form: `22` and 32 bytes in base64, 46 characters (recorded)."""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Callable

RunIds = Callable[[], str]


def random_run_ids() -> str:
    """A run id from the system's randomness."""
    return _run_id(os.urandom(32))


def seeded_run_ids(seed: int) -> RunIds:
    """A source of run ids that is the same for the same seed."""
    source = random.Random(seed)
    return lambda: _run_id(source.randbytes(32))


def _run_id(entropy: bytes) -> str:
    return "22" + base64.b64encode(entropy).decode()

"""Full collections are kept away from who types, and everything is as before when the console is left."""

from __future__ import annotations

import gc

from flowyd.console import collecting


def test_full_collections_are_rare_until_the_console_is_left() -> None:
    before = gc.get_threshold()

    kept = collecting.make_rare()
    try:
        assert gc.get_threshold()[2] == collecting.MIDDLE_PER_FULL
        assert gc.get_freeze_count() > 0
    finally:
        collecting.as_before(kept)

    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0

"""Run ids: their form, and that those of one time are neighbours in an index."""

from __future__ import annotations

import base64

from flowyd.engine.run_ids import random_run_ids


def test_a_run_id_has_the_services_form() -> None:
    run_id = random_run_ids()

    assert len(run_id) == 46
    assert run_id.startswith("22")
    assert len(base64.b64decode(run_id[2:], validate=True)) == 32


def test_run_ids_of_one_time_are_alike_at_the_front_and_never_the_same() -> None:
    first, second = random_run_ids(), random_run_ids()

    assert first[:6] == second[:6]
    assert first != second

"""What a changed configuration means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flowyd.config.records import Config, Daemon, PayloadStorage, Pool, PoolKind
from flowyd.supervisor.reloading import Difference, difference, needs_restart

IMAGES = Pool(name="images", kind=PoolKind.ACTIVITY, task_list="images")
DECISIONS = Pool(name="decisions", kind=PoolKind.DECISION, task_list="images")
CONFIG = Config(file=Path("/etc/flowyd.toml"), pools=(IMAGES, DECISIONS))


def test_the_same_configuration_changes_nothing() -> None:
    assert difference(CONFIG, CONFIG) == Difference()


def test_sizes_and_limits_are_adjusted_without_new_workers() -> None:
    new = replace(CONFIG, pools=(replace(IMAGES, processes=4, recycle_tasks=9), DECISIONS))

    assert difference(CONFIG, new) == Difference(adjusted=("images",))


def test_what_a_worker_must_know_renews_its_pool_only() -> None:
    new = replace(CONFIG, pools=(replace(IMAGES, environment={"A": "1"}), DECISIONS))

    assert difference(CONFIG, new) == Difference(renewed=("images",))


def test_pools_come_and_go() -> None:
    new = replace(CONFIG, pools=(DECISIONS, replace(IMAGES, name="more")))

    assert difference(CONFIG, new) == Difference(added=("more",), removed=("images",))


def test_another_domain_renews_everybody() -> None:
    new = replace(CONFIG, flowyd=Daemon(domain="other"))

    assert difference(CONFIG, new) == Difference(renewed=("images", "decisions"))


def test_another_place_for_payloads_renews_everybody() -> None:
    new = replace(CONFIG, payloads=PayloadStorage(store="/srv/payloads"))

    assert difference(CONFIG, new) == Difference(renewed=("images", "decisions"))


def test_another_place_needs_a_restart() -> None:
    new = replace(CONFIG, flowyd=Daemon(runtime_dir=Path("/run/other")))

    assert [message.partition(" changed")[0] for message in needs_restart(CONFIG, new)] == [
        "[flowyd] runtime_dir"
    ]

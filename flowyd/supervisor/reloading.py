"""What a new configuration changes: the difference, nothing else.

Refused whole: changes that only a restart can make true. Applied: pools added, removed, given new limits
or sizes, or (where a worker must know of it) new workers one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowyd.config.records import Config, Daemon, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Names of pools, by what happens to them."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    #: Their workers are replaced one by one.
    renewed: tuple[str, ...] = ()
    #: Limits or sizes only.
    adjusted: tuple[str, ...] = ()

    def sentence(self) -> str:
        """For the log and for whoever asked."""
        parts = [
            f"{word} {', '.join(names)}"
            for word, names in (
                ("added", self.added),
                ("removed", self.removed),
                ("replacing workers of", self.renewed),
                ("adjusted", self.adjusted),
            )
            if names
        ]
        return "; ".join(parts) or "nothing changed"


def needs_restart(old: Config, new: Config) -> list[str]:
    """One message per change that a running daemon cannot make."""
    pairs = {
        "[flowyd] state_dir": (old.flowyd.state_dir, new.flowyd.state_dir),
        "[flowyd] runtime_dir": (old.flowyd.runtime_dir, new.flowyd.runtime_dir),
        "[swf] backend": (old.swf.backend.value, new.swf.backend.value),
        "[engine]": (old.engine, new.engine),
    }
    return [
        f"{key} changed from {before} to {after}; this needs a restart: systemctl restart flowyd"
        for key, (before, after) in pairs.items()
        if before != after
    ]


def difference(old: Config, new: Config) -> Difference:
    """What the new configuration means for each pool."""
    before = {pool.name: pool for pool in old.pools}
    after = {pool.name: pool for pool in new.pools}
    everyone = (old.swf, old.payloads, _for_workers(old.flowyd)) != (
        new.swf,
        new.payloads,
        _for_workers(new.flowyd),
    )
    both = [name for name in after if name in before]
    renewed = {name for name in both if everyone or _worker_view(before[name]) != _worker_view(after[name])}
    return Difference(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        renewed=tuple(name for name in both if name in renewed),
        adjusted=tuple(name for name in both if name not in renewed and before[name] != after[name]),
    )


def _for_workers(daemon: Daemon) -> Daemon:
    """The daemon's values with only those that a worker needs."""
    return replace(daemon, log_level="", operators_group=None, viewers_group=None)


def _worker_view(pool: Pool) -> Pool:
    """The pool with only those values that a worker learns at its start."""
    defaults = Pool(name="", kind=pool.kind, task_list="")
    return replace(
        pool,
        processes=defaults.processes,
        backoff_first_s=defaults.backoff_first_s,
        backoff_longest_s=defaults.backoff_longest_s,
        recycle_tasks=None,
        recycle_age_s=None,
        recycle_rss_bytes=None,
        quarantine_deaths=defaults.quarantine_deaths,
    )

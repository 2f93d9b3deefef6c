"""Long payloads for commands: kept in, and read from, the store that the configuration names."""

from __future__ import annotations

import argparse

from flowyd.cli.reaching import known_config


def use_configured_store(namespace: argparse.Namespace) -> None:
    """Names the store for this process, if there is a configuration and it has one.

    Raises:
        ConfigError: the configuration cannot be read or is wrong.
    """
    from flowyd.worker.payloads import use_storage

    config = known_config(namespace)
    if config is not None:
        use_storage(config.payloads)


def sent(namespace: argparse.Namespace, text: str, what: str) -> str:
    """What travels for the text, which is stored first if it is long and there is a store.

    Raises:
        PayloadError: it is too long, and there is none.
        StoreError: the store does not take it.
    """
    from flowyd.worker.payloads import sent_by_script

    use_configured_store(namespace)
    return sent_by_script(text, what)

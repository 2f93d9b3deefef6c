"""Long payloads for commands: kept in, and read from, the store that the configuration names."""

from __future__ import annotations

import argparse
import threading

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


class ConfiguredStore:
    """The configured store for a program of many threads; one of them reads or writes at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def sent(self, text: str, what: str) -> str:
        """What travels for the text, which is stored first if it is long.

        Raises:
            PayloadError, StoreError: as the function `sent`.
        """
        from flowyd.worker.payloads import sent_by_script

        with self._lock:
            return sent_by_script(text, what)

    def whole(self, travelled: str) -> str:
        """The text that travelled, itself or by reference.

        Raises:
            StoreError: it cannot be had.
        """
        from flowyd.worker.payloads import whole_for_script

        with self._lock:
            return whole_for_script(travelled)


def configured_store(namespace: argparse.Namespace) -> ConfiguredStore | None:
    """The store that the configuration names; None: it names none, or there is no configuration.

    Raises:
        ConfigError: the configuration cannot be read or is wrong.
    """
    config = known_config(namespace)
    if config is None or config.payloads.store is None:
        return None
    use_configured_store(namespace)
    return ConfiguredStore()

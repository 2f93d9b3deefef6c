"""Domains and types as starts and decisions look them up: the catalog's answers, kept until it changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from flowyd.engine import catalog
from flowyd.engine.catalog import Domain, RegisteredType


class Registry:
    """A cache over the catalog; `changed` empties it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._domains: dict[str, Domain] = {}
        self._types: dict[tuple[int, str, str, str], RegisteredType] = {}

    def domain(self, name: str) -> Domain:
        """The domain of that name.

        Raises:
            UnknownResourceFault: there is none.
        """
        domain = self._domains.get(name)
        if domain is None:
            domain = self._domains[name] = catalog.find_domain(self._connection, name)
        return domain

    def type(self, domain_id: int, kind: str, named: Mapping[str, Any]) -> RegisteredType | None:
        """The workflow or activity type of a name and version; None if there is none."""
        key = (domain_id, kind, named["name"], named["version"])
        found = self._types.get(key)
        if found is None:
            registered = catalog.find_type(self._connection, *key)
            if registered is None:
                return None
            found = self._types[key] = registered
        return found

    def changed(self) -> None:
        """Forgets everything: an operation changed the catalog, or its change was rolled back."""
        self._domains.clear()
        self._types.clear()

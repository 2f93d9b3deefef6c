"""A database with the engine's schema in memory, and its operations by name."""

from __future__ import annotations

import json
import sqlite3
from importlib.resources import files
from typing import Any

from flowyd.engine import catalog, requests, visibility
from flowyd.engine.catalog import CatalogLimits
from flowyd.engine.tokens import TokenCodec

NOW = 1_700_000_000.25


class RegistryInMemory:
    """Calls operations of the catalog and of visibility as the service does."""

    def __init__(self, allowed: CatalogLimits | None = None) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.executescript((files("flowyd.engine") / "schema.sql").read_text())
        codec = TokenCodec(b"s" * 32)
        self._actions = {**catalog.actions(codec, allowed), **visibility.actions(codec)}
        self.now = NOW

    def call(self, action: str, **members: Any) -> dict[str, Any] | None:
        checked = requests.check(action, members)
        return self._actions[action](self.connection, checked, self.now)

    def answer(self, action: str, **members: Any) -> dict[str, Any]:
        """The answer of an operation that has one."""
        answer = self.call(action, **members)
        assert answer is not None
        return answer

    def register_domain(self, name: str = "d", **members: Any) -> None:
        self.call("RegisterDomain", name=name, workflowExecutionRetentionPeriodInDays="30", **members)

    def pages(self, action: str, items: str, **members: Any) -> list[list[dict[str, Any]]]:
        """All pages of a list."""
        pages, token = [], None
        while True:
            answer = self.answer(action, **members, nextPageToken=token)
            pages.append(answer[items])
            token = answer.get("nextPageToken")
            if token is None:
                return pages

    def add_execution(self, workflow_id: str, started_at: float, **columns: Any) -> None:
        """A row as the store writes it."""
        row = {
            "domain_id": 1,
            "workflow_id": workflow_id,
            "run_id": f"run of {workflow_id}",
            "type_name": "type",
            "type_version": "1",
            "started_at": started_at,
            **columns,
        }
        if "tag_list" in row:
            row["tag_list"] = json.dumps(row["tag_list"])
        marks = ", ".join("?" * len(row))
        self.connection.execute(
            f"INSERT INTO execution ({', '.join(row)}) VALUES ({marks})", list(row.values())
        )

"""What a service is told besides database and clock; the defaults are Amazon SWF's."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from flowyd.config.records import EngineLimits
from flowyd.engine.catalog import CatalogLimits
from flowyd.engine.rules.settings import Quotas
from flowyd.engine.run_ids import RunIds, random_run_ids
from flowyd.swf import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """How much may be stored, waited for and kept in memory."""

    quotas: Quotas = field(default_factory=Quotas)
    catalog: CatalogLimits = field(default_factory=CatalogLimits)
    #: How long a poll waits for a task, seconds.
    poll_s: float = limits.POLL_S
    #: How long a page token is good, seconds.
    page_token_s: float = limits.PAGE_TOKEN_S
    #: Estimated bytes of executions kept in memory; the least recently used are folded again when needed.
    hot_bytes: int = 128 * 1024 * 1024
    #: Where run ids come from.
    run_ids: RunIds = random_run_ids


def settings_of(allowed: EngineLimits) -> ServiceSettings:
    """The settings with the configuration's limits: fields of one name mean the same."""
    return ServiceSettings(
        quotas=Quotas(**_fields_of(Quotas, allowed)),
        catalog=CatalogLimits(**_fields_of(CatalogLimits, allowed)),
        poll_s=allowed.poll_s,
        page_token_s=allowed.page_token_s,
        hot_bytes=allowed.memory_bytes,
    )


def _fields_of(record: type[Any], allowed: EngineLimits) -> dict[str, int]:
    return {field.name: getattr(allowed, field.name) for field in fields(record)}

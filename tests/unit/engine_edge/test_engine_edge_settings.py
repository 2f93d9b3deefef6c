"""The configuration's limits reach the engine's records: one name, one meaning, one default."""

from __future__ import annotations

from dataclasses import fields

from flowyd.config.records import EngineLimits
from flowyd.engine.settings import ServiceSettings, settings_of


def test_the_defaults_of_the_configuration_are_those_of_the_service() -> None:
    assert settings_of(EngineLimits()) == ServiceSettings()


def test_every_limit_reaches_the_service() -> None:
    numbers = {field.name: 1_000_000 + place for place, field in enumerate(fields(EngineLimits))}

    settings = settings_of(EngineLimits(**numbers))

    found = {
        *(getattr(settings.quotas, field.name) for field in fields(settings.quotas)),
        *(getattr(settings.catalog, field.name) for field in fields(settings.catalog)),
        *(settings.poll_s, settings.page_token_s, settings.hot_bytes),
    }
    # The server itself keeps the number of connections.
    assert found == set(numbers.values()) - {numbers["connections"]}

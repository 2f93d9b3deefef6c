"""Registered types against the module's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flowyd import Activity, activity
from flowyd.errors import UnreachableError
from flowyd.sdk.registry import registration_of
from flowyd.swf.faults import (
    DomainAlreadyExistsFault,
    SwfFault,
    ThrottlingException,
    TypeAlreadyExistsFault,
    UnknownResourceFault,
)
from flowyd.worker.calling import call_through
from flowyd.worker.registration import register_activity, register_domain, served


@activity("resize", 1, "images", heartbeat=30, start_to_close=60)
class Resize(Activity):
    def run(self) -> None: ...


RESIZE: Any = registration_of(Resize)


class Registry:
    """A small service of its own: keeps what was registered, as SWF does."""

    def __init__(self) -> None:
        self.types: dict[tuple[str, str], dict[str, Any]] = {}
        self.domains: set[str] = set()
        self.status = "REGISTERED"

    def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if action == "RegisterDomain":
            if request["name"] in self.domains:
                raise DomainAlreadyExistsFault(request["name"])
            self.domains.add(request["name"])
            return {}
        if action == "RegisterActivityType":
            key = (request["name"], request["version"])
            if key in self.types:
                raise TypeAlreadyExistsFault(str(key))
            self.types[key] = {name: value for name, value in request.items() if name.startswith("default")}
            return {}
        assert action == "DescribeActivityType"
        named = request["activityType"]
        configuration = self.types[named["name"], named["version"]]
        return {"configuration": configuration, "typeInfo": {"status": self.status}}

    def close(self) -> None: ...


def test_a_type_is_registered_with_the_modules_defaults() -> None:
    registry = Registry()

    assert register_activity(registry, "d", RESIZE) is None
    assert registry.types["resize", "1"] == {
        "defaultTaskList": {"name": "images"},
        "defaultTaskHeartbeatTimeout": "30",
        "defaultTaskScheduleToCloseTimeout": "420",
        "defaultTaskScheduleToStartTimeout": "120",
        "defaultTaskStartToCloseTimeout": "60",
    }


def test_a_type_registered_with_the_same_defaults_is_served() -> None:
    registry = Registry()
    register_activity(registry, "d", RESIZE)

    assert register_activity(registry, "d", RESIZE) is None


def test_a_drifted_type_is_refused_and_the_value_named() -> None:
    registry = Registry()
    register_activity(registry, "d", RESIZE)
    registry.types["resize", "1"]["defaultTaskStartToCloseTimeout"] = "300"
    del registry.types["resize", "1"]["defaultTaskHeartbeatTimeout"]

    assert register_activity(registry, "d", RESIZE) == (
        "resize 1 is registered with other defaults: heartbeat is not set there and 30 in the module; "
        "start_to_close is 300 there and 60 in the module. Give the type a new version"
    )


def test_a_deprecated_type_is_refused() -> None:
    registry = Registry()
    register_activity(registry, "d", RESIZE)
    registry.status = "DEPRECATED"

    assert "is deprecated" in (register_activity(registry, "d", RESIZE) or "")


def test_a_domain_is_registered_once() -> None:
    registry = Registry()

    register_domain(registry, "d", retention_days=3)
    register_domain(registry, "d", retention_days=3)

    assert registry.domains == {"d"}


def test_a_type_that_two_modules_define_is_served_from_the_first() -> None:
    @activity("resize", 1, "images")
    class Other(Activity):
        def run(self) -> None: ...

    broken: dict[str, str] = {}

    types = served([("a.py", RESIZE), ("b.py", registration_of(Other))], broken, lambda _: None)  # type: ignore[type-var]

    assert types == {("resize", "1"): RESIZE}
    assert broken == {"b.py": "resize 1 is defined in a.py already"}


class Flaky:
    """Refuses so many calls with one fault, then answers."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)

    def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        if self.faults:
            raise self.faults.pop(0)
        return {"answered": True}

    def close(self) -> None: ...


def test_a_service_that_is_away_or_busy_is_waited_for() -> None:
    waits: list[float] = []
    client = Flaky(UnreachableError("gone"), ThrottlingException("slowly"))

    answer = call_through(client, "A", {}, within_s=60, wait=waits.append)

    assert answer == {"answered": True}
    assert len(waits) == 2


def test_a_refusal_is_not_repeated() -> None:
    client = Flaky(UnknownResourceFault("closed"))

    with pytest.raises(SwfFault):
        call_through(client, "A", {}, within_s=60, wait=lambda _: None)

    assert client.call("A", {}) == {"answered": True}


def test_waiting_is_given_up_when_asked_to() -> None:
    client = Flaky(*(UnreachableError("gone") for _ in range(9)))

    with pytest.raises(UnreachableError):
        call_through(client, "A", {}, within_s=60, wait=lambda _: True)

    assert len(client.faults) == 8

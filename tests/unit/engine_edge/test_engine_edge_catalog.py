"""Domains, tags and types: answers, orders, faults and their messages."""

from __future__ import annotations

from typing import Any

import pytest

from flowyd.engine.catalog import CatalogLimits, find_type
from flowyd.swf.faults import (
    DomainAlreadyExistsFault,
    DomainDeprecatedFault,
    LimitExceededFault,
    SwfFault,
    TooManyTagsFault,
    TypeAlreadyExistsFault,
    TypeDeprecatedFault,
    TypeNotDeprecatedFault,
    UnknownResourceFault,
    ValidationException,
)
from tests.unit.engine_edge.engine_edge_registry import NOW, RegistryInMemory

WORKFLOW = {"domain": "d", "workflowType": {"name": "n", "version": "1"}}
ACTIVITY = {"domain": "d", "activityType": {"name": "n", "version": "1"}}


@pytest.fixture
def registry() -> RegistryInMemory:
    """A registry with the domain `d`."""
    registry = RegistryInMemory()
    registry.register_domain()
    return registry


def refused(registry: RegistryInMemory, action: str, **members: Any) -> SwfFault:
    with pytest.raises(SwfFault) as raised:
        registry.call(action, **members)
    return raised.value


def test_a_domain_is_described_as_registered(registry: RegistryInMemory) -> None:
    registry.register_domain("e", description="")

    assert registry.call("DescribeDomain", name="e") == {
        "configuration": {"workflowExecutionRetentionPeriodInDays": "30"},
        "domainInfo": {
            "arn": "arn:aws:swf:local:000000000000:/domain/e",
            "description": "",
            "name": "e",
            "status": "REGISTERED",
        },
    }


def test_a_domain_without_description_has_no_such_member(registry: RegistryInMemory) -> None:
    assert "description" not in registry.answer("DescribeDomain", name="d")["domainInfo"]


def test_a_second_domain_of_a_name_is_refused_with_the_name(registry: RegistryInMemory) -> None:
    fault = refused(registry, "RegisterDomain", name="d", workflowExecutionRetentionPeriodInDays="1")

    assert (type(fault), fault.message) == (DomainAlreadyExistsFault, "d")


def test_deprecating_twice_is_refused_with_the_name(registry: RegistryInMemory) -> None:
    registry.call("DeprecateDomain", name="d")

    fault = refused(registry, "DeprecateDomain", name="d")

    assert (type(fault), fault.message) == (DomainDeprecatedFault, "d")


def test_an_undeprecated_domain_is_registered(registry: RegistryInMemory) -> None:
    registry.call("DeprecateDomain", name="d")
    registry.call("UndeprecateDomain", name="d")

    assert registry.answer("DescribeDomain", name="d")["domainInfo"]["status"] == "REGISTERED"
    assert isinstance(refused(registry, "UndeprecateDomain", name="d"), DomainAlreadyExistsFault)


def test_a_deprecated_domain_deprecates_its_types_and_takes_no_new_ones(registry: RegistryInMemory) -> None:
    registry.call("RegisterWorkflowType", domain="d", name="n", version="1")
    registry.call("DeprecateDomain", name="d")

    assert registry.answer("DescribeWorkflowType", **WORKFLOW)["typeInfo"]["status"] == "DEPRECATED"
    fault = refused(registry, "RegisterWorkflowType", domain="d", name="n", version="2")
    assert (type(fault), fault.message) == (DomainDeprecatedFault, "d")


def test_unknown_domains_are_named(registry: RegistryInMemory) -> None:
    assert refused(registry, "DescribeDomain", name="x").message == "Unknown domain: x"


def test_there_are_only_so_many_domains() -> None:
    registry = RegistryInMemory(CatalogLimits(domains=1))
    registry.register_domain()

    with pytest.raises(LimitExceededFault):
        registry.register_domain("e")


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_domains_are_listed_by_name_in_pages(registry: RegistryInMemory, size: int, backwards: bool) -> None:
    for name in ("c", "a", "b"):
        registry.register_domain(name)
    registry.call("DeprecateDomain", name="b")

    pages = registry.pages(
        "ListDomains",
        "domainInfos",
        registrationStatus="REGISTERED",
        maximumPageSize=size,
        reverseOrder=backwards,
    )

    names = ["d", "c", "a"] if backwards else ["a", "c", "d"]
    assert [info["name"] for page in pages for info in page] == names
    assert all(pages)


def test_a_page_token_belongs_to_its_query(registry: RegistryInMemory) -> None:
    registry.register_domain("e")
    first = registry.answer("ListDomains", registrationStatus="REGISTERED", maximumPageSize=1)

    with pytest.raises(ValidationException, match="Invalid token"):
        registry.call("ListDomains", registrationStatus="DEPRECATED", nextPageToken=first["nextPageToken"])


def test_tags_are_replaced_by_key_and_removed(registry: RegistryInMemory) -> None:
    arn = registry.answer("DescribeDomain", name="d")["domainInfo"]["arn"]
    registry.call("TagResource", resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b"}])
    registry.call("TagResource", resourceArn=arn, tags=[{"key": "a", "value": "2"}])
    assert registry.call("ListTagsForResource", resourceArn=arn) == {
        "tags": [{"key": "a", "value": "2"}, {"key": "b"}]
    }

    registry.call("UntagResource", resourceArn=arn, tagKeys=["a", "unknown"])

    assert registry.call("ListTagsForResource", resourceArn=arn) == {"tags": [{"key": "b"}]}


def test_any_region_and_account_name_the_same_domain(registry: RegistryInMemory) -> None:
    arn = "arn:aws:swf:eu-west-1:123456789012:/domain/d"

    assert registry.call("ListTagsForResource", resourceArn=arn) == {"tags": []}


@pytest.mark.parametrize("arn", ["arn:aws:swf:r:a:/domain/x", "domain/d", "arn:aws:s3:r:a:/domain/d"])
def test_tags_of_what_is_unknown_are_refused(registry: RegistryInMemory, arn: str) -> None:
    assert isinstance(refused(registry, "ListTagsForResource", resourceArn=arn), UnknownResourceFault)


def test_a_domain_has_fifty_tags_at_most(registry: RegistryInMemory) -> None:
    tags = [{"key": str(number)} for number in range(51)]

    with pytest.raises(TooManyTagsFault):
        registry.register_domain("e", tags=tags)


def test_a_type_is_described_with_exactly_the_defaults_it_was_given(registry: RegistryInMemory) -> None:
    registry.call(
        "RegisterActivityType",
        domain="d",
        name="n",
        version="1",
        description="what it does",
        defaultTaskList={"name": "list"},
        defaultTaskHeartbeatTimeout="NONE",
        defaultTaskPriority="0",
    )

    assert registry.call("DescribeActivityType", **ACTIVITY) == {
        "configuration": {
            "defaultTaskHeartbeatTimeout": "NONE",
            "defaultTaskList": {"name": "list"},
            "defaultTaskPriority": "0",
        },
        "typeInfo": {
            "activityType": {"name": "n", "version": "1"},
            "creationDate": NOW,
            "description": "what it does",
            "status": "REGISTERED",
        },
    }


def test_a_type_without_defaults_has_an_empty_configuration(registry: RegistryInMemory) -> None:
    registry.call("RegisterWorkflowType", domain="d", name="n", version="1")

    assert registry.answer("DescribeWorkflowType", **WORKFLOW)["configuration"] == {}


def test_a_second_type_is_refused_whatever_its_settings(registry: RegistryInMemory) -> None:
    registry.call("RegisterWorkflowType", domain="d", name="n", version="1")

    fault = refused(
        registry, "RegisterWorkflowType", domain="d", name="n", version="1", defaultChildPolicy="ABANDON"
    )

    assert (type(fault), fault.message) == (TypeAlreadyExistsFault, "WorkflowType=[name=n, version=1]")


def test_kinds_of_types_are_separate(registry: RegistryInMemory) -> None:
    registry.call("RegisterWorkflowType", domain="d", name="n", version="1")

    fault = refused(registry, "DescribeActivityType", **ACTIVITY)

    assert (type(fault), fault.message) == (
        UnknownResourceFault,
        "Unknown type: ActivityType=[name=n, version=1]",
    )


def test_the_life_of_a_type(registry: RegistryInMemory) -> None:
    registry.call("RegisterActivityType", domain="d", name="n", version="1")
    fault = refused(registry, "DeleteActivityType", **ACTIVITY)
    assert (type(fault), fault.message) == (
        TypeNotDeprecatedFault,
        "The type is currently registered and cannot be deleted in its current state",
    )
    assert isinstance(refused(registry, "UndeprecateActivityType", **ACTIVITY), TypeAlreadyExistsFault)

    registry.call("DeprecateActivityType", **ACTIVITY)
    info = registry.answer("DescribeActivityType", **ACTIVITY)["typeInfo"]
    assert (info["status"], info["deprecationDate"]) == ("DEPRECATED", NOW)
    fault = refused(registry, "DeprecateActivityType", **ACTIVITY)
    assert (type(fault), fault.message) == (TypeDeprecatedFault, "ActivityType=[name=n, version=1]")

    registry.call("UndeprecateActivityType", **ACTIVITY)
    assert "deprecationDate" not in registry.answer("DescribeActivityType", **ACTIVITY)["typeInfo"]

    registry.call("DeprecateActivityType", **ACTIVITY)
    registry.call("DeleteActivityType", **ACTIVITY)
    assert find_type(registry.connection, 1, "activity", "n", "1") is None
    registry.call("RegisterActivityType", domain="d", name="n", version="1")


def test_there_are_only_so_many_types_of_a_kind() -> None:
    registry = RegistryInMemory(CatalogLimits(types_per_domain=1))
    registry.register_domain()
    registry.call("RegisterActivityType", domain="d", name="n", version="1")
    registry.call("RegisterWorkflowType", domain="d", name="n", version="1")

    with pytest.raises(LimitExceededFault):
        registry.call("RegisterActivityType", domain="d", name="n", version="2")


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_types_are_listed_by_name_and_version(registry: RegistryInMemory, size: int, backwards: bool) -> None:
    wanted = [("a", "1"), ("a", "2"), ("b", "1"), ("c", "3")]
    for name, version in reversed(wanted):
        registry.call("RegisterActivityType", domain="d", name=name, version=version)

    pages = registry.pages(
        "ListActivityTypes",
        "typeInfos",
        domain="d",
        registrationStatus="REGISTERED",
        maximumPageSize=size,
        reverseOrder=backwards,
    )

    types = [info["activityType"] for page in pages for info in page]
    listed = [(named["name"], named["version"]) for named in types]
    assert listed == (wanted[::-1] if backwards else wanted)
    assert all(pages)


def test_types_are_listed_of_one_name(registry: RegistryInMemory) -> None:
    for name in ("a", "b"):
        registry.call("RegisterWorkflowType", domain="d", name=name, version="1")

    answer = registry.answer("ListWorkflowTypes", domain="d", registrationStatus="REGISTERED", name="b")

    assert [info["workflowType"]["name"] for info in answer["typeInfos"]] == ["b"]

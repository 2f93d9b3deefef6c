"""The registry: domains and their tags, workflow and activity types.

Functions take the connection, the checked request and the time, and answer with wire dicts (None where the
operation answers nothing). They run inside the turn's transaction and raise SWF's faults.
Rules: SWF API Reference; messages as recorded or reported. Where the service's behaviour is not known:
undeprecating a domain does not bring its types back, each is undeprecated by itself; unknown tag keys are
ignored when untagged; of several tags with one key the last one counts. The module is long because its SQL
stands in it by name; domains and types stay together, since deprecating a domain deprecates its types.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flowyd.engine.paging import next_page_token, page_of
from flowyd.engine.tokens import TokenCodec
from flowyd.swf import limits
from flowyd.swf.faults import (
    DomainAlreadyExistsFault,
    DomainDeprecatedFault,
    LimitExceededFault,
    TooManyTagsFault,
    TypeAlreadyExistsFault,
    TypeDeprecatedFault,
    TypeNotDeprecatedFault,
    UnknownResourceFault,
)

REGISTERED = "REGISTERED"
DEPRECATED = "DEPRECATED"

Request = dict[str, Any]
Action = Callable[[sqlite3.Connection, Request, float], "dict[str, Any] | None"]

#: ARNs name a region and an account; this service has neither, so any is accepted and these are answered.
_ARN_PREFIX = "arn:aws:swf:local:000000000000:/domain/"
_ARN = re.compile(r"arn:[^:]*:swf:[^:]*:[^:]*:/domain/(?P<name>.+)", re.DOTALL)

_DOMAIN = "SELECT id, name, status, retention_days FROM domain WHERE name = ?"
_DOMAIN_COUNT = "SELECT count(*) FROM domain"
_DOMAIN_INSERT = (
    "INSERT INTO domain (name, status, description, retention_days, tags) VALUES (?, 'REGISTERED', ?, ?, ?)"
)
_DOMAIN_STATUS = "UPDATE domain SET status = ? WHERE id = ?"
_DOMAIN_DETAIL = "SELECT description, tags FROM domain WHERE id = ?"
_DOMAIN_TAGS = "UPDATE domain SET tags = ? WHERE id = ?"
_DOMAIN_PAGE = {
    False: "SELECT name, description FROM domain WHERE status = ? AND name > ? ORDER BY name LIMIT ?",
    True: "SELECT name, description FROM domain WHERE status = ? AND (? IS NULL OR name < ?) "
    "ORDER BY name DESC LIMIT ?",
}
_TYPE = "SELECT status, configuration FROM type WHERE domain_id = ? AND kind = ? AND name = ? AND version = ?"
_TYPE_DETAIL = (
    "SELECT status, configuration, description, created_at, deprecated_at FROM type "
    "WHERE domain_id = ? AND kind = ? AND name = ? AND version = ?"
)
_TYPE_COUNT = "SELECT count(*) FROM type WHERE domain_id = ? AND kind = ?"
_TYPE_INSERT = (
    "INSERT INTO type (domain_id, kind, name, version, status, description, created_at, configuration) "
    "VALUES (?, ?, ?, ?, 'REGISTERED', ?, ?, ?)"
)
_TYPE_STATUS = (
    "UPDATE type SET status = ?, deprecated_at = ? "
    "WHERE domain_id = ? AND kind = ? AND name = ? AND version = ?"
)
_TYPES_OF_DOMAIN_DEPRECATED = (
    "UPDATE type SET status = 'DEPRECATED', deprecated_at = ? WHERE domain_id = ? AND status = 'REGISTERED'"
)
_TYPE_DELETE = "DELETE FROM type WHERE domain_id = ? AND kind = ? AND name = ? AND version = ?"
_TYPE_PAGE = (
    "SELECT name, version, description, created_at, deprecated_at FROM type "
    "WHERE domain_id = ? AND kind = ? AND status = ? {narrower} ORDER BY name {way}, version {way} LIMIT ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A registered or deprecated domain."""

    id: int
    name: str
    #: REGISTERED or DEPRECATED.
    status: str
    #: As given: digits, or NONE (which means 0).
    retention_days: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredType:
    """A type of either kind, as far as starting or scheduling needs it."""

    #: REGISTERED or DEPRECATED.
    status: str
    #: The defaults that were registered, under their wire names.
    configuration: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogLimits:
    """How much may be registered."""

    domains: int = limits.DOMAINS
    #: Of each kind, per domain.
    types_per_domain: int = limits.TYPES_PER_DOMAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What sets the two kinds of types apart."""

    #: As the `type` table has it.
    name: str
    #: The member that holds name and version, and what messages call it.
    member: str
    label: str
    defaults: tuple[str, ...]


_WORKFLOW = _Kind(
    name="workflow",
    member="workflowType",
    label="WorkflowType",
    defaults=(
        "defaultTaskStartToCloseTimeout",
        "defaultExecutionStartToCloseTimeout",
        "defaultTaskList",
        "defaultTaskPriority",
        "defaultChildPolicy",
        "defaultLambdaRole",
    ),
)
_ACTIVITY = _Kind(
    name="activity",
    member="activityType",
    label="ActivityType",
    defaults=(
        "defaultTaskStartToCloseTimeout",
        "defaultTaskHeartbeatTimeout",
        "defaultTaskList",
        "defaultTaskPriority",
        "defaultTaskScheduleToStartTimeout",
        "defaultTaskScheduleToCloseTimeout",
    ),
)


def find_domain(connection: sqlite3.Connection, name: str) -> Domain:
    """The domain of that name, deprecated or not.

    Raises:
        UnknownResourceFault: there is none.
    """
    row = connection.execute(_DOMAIN, (name,)).fetchone()
    if row is None:
        raise UnknownResourceFault(f"Unknown domain: {name}")
    return Domain(id=row[0], name=row[1], status=row[2], retention_days=row[3])


def find_type(
    connection: sqlite3.Connection, domain_id: int, kind: str, name: str, version: str
) -> RegisteredType | None:
    """The type of kind `workflow` or `activity`, or None if it was never registered or is deleted."""
    row = connection.execute(_TYPE, (domain_id, kind, name, version)).fetchone()
    return None if row is None else RegisteredType(status=row[0], configuration=json.loads(row[1]))


def actions(codec: TokenCodec, allowed: CatalogLimits | None = None) -> dict[str, Action]:
    """Every operation of the registry by its name."""
    allowed = allowed or CatalogLimits()
    table: dict[str, Action] = {
        "RegisterDomain": partial(_register_domain, allowed),
        "DescribeDomain": _describe_domain,
        "ListDomains": partial(_list_domains, codec),
        "DeprecateDomain": _deprecate_domain,
        "UndeprecateDomain": _undeprecate_domain,
        "TagResource": _tag_resource,
        "UntagResource": _untag_resource,
        "ListTagsForResource": _list_tags,
    }
    for kind in (_WORKFLOW, _ACTIVITY):
        table |= {
            f"Register{kind.label}": partial(_register_type, allowed, kind),
            f"Describe{kind.label}": partial(_describe_type, kind),
            f"List{kind.label}s": partial(_list_types, codec, kind),
            f"Deprecate{kind.label}": partial(_deprecate_type, kind),
            f"Undeprecate{kind.label}": partial(_undeprecate_type, kind),
            f"Delete{kind.label}": partial(_delete_type, kind),
        }
    return table


def _register_domain(
    allowed: CatalogLimits, connection: sqlite3.Connection, request: Request, now: float
) -> None:
    del now
    name = request["name"]
    if connection.execute(_DOMAIN, (name,)).fetchone():
        raise DomainAlreadyExistsFault(name)
    if connection.execute(_DOMAIN_COUNT).fetchone()[0] >= allowed.domains:
        raise LimitExceededFault(f"Limit on the number of domains reached: {allowed.domains}")
    tags = _with_tags({}, request.get("tags", []))
    row = (
        name,
        request.get("description"),
        request["workflowExecutionRetentionPeriodInDays"],
        json.dumps(tags),
    )
    connection.execute(_DOMAIN_INSERT, row)


def _describe_domain(connection: sqlite3.Connection, request: Request, now: float) -> dict[str, Any]:
    del now
    domain = find_domain(connection, request["name"])
    description, _ = connection.execute(_DOMAIN_DETAIL, (domain.id,)).fetchone()
    return {
        "configuration": {"workflowExecutionRetentionPeriodInDays": domain.retention_days},
        "domainInfo": _domain_info(domain.name, domain.status, description),
    }


def _domain_info(name: str, status: str, description: str | None) -> dict[str, Any]:
    info = {"arn": _ARN_PREFIX + name, "name": name, "status": status}
    if description is not None:
        info["description"] = description
    return info


def _list_domains(
    codec: TokenCodec, connection: sqlite3.Connection, request: Request, now: float
) -> dict[str, Any]:
    page = page_of(codec, "ListDomains", request, now)
    status, after = request["registrationStatus"], page.after[0] if page.after else None
    if request.get("reverseOrder", False):
        rows = connection.execute(_DOMAIN_PAGE[True], (status, after, after, page.size + 1)).fetchall()
    else:
        rows = connection.execute(_DOMAIN_PAGE[False], (status, after or "", page.size + 1)).fetchall()
    shown = rows[: page.size]
    answer: dict[str, Any] = {"domainInfos": [_domain_info(name, status, text) for name, text in shown]}
    if len(rows) > page.size:
        answer["nextPageToken"] = next_page_token(codec, page, shown[-1][:1], now)
    return answer


def _deprecate_domain(connection: sqlite3.Connection, request: Request, now: float) -> None:
    domain = _registered_domain(connection, request["name"])
    connection.execute(_DOMAIN_STATUS, (DEPRECATED, domain.id))
    connection.execute(_TYPES_OF_DOMAIN_DEPRECATED, (now, domain.id))


def _undeprecate_domain(connection: sqlite3.Connection, request: Request, now: float) -> None:
    del now
    domain = find_domain(connection, request["name"])
    if domain.status == REGISTERED:
        raise DomainAlreadyExistsFault(domain.name)
    connection.execute(_DOMAIN_STATUS, (REGISTERED, domain.id))


def _registered_domain(connection: sqlite3.Connection, name: str) -> Domain:
    domain = find_domain(connection, name)
    if domain.status == DEPRECATED:
        raise DomainDeprecatedFault(name)
    return domain


def _tagged_domain(connection: sqlite3.Connection, arn: str) -> tuple[int, dict[str, str | None]]:
    match = _ARN.fullmatch(arn)
    if match is None:
        raise UnknownResourceFault(f"Unknown resource: {arn}")
    domain = find_domain(connection, match["name"])
    _, tags = connection.execute(_DOMAIN_DETAIL, (domain.id,)).fetchone()
    return domain.id, json.loads(tags)


def _with_tags(tags: dict[str, str | None], added: list[dict[str, str]]) -> dict[str, str | None]:
    merged = tags | {tag["key"]: tag.get("value") for tag in added}
    if len(merged) > limits.TAGS_PER_DOMAIN:
        raise TooManyTagsFault(f"A domain can have {limits.TAGS_PER_DOMAIN} tags at most")
    return merged


def _tag_resource(connection: sqlite3.Connection, request: Request, now: float) -> None:
    del now
    domain_id, tags = _tagged_domain(connection, request["resourceArn"])
    connection.execute(_DOMAIN_TAGS, (json.dumps(_with_tags(tags, request["tags"])), domain_id))


def _untag_resource(connection: sqlite3.Connection, request: Request, now: float) -> None:
    del now
    domain_id, tags = _tagged_domain(connection, request["resourceArn"])
    kept = {key: value for key, value in tags.items() if key not in request["tagKeys"]}
    connection.execute(_DOMAIN_TAGS, (json.dumps(kept), domain_id))


def _list_tags(connection: sqlite3.Connection, request: Request, now: float) -> dict[str, Any]:
    del now
    _, tags = _tagged_domain(connection, request["resourceArn"])
    return {
        "tags": [
            {"key": key} if value is None else {"key": key, "value": value} for key, value in tags.items()
        ]
    }


def _register_type(
    allowed: CatalogLimits, kind: _Kind, connection: sqlite3.Connection, request: Request, now: float
) -> None:
    domain = _registered_domain(connection, request["domain"])
    name, version = request["name"], request["version"]
    if find_type(connection, domain.id, kind.name, name, version):
        raise TypeAlreadyExistsFault(_written(kind, name, version))
    if connection.execute(_TYPE_COUNT, (domain.id, kind.name)).fetchone()[0] >= allowed.types_per_domain:
        raise LimitExceededFault(
            f"Limit on the number of {kind.name} types in a domain reached: {allowed.types_per_domain}"
        )
    configuration = json.dumps({key: request[key] for key in kind.defaults if key in request})
    row = (domain.id, kind.name, name, version, request.get("description"), now, configuration)
    connection.execute(_TYPE_INSERT, row)


def _written(kind: _Kind, name: str, version: str) -> str:
    return f"{kind.label}=[name={name}, version={version}]"


def _named(
    connection: sqlite3.Connection, kind: _Kind, request: Request
) -> tuple[tuple[int, str, str, str], str]:
    """The key of the type that the request names, and its status."""
    domain = find_domain(connection, request["domain"])
    name, version = request[kind.member]["name"], request[kind.member]["version"]
    known = find_type(connection, domain.id, kind.name, name, version)
    if known is None:
        raise UnknownResourceFault(f"Unknown type: {_written(kind, name, version)}")
    return (domain.id, kind.name, name, version), known.status


def _describe_type(
    kind: _Kind, connection: sqlite3.Connection, request: Request, now: float
) -> dict[str, Any]:
    del now
    key, status = _named(connection, kind, request)
    row = connection.execute(_TYPE_DETAIL, key).fetchone()
    return {
        "configuration": json.loads(row[1]),
        "typeInfo": _type_info(kind, status, (key[2], key[3], *row[2:])),
    }


def _type_info(kind: _Kind, status: str, row: tuple[Any, ...]) -> dict[str, Any]:
    name, version, description, created_at, deprecated_at = row
    info = {
        "creationDate": created_at,
        kind.member: {"name": name, "version": version},
        "status": status,
    }
    if description is not None:
        info["description"] = description
    if status == DEPRECATED:
        info["deprecationDate"] = deprecated_at
    return info


def _list_types(
    codec: TokenCodec, kind: _Kind, connection: sqlite3.Connection, request: Request, now: float
) -> dict[str, Any]:
    page = page_of(codec, f"List{kind.label}s", request, now)
    domain = find_domain(connection, request["domain"])
    status, backwards = request["registrationStatus"], request.get("reverseOrder", False)
    narrower, values = "", [domain.id, kind.name, status]
    if "name" in request:
        narrower, values = "AND name = ? ", [*values, request["name"]]
    if page.after:
        narrower += f"AND (name, version) {'<' if backwards else '>'} (?, ?)"
        values += page.after
    statement = _TYPE_PAGE.format(narrower=narrower, way="DESC" if backwards else "ASC")
    rows = connection.execute(statement, [*values, page.size + 1]).fetchall()
    shown = rows[: page.size]
    answer: dict[str, Any] = {"typeInfos": [_type_info(kind, status, row) for row in shown]}
    if len(rows) > page.size:
        answer["nextPageToken"] = next_page_token(codec, page, shown[-1][:2], now)
    return answer


def _deprecate_type(kind: _Kind, connection: sqlite3.Connection, request: Request, now: float) -> None:
    key, status = _named(connection, kind, request)
    if status == DEPRECATED:
        raise TypeDeprecatedFault(_written(kind, *key[2:]))
    connection.execute(_TYPE_STATUS, (DEPRECATED, now, *key))


def _undeprecate_type(kind: _Kind, connection: sqlite3.Connection, request: Request, now: float) -> None:
    del now
    key, status = _named(connection, kind, request)
    if status == REGISTERED:
        raise TypeAlreadyExistsFault(_written(kind, *key[2:]))
    connection.execute(_TYPE_STATUS, (REGISTERED, None, *key))


def _delete_type(kind: _Kind, connection: sqlite3.Connection, request: Request, now: float) -> None:
    del now
    key, status = _named(connection, kind, request)
    if status == REGISTERED:
        raise TypeNotDeprecatedFault(
            "The type is currently registered and cannot be deleted in its current state"
        )
    connection.execute(_TYPE_DELETE, key)

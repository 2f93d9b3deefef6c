"""`flowyd domains` and `flowyd types`: what is registered, and how domains come and go."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from flowyd.cli import exits
from flowyd.cli.answers import PAGE, pages
from flowyd.cli.daemon_status import status_or_none
from flowyd.cli.options import add_domain
from flowyd.cli.output import page_of, print_json, print_lines
from flowyd.cli.reaching import Service, endpoint_of, service
from flowyd.cli.tables import table
from flowyd.console.view_model import domains as domain_view
from flowyd.console.view_model import types as type_view
from flowyd.errors import FlowydError
from flowyd.swf.faults import (
    DomainAlreadyExistsFault,
    DomainDeprecatedFault,
    UnknownResourceFault,
)
from flowyd.swf.limits import RETENTION_DAYS

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_STATUSES = ("REGISTERED", "DEPRECATED")
DEFAULT_RETENTION_DAYS = 30


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds both commands to the command line."""
    domains = subparsers.add_parser(
        "domains",
        help="list, register and deprecate domains",
        description="Without an action: the domains there are. A deprecated domain takes no new executions.",
    )
    domains.add_argument(
        "action", nargs="?", choices=("list", "register", "deprecate", "undeprecate"), default="list"
    )
    domains.add_argument("names", metavar="NAME", nargs="*")
    domains.add_argument(
        "--retention",
        metavar="DAYS",
        type=_days,
        default=DEFAULT_RETENTION_DAYS,
        help="register: how long closed executions are kept, 0 to 90 days (default: %(default)s)",
    )
    domains.add_argument("--description", metavar="TEXT", help="register: at most 1024 characters")
    domains.set_defaults(run=run_domains, intermixed=True)

    types = subparsers.add_parser(
        "types",
        help="registered workflow and activity types",
        description="Types registered in a domain, and the pools here that serve them.",
    )
    kind = types.add_mutually_exclusive_group()
    kind.add_argument(
        "--workflow", dest="kinds", action="store_const", const=("workflow",), help="workflow types only"
    )
    kind.add_argument(
        "--activity", dest="kinds", action="store_const", const=("activity",), help="activity types only"
    )
    types.add_argument("--name", metavar="NAME", help="only this name")
    add_domain(types)
    types.set_defaults(run=run_types, kinds=("workflow", "activity"))


def run_domains(namespace: argparse.Namespace) -> int:
    """Lists domains or changes some."""
    listing = namespace.action == "list"
    if listing == bool(namespace.names):
        namespace.parser.error("list takes no NAME" if listing else f"{namespace.action} needs a NAME")
    with service(namespace) as reached:
        if listing:
            return _list_domains(reached, as_json=namespace.json)
        for name in namespace.names:
            _change_domain(reached, namespace, name)
            if not namespace.json:
                print(f"domain {name} {_CHANGED[namespace.action]}")
    if namespace.json:
        print_json({"action": namespace.action, "domains": namespace.names})
    return exits.DONE


_CHANGED = {"register": "registered", "deprecate": "deprecated", "undeprecate": "registered again"}


def _change_domain(reached: Service, namespace: argparse.Namespace, name: str) -> None:
    try:
        if namespace.action == "register":
            request = {"name": name, "workflowExecutionRetentionPeriodInDays": str(namespace.retention)}
            if namespace.description:
                request["description"] = namespace.description
            reached.client.call("RegisterDomain", request)
        else:
            reached.client.call(f"{namespace.action.capitalize()}Domain", {"name": name})
    except DomainAlreadyExistsFault as fault:
        raise FlowydError(f"domain {name!r} exists already; see: flowyd domains") from fault
    except DomainDeprecatedFault as fault:
        raise FlowydError(f"domain {name!r} is deprecated already") from fault
    except UnknownResourceFault as fault:
        raise FlowydError(f"no domain {name!r}; see: flowyd domains") from fault


def _list_domains(reached: Service, *, as_json: bool) -> int:
    infos = [
        info
        for status in _STATUSES
        for info in pages(reached, "ListDomains", {"registrationStatus": status}, "domainInfos")
    ]
    if as_json:
        print_json({"domains": infos})
    elif infos:
        rows = domain_view.domain_rows(infos, reached.domain)
        print_lines(table(domain_view.domain_columns(), rows, page_of()))
    else:
        print(f"no domains at {reached.name}; register one: flowyd domains register {reached.domain}")
    return exits.DONE


def run_types(namespace: argparse.Namespace) -> int:
    """Lists types."""
    with service(namespace) as reached:
        try:
            found = {kind: _type_infos(reached, kind, namespace.name) for kind in namespace.kinds}
        except UnknownResourceFault as fault:
            raise FlowydError(f"no domain {reached.domain!r}; see: flowyd domains") from fault
    if namespace.json:
        print_json({"domain": reached.domain, **{f"{kind}Types": infos for kind, infos in found.items()}})
        return exits.DONE
    status = status_or_none(namespace) if endpoint_of(namespace) is None else None
    rows = [row for kind, infos in found.items() for row in type_view.type_rows(kind, infos, status)]
    if rows:
        print_lines(table(type_view.type_columns(now=time.time()), rows, page_of()))
    else:
        print(
            f"no {' or '.join(namespace.kinds)} types in domain {reached.domain}; "
            "workers register those of their modules when they start"
        )
    return exits.DONE


def _type_infos(reached: Service, kind: str, name: str | None) -> list[dict[str, Any]]:
    named = {"name": name} if name else {}
    return [
        info
        for status in _STATUSES
        for info in pages(
            reached,
            f"List{kind.capitalize()}Types",
            {"domain": reached.domain, "registrationStatus": status, "maximumPageSize": PAGE, **named},
            "typeInfos",
        )
    ]


def _days(text: str) -> int:
    count = text.removesuffix("d")
    if not count.isdigit() or int(count) > RETENTION_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and {RETENTION_DAYS} days")
    return int(count)

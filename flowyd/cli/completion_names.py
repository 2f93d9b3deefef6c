"""Names that a Tab offers: workflow ids, runs, pools, pids, types, domains; asked of daemon and service."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import islice

from flowyd.cli.answers import infos, pages
from flowyd.cli.daemon_status import daemon_status
from flowyd.cli.reaching import Service, service
from flowyd.control.status import DaemonStatus

#: More names than this nobody reads; a longer prefix finds the rest of them only if they are among these.
MOST = 1_000
#: A shell waits for the answer.
PATIENCE_S = 1.0

Names = Iterator[tuple[str, str]]
#: Commands that are about open executions only.
_OPEN_ONLY = ("signal", "cancel", "terminate", "why")


def names(metavar: str, dest: str, namespace: argparse.Namespace) -> Names:
    """Names for an argument or option, with a word about each; none where it is not about names.

    Raises:
        FlowydError: nobody answers.
    """
    if metavar in _OF_DAEMON:
        yield from _OF_DAEMON[metavar](daemon_status(namespace, timeout_s=PATIENCE_S))
    key = metavar if metavar != "NAME" else f"NAME {dest}"
    if key in _OF_SERVICE:
        with service(namespace) as reached:
            yield from islice(_OF_SERVICE[key](reached, namespace), MOST)


def _pools(status: DaemonStatus) -> Names:
    for pool in status.pools:
        yield pool.name, f"{pool.kind} pool on list {pool.task_list}"


def _pids(status: DaemonStatus) -> Names:
    for pool in status.pools:
        for worker in pool.workers:
            if worker.pid:
                yield str(worker.pid), f"{pool.name}, {worker.state}"


def _workflow_ids(reached: Service, namespace: argparse.Namespace) -> Names:
    seen = set()
    sides = ("Open",) if getattr(namespace, "command", "") in _OPEN_ONLY else ("Open", "Closed")
    for side in sides:
        for info in infos(reached, side, {}, limit=MOST):
            workflow_id = info["execution"]["workflowId"]
            if workflow_id not in seen:
                seen.add(workflow_id)
                kind = info["workflowType"]
                state = info.get("closeStatus", "OPEN").lower().replace("_", " ")
                yield workflow_id, f"{state}, {kind['name']} {kind['version']}"


def _run_ids(reached: Service, namespace: argparse.Namespace) -> Names:
    workflow_id = getattr(namespace, "workflow_id", None)
    if workflow_id:
        filters = {"executionFilter": {"workflowId": workflow_id}}
        for side in ("Open", "Closed"):
            for info in infos(reached, side, filters, limit=MOST):
                yield info["execution"]["runId"], info.get("closeStatus", "OPEN").lower()


def _types(reached: Service, name: str | None) -> Iterator[dict[str, str]]:
    request = {
        "domain": reached.domain,
        "registrationStatus": "REGISTERED",
        **({"name": name} if name else {}),
    }
    for info in pages(reached, "ListWorkflowTypes", request, "typeInfos"):
        yield info["workflowType"]


def _type_names(reached: Service, _namespace: argparse.Namespace) -> Names:
    yield from ((name, "workflow type") for name in dict.fromkeys(t["name"] for t in _types(reached, None)))


def _versions(reached: Service, namespace: argparse.Namespace) -> Names:
    for kind in _types(reached, getattr(namespace, "name", None)):
        yield kind["version"], f"of {kind['name']}"


def _domains(reached: Service, _namespace: argparse.Namespace) -> Names:
    for info in pages(reached, "ListDomains", {"registrationStatus": "REGISTERED"}, "domainInfos"):
        yield info["name"], info.get("description", "")


_OF_DAEMON: dict[str, Callable[[DaemonStatus], Names]] = {"POOL": _pools, "PID": _pids}
#: By metavar; NAME has several meanings, so its destination is said too.
_OF_SERVICE: dict[str, Callable[[Service, argparse.Namespace], Names]] = {
    "WORKFLOW_ID": _workflow_ids,
    "ID": _workflow_ids,
    "RUN_ID": _run_ids,
    "VERSION": _versions,
    "NAME name": _type_names,
    "NAME type": _type_names,
    "NAME domain": _domains,
    "NAME names": _domains,
}

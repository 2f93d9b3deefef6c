"""Listing and counting executions: ListOpen…, ListClosed…, CountOpen…, CountClosedWorkflowExecutions.

A query is a status (open or closed), the time it is about (start or close), its bounds, and at most one
filter. Every combination has an index of its own that yields rows in the answer's order, so a page costs
the same among a million executions as among ten. The index is named in the statement: without statistics
SQLite would sometimes take another, and a missing one must be an error and not a slow answer.
Order: by the time that is filtered, newest first; reverseOrder turns it round. Counting stops at a bound and
then says `truncated`, as the service may (SWF API Reference, WorkflowExecutionCount).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flowyd.engine.catalog import find_domain
from flowyd.engine.paging import next_page_token, page_of
from flowyd.engine.tokens import TokenCodec
from flowyd.swf.faults import ValidationException
from flowyd.swf.limits import OPEN_EXECUTIONS_PER_DOMAIN

Request = dict[str, Any]
Action = Callable[[sqlite3.Connection, Request, float], "dict[str, Any] | None"]

#: Counting stops here: as many executions as may be open in a domain, so open ones are always counted in
#: full; the index entries of so many are read in a few milliseconds.
MOST_COUNTED = OPEN_EXECUTIONS_PER_DOMAIN

_COLUMNS = (
    "e.id, e.workflow_id, e.run_id, e.type_name, e.type_version, e.started_at, e.closed_at, "
    "e.close_status, e.cancel_requested, e.tag_list, e.parent"
)
_ROWS = "execution AS e INDEXED BY {index}"
_TAGGED_ROWS = "execution_tag AS t INDEXED BY {index} CROSS JOIN execution AS e ON e.id = t.execution_id"
_ONLY_TAGS = "execution_tag AS t INDEXED BY {index}"
_LIST = "SELECT {columns} FROM {rows} WHERE {where} ORDER BY {time} {way}, {id} {way} LIMIT ?"
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM {rows} WHERE {where} LIMIT ?)"

#: The filters of which a request may have one.
_EXCLUSIVE = ("executionFilter", "typeFilter", "tagFilter", "closeStatusFilter")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """A listing or counting request in the words of the tables."""

    #: FROM, for listing and for counting.
    rows: str
    counted_rows: str
    #: The conditions, joined by AND, and their values.
    conditions: tuple[str, ...]
    values: tuple[Any, ...]
    #: The columns that order the answer.
    time: str
    id: str


def actions(codec: TokenCodec) -> dict[str, Action]:
    """Every operation of this module by its name."""
    return {
        "ListOpenWorkflowExecutions": partial(_list, codec, "Open"),
        "ListClosedWorkflowExecutions": partial(_list, codec, "Closed"),
        "CountOpenWorkflowExecutions": partial(_count, "Open"),
        "CountClosedWorkflowExecutions": partial(_count, "Closed"),
    }


def execution_info(row: tuple[Any, ...]) -> dict[str, Any]:
    """An execution as lists show it, from a row of the columns above.

    A cancel request shows only while the execution is open (recorded: false in closed ones that had one).
    """
    (_, workflow_id, run_id, name, version, started_at, closed_at, status, cancel, tags, parent) = row
    info: dict[str, Any] = {
        "cancelRequested": bool(cancel) and closed_at is None,
        "execution": {"runId": run_id, "workflowId": workflow_id},
        "executionStatus": "OPEN" if closed_at is None else "CLOSED",
        "startTimestamp": started_at,
        "workflowType": {"name": name, "version": version},
    }
    if closed_at is not None:
        info |= {"closeStatus": status, "closeTimestamp": closed_at}
    if tags is not None:
        info["tagList"] = json.loads(tags)
    if parent is not None:
        info["parent"] = json.loads(parent)
    return info


def _list(
    codec: TokenCodec, status: str, connection: sqlite3.Connection, request: Request, now: float
) -> dict[str, Any]:
    query = _query(connection, status, request)
    page = page_of(codec, f"List{status}WorkflowExecutions", request, now)
    backwards = request.get("reverseOrder", False)
    conditions, values = query.conditions, query.values
    if page.after:
        conditions += (f"({query.time}, {query.id}) {'>' if backwards else '<'} (?, ?)",)
        values += tuple(page.after)
    statement = _LIST.format(
        columns=f"{query.time}, {_COLUMNS}",
        rows=query.rows,
        where=" AND ".join(conditions),
        time=query.time,
        id=query.id,
        way="ASC" if backwards else "DESC",
    )
    rows = connection.execute(statement, (*values, page.size + 1)).fetchall()
    shown = rows[: page.size]
    answer: dict[str, Any] = {"executionInfos": [execution_info(row[1:]) for row in shown]}
    if len(rows) > page.size:
        answer["nextPageToken"] = next_page_token(codec, page, shown[-1][:2], now)
    return answer


def _count(status: str, connection: sqlite3.Connection, request: Request, now: float) -> dict[str, Any]:
    del now
    query = _query(connection, status, request)
    statement = _COUNT.format(rows=query.counted_rows, where=" AND ".join(query.conditions))
    (count,) = connection.execute(statement, (*query.values, MOST_COUNTED + 1)).fetchone()
    return {"count": min(count, MOST_COUNTED), "truncated": count > MOST_COUNTED}


def _query(connection: sqlite3.Connection, status: str, request: Request) -> _Query:
    """The request as a query.

    Raises:
        UnknownResourceFault: there is no such domain.
        ValidationException: no time filter or two, or more than one of the other filters.
    """
    about, bounds = _time_filter(status, request)
    filters = [name for name in _EXCLUSIVE if name in request]
    if len(filters) > 1:
        raise ValidationException(
            f"Cannot specify more than one exclusive filters in the same query: {', '.join(filters)}"
        )
    domain = find_domain(connection, request["domain"])
    table = "t" if filters == ["tagFilter"] else "e"
    is_closed = f"{table}.closed_at IS {'NULL' if status == 'Open' else 'NOT NULL'}"
    narrower, narrower_values, index = _narrowed(status, about, filters, request)
    time = f"{table}.{about}"
    conditions = (f"{table}.domain_id = ?", is_closed, *narrower, f"{time} >= ?")
    values = (domain.id, *narrower_values, bounds["oldestDate"])
    if "latestDate" in bounds:
        conditions, values = (*conditions, f"{time} <= ?"), (*values, bounds["latestDate"])
    rows, counted_rows = (_TAGGED_ROWS, _ONLY_TAGS) if table == "t" else (_ROWS, _ROWS)
    return _Query(
        rows=rows.format(index=index),
        counted_rows=counted_rows.format(index=index),
        conditions=conditions,
        values=values,
        time=time,
        id="t.execution_id" if table == "t" else "e.id",
    )


def _time_filter(status: str, request: Request) -> tuple[str, dict[str, float]]:
    """The column that the request's time filter is about, and its bounds."""
    given = [name for name in ("startTimeFilter", "closeTimeFilter") if name in request]
    if not given:
        raise ValidationException("Must specify time filter")
    if len(given) > 1:
        raise ValidationException("Cannot specify both startTimeFilter and closeTimeFilter in the same query")
    about = "started_at" if status == "Open" or given == ["startTimeFilter"] else "closed_at"
    return about, request[given[0]]


def _narrowed(
    status: str, about: str, filters: list[str], request: Request
) -> tuple[tuple[str, ...], tuple[Any, ...], str]:
    """Conditions and values of the request's one filter, and the index that serves them in order."""
    ordered = "open" if status == "Open" else {"started_at": "start", "closed_at": "close"}[about]
    match filters:
        case []:
            return (), (), f"execution_by_{ordered}"
        case ["executionFilter"]:
            workflow_id = request["executionFilter"]["workflowId"]
            index = "execution_open_run" if status == "Open" else f"execution_by_id_{ordered}"
            return ("e.workflow_id = ?",), (workflow_id,), index
        case ["tagFilter"]:
            return ("t.tag = ?",), (request["tagFilter"]["tag"],), f"execution_tag_by_{ordered}"
        case ["closeStatusFilter"]:
            close_status = request["closeStatusFilter"]["status"]
            return ("e.close_status = ?",), (close_status,), f"execution_by_status_{ordered}"
        case _:
            named = request["typeFilter"]
            if "version" in named:
                values = (named["name"], named["version"])
                return ("e.type_name = ?", "e.type_version = ?"), values, f"execution_by_type_{ordered}"
            return ("e.type_name = ?",), (named["name"],), f"execution_by_name_{ordered}"

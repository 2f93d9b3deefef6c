"""What `flowyd why` found out about an execution, and what can be read from it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowyd.console.view_model.executions import Execution
from flowyd.console.view_model.spans import Event, Span
from flowyd.control.status import DaemonStatus

#: logging's number of WARNING.
_WARNING = 30
#: Lines of one record reach the supervisor at once, or nearly so.
_ONE_RECORD_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that was found out."""

    execution: Execution
    description: Mapping[str, Any]
    events: Sequence[Event]
    spans: Sequence[Span]
    #: None: no daemon was asked, or it did not answer.
    status: DaemonStatus | None
    #: Why there is no status; empty where none was expected.
    daemon_problem: str
    #: Tasks that wait, by kind ("activity", "decision") and list, as far as they were counted.
    pending: Mapping[tuple[str, str], int]
    #: The last lines of workers about this execution, by pid.
    logs: Mapping[int, Sequence[str]]
    now: float


def lines_about(lines: Sequence[Mapping[str, Any]], workflow_id: str) -> list[str]:
    """The last record of a worker's output that warns about the execution, with the lines that belong to it.

    `lines` are those of the control command `log`: a record's lines come together and in one severity.
    """
    for place in range(len(lines) - 1, -1, -1):
        first = lines[place]
        if first["level"] >= _WARNING and workflow_id in first["text"]:
            break
    else:
        return []
    found = [str(first["text"])]
    for line in lines[place + 1 :]:
        if line["level"] != first["level"] or line["at"] - first["at"] > _ONE_RECORD_S:
            break
        found.append(str(line["text"]))
    return found


def pid_of(identity: str) -> int:
    """The pid in a flowyd worker's identity, host:pid:pool; 0 if it is none."""
    parts = identity.split(":")
    return int(parts[1]) if len(parts) > 2 and parts[1].isdigit() else 0


def stands(context: str | None) -> tuple[str, list[str]]:
    """Place in the code and what it waits for, as flowyd's decider noted them; empty where it did not."""
    try:
        members = json.loads(context or "")
        return str(members.get("at") or ""), [str(what) for what in members.get("waits_for") or ()]
    except (ValueError, AttributeError, TypeError):
        return "", []

"""`flowyd start --dry-run`: the first decision of a workflow's code on an empty history; nothing is sent.

The code is that of the configured workflow directories, loaded and run in this process with the caller's own
rights. What it prints goes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowyd.cli import exits
from flowyd.cli.output import page_of, print_json
from flowyd.cli.reaching import config_of
from flowyd.console.view_model import first_decision
from flowyd.errors import FlowydError

if TYPE_CHECKING:
    from flowyd.decider import Outcome
    from flowyd.sdk.registry import WorkflowRegistration

#: Stands for the run id, on which the ids of children and safe chance depend.
RUN_ID = "dry-run"


def dry_run(namespace: argparse.Namespace, request: Mapping[str, Any]) -> int:
    """Prints what StartWorkflowExecution's request would lead to; 0 unless the code fails or cannot decide.

    Raises:
        FlowydError: there is no code for the type, or its module cannot be imported.
    """
    kind = request["workflowType"]
    directories = config_of(namespace).flowyd.workflows
    with contextlib.redirect_stdout(sys.stderr):
        registration = _registration(directories, kind["name"], kind["version"])
        outcome = first_outcome(registration, request)
    found = members(f"{kind['name']} {kind['version']}", outcome)
    if namespace.json:
        print_json(found)
    else:
        print(page_of().drawn(first_decision.parts(found)).rstrip())
    return exits.FAILED if found["outcome"] in ("failed", "broken") else exits.DONE


def first_outcome(registration: WorkflowRegistration, request: Mapping[str, Any]) -> Outcome:
    """What the code decides when the request has just started an execution."""
    from flowyd.decider import HistoryIndex, decide

    index = HistoryIndex(workflow_id=request["workflowId"], run_id=RUN_ID)
    started = {
        name: request[name]
        for name in ("workflowType", "input", "tagList", "executionStartToCloseTimeout", "childPolicy")
        if name in request
    }
    task_list = request.get("taskList") or {"name": registration.task_list}
    steps = (
        ("WorkflowExecutionStarted", {**started, "taskList": task_list}),
        ("DecisionTaskScheduled", {"taskList": task_list}),
        ("DecisionTaskStarted", {"scheduledEventId": 2}),
    )
    index.extend(
        [
            {
                "eventId": number,
                "eventTimestamp": 0.0,
                "eventType": kind,
                f"{kind[0].lower()}{kind[1:]}EventAttributes": attributes,
            }
            for number, (kind, attributes) in enumerate(steps, start=1)
        ]
    )
    return decide(registration, index)


def members(kind: str, outcome: Outcome) -> dict[str, Any]:
    """The outcome as `view_model/first_decision.py` reads it."""
    from flowyd.decider import Broken

    found = {
        "type": kind,
        "outcome": type(outcome).__name__.lower(),
        "decisions": [],
        "problem": "",
        "warnings": list(outcome.warnings),
    }
    if isinstance(outcome, Broken):
        return {**found, "problem": f"{outcome.reason}\n{outcome.traceback}".strip()}
    return {**found, "decisions": outcome.decisions}


def _registration(directories: Iterable[Path], name: str, version: str) -> WorkflowRegistration:
    # 60 ms: the decider and the loader of modules.
    from flowyd.sdk.registry import workflows_in
    from flowyd.worker.loading import load_modules

    loaded = load_modules(directories)
    found = {
        (registration.name, registration.version): registration
        for modules in loaded.modules.values()
        for module in modules
        for registration in workflows_in(module)
    }
    if (name, version) in found:
        return found[name, version]
    known = ", ".join(sorted(" ".join(key) for key in found)) or "none"
    broken = "".join(f"\n{path} cannot be imported: {why}" for path, why in loaded.broken.items())
    places = ", ".join(map(str, directories)) or "no directory"
    raise FlowydError(
        f"no code for workflow {name} {version} in {places}; there is code for: {known}{broken}"
    )

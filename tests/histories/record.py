"""Records the stored histories: `python -m tests.histories.record`.

Records what is not there yet. A file is only removed, to be recorded anew, when a change of flowyd is meant
to decide differently: the old files are what open executions of users look like.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowyd.testing import Execution, ExecutionFailed, LocalEngine, Raises, WorkerDies
from tests.histories import flows

FOLDER = Path(__file__).parent

#: Where the stored histories say that the workflows' source lies, whichever machine recorded them.
_HOME = "/srv/flowyd"


def _approve(execution: Execution) -> None:
    execution.engine.settle()
    execution.signal("approve", {"by": "somebody"})


def _cancel(execution: Execution) -> None:
    execution.engine.settle()
    execution.request_cancel()


def _trouble(execution: Execution) -> None:
    execution.engine.inject("double", Raises(OSError("once")))
    execution.engine.inject("plus", WorkerDies(), WorkerDies())


#: File, workflow, arguments, what happens to it before its end.
RECORDED: list[tuple[str, Any, list[Any], Callable[[Execution], None] | None]] = [
    ("tutorial", flows.Tutorial, ["http://x/a.jpg"], None),
    ("dependencies", flows.Dependencies, [], None),
    ("family", flows.Family, [5], None),
    ("troubles", flows.Troubles, [], _trouble),
    ("rounds", flows.Rounds, [10], None),
    ("canceling", flows.Canceling, [], None),
    ("changing", flows.Changing, ["nobody"], None),
    ("wide", flows.Wide, [70], None),
    ("approval-signaled", flows.Approval, [], _approve),
    ("approval-late", flows.Approval, [], None),
    ("approval-canceled", flows.Approval, [], _cancel),
]


def record(
    workflow: Any, arguments: list[Any], meanwhile: Callable[[Execution], None] | None
) -> dict[str, Any]:
    """The history of one run, as it is stored."""
    with LocalEngine(flows.SOURCES) as engine:
        execution = engine.start(workflow, *arguments)
        if meanwhile is not None:
            meanwhile(execution)
        with suppress(ExecutionFailed):  # how it ends is part of the history
            execution.result()
        return {"workflow": workflow.__name__, "runId": execution.run_id, "events": execution.history()}


if __name__ == "__main__":
    for name, workflow, arguments, meanwhile in RECORDED:
        if (FOLDER / f"{name}.json").exists():
            continue
        text = json.dumps(record(workflow, arguments, meanwhile), indent=1)
        (FOLDER / f"{name}.json").write_text(text.replace(str(FOLDER.parents[1]), _HOME) + "\n")

"""For authors' tests: a workflow as plain Python, on an engine in the test's own process, or from a history.

    run_workflow(Imagecateg, url, activities=[images])          # no engine: activities are called directly
    with LocalEngine([workflow_module, images]) as engine:      # the real engine, time is skipped
        engine.run(Imagecateg, url)
    check_history(Imagecateg, load_history(path))               # raises where code and history do not fit

With pytest: `from flowyd.testing.fixtures import local_engine`.
"""

from flowyd.testing.engine import Execution, ExecutionFailed, LocalEngine
from flowyd.testing.faults import Fault, Raises, TimesOut, WorkerDies
from flowyd.testing.histories import HistoryMismatch, check_history, load_history, replay_history
from flowyd.testing.plain import WorkflowFailed, run_workflow

__all__ = [
    "Execution",
    "ExecutionFailed",
    "Fault",
    "HistoryMismatch",
    "LocalEngine",
    "Raises",
    "TimesOut",
    "WorkerDies",
    "WorkflowFailed",
    "check_history",
    "load_history",
    "replay_history",
    "run_workflow",
]

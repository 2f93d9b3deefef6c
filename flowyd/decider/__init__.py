"""The decider: a history in, decisions out. Pure; whoever polls and responds is flowyd.worker.

    index = HistoryIndex(workflow_id=…, run_id=…)
    index.extend(events)                   # any number of times; events it has are skipped
    outcome = decide(registration, index)  # never raises

`extend` raises ProtocolError where events are missing: read the full history into a new index. The index
must end with the DecisionTaskStarted event of the task in hand. `outcome` is one of Suspended, Completed,
Failed, Canceled, Restarted, each with `decisions` (SWF's wire form, for RespondDecisionTaskCompleted),
`execution_context` and `warnings`; or Broken, which is logged and shown and never sent.

Who decides for the same executions again and again keeps a Run of each in a RunCache: `Run.decide` comes to
the same outcomes at the cost of what is new. ReplayFilter keeps what replayed code logs out of a handler.
"""

from flowyd.decider.cache import RunCache
from flowyd.decider.index import HistoryIndex
from flowyd.decider.outcomes import Broken, Canceled, Completed, Failed, Outcome, Restarted, Suspended
from flowyd.decider.run import Run, decide
from flowyd.decider.silence import ReplayFilter

__all__ = [
    "Broken",
    "Canceled",
    "Completed",
    "Failed",
    "HistoryIndex",
    "Outcome",
    "ReplayFilter",
    "Restarted",
    "Run",
    "RunCache",
    "Suspended",
    "decide",
]

"""The decider: a history in, decisions out. Pure; whoever polls and responds is flowyd.worker.

    index = HistoryIndex(workflow_id=…, run_id=…)
    index.extend(events)                   # any number of times; events it has are skipped
    outcome = decide(registration, index)  # never raises

`extend` raises ProtocolError where events are missing: read the full history into a new index. The index
must end with the DecisionTaskStarted event of the task in hand. `outcome` is one of Suspended, Completed,
Failed, Canceled, Restarted, each with `decisions` (SWF's wire form, for RespondDecisionTaskCompleted),
`execution_context` and `warnings`; or Broken, which is logged and shown and never sent. HistoryCache keeps
indexes between decisions; ReplayFilter keeps log records of replayed code out of a handler.
"""

from flowyd.decider.cache import HistoryCache
from flowyd.decider.index import HistoryIndex
from flowyd.decider.outcomes import Broken, Canceled, Completed, Failed, Outcome, Restarted, Suspended
from flowyd.decider.replay import decide
from flowyd.decider.silence import ReplayFilter

__all__ = [
    "Broken",
    "Canceled",
    "Completed",
    "Failed",
    "HistoryCache",
    "HistoryIndex",
    "Outcome",
    "ReplayFilter",
    "Restarted",
    "Suspended",
    "decide",
]

"""What an operation works with during a turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowyd.engine.catalog import Domain
from flowyd.engine.errands import Errands
from flowyd.engine.executions import Executions, Hot
from flowyd.engine.matching import Matching
from flowyd.engine.polls import WaitingPolls
from flowyd.engine.recording import Recorder
from flowyd.engine.registry import Registry
from flowyd.engine.rules.requests import unknown_execution
from flowyd.engine.rules.settings import Quotas
from flowyd.engine.store import Store
from flowyd.engine.tokens import TaskToken, TokenCodec
from flowyd.swf.durations import from_wire
from flowyd.swf.faults import UnknownResourceFault, ValidationException

Request = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts of the engine, made anew from the file when a turn failed."""

    store: Store
    executions: Executions
    matching: Matching
    recorder: Recorder
    errands: Errands
    registry: Registry
    tokens: TokenCodec
    quotas: Quotas
    polls: WaitingPolls
    #: How long a poll waits, seconds.
    poll_s: float

    @property
    def now(self) -> float:
        """The turn's timestamp."""
        return self.recorder.now

    def domain(self, request: Request) -> Domain:
        """The domain that a request names.

        Raises:
            UnknownResourceFault: there is none.
        """
        return self.registry.domain(request["domain"])

    def named_open(self, request: Request) -> Hot:
        """The open run that workflowId and perhaps runId of a request name.

        Raises:
            UnknownResourceFault: the domain is unknown, or no such run is open.
        """
        domain, workflow_id = self.domain(request), request["workflowId"]
        run_id = request.get("runId")
        hot = self.executions.open_run(domain.id, workflow_id)
        if hot is not None and hot.state.is_open and (not run_id or run_id == hot.row.run_id):
            return hot
        if run_id:
            raise unknown_execution(workflow_id, run_id)
        raise UnknownResourceFault(f"Unknown execution, workflowId = {workflow_id}")

    def named_run(self, request: Request) -> Hot:
        """The run, open or closed, that the member `execution` of a request names.

        Raises:
            UnknownResourceFault: the domain or the run is unknown.
        """
        domain, named = self.domain(request), request["execution"]
        hot = self.executions.run(domain.id, named["workflowId"], named["runId"])
        if hot is None:
            raise unknown_execution(named["workflowId"], named["runId"])
        return hot

    def decider_is_there(self, hot: Hot) -> bool:
        """Whether what the last decision said of completions is still the word of who gets the next one.

        False: it named who it is, and that one has not polled its list for as long as a task may wait there.
        """
        state = hot.state
        if state.decide_after is None or state.decide_after.identity is None:
            return True
        key = (hot.row.domain_id, "decision", state.override_list or state.task_list)
        trial_s = from_wire(state.override_trial or "NONE") or 0
        ends_after = self.now + self.poll_s - trial_s
        return self.polls.is_attended(key, state.decide_after.identity, ends_after=ends_after)

    def of_token(self, request: Request, kind: str) -> tuple[Hot, TaskToken]:
        """The execution of a task token, and what else the token says.

        Raises:
            ValidationException: it is no token for a task of this kind.
            UnknownResourceFault: the execution is pruned.
        """
        token = self.tokens.read_task_token(request["taskToken"])
        if token.kind != kind:
            raise ValidationException("Invalid token")
        hot = self.executions.get(token.execution_id)
        if hot is None or hot.row.run_id != token.run_id:
            raise unknown_execution("", token.run_id)
        return hot, token

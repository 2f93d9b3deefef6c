"""What an activity answers: heartbeats, its result, its failure, that it was canceled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial

from flowyd.errors import FlowydError, UnreachableError
from flowyd.swf.client import Request, SwfClient
from flowyd.swf.faults import SwfFault, UnknownResourceFault
from flowyd.swf.limits import DATA_CHARACTERS, REASON_CHARACTERS
from flowyd.worker.answers import AnsweredBefore
from flowyd.worker.calling import call_through
from flowyd.worker.reporting import Reporter

logger = logging.getLogger(__name__)

#: How long an answer waits for a service that is away; a result is worth a long wait.
ANSWER_WITHIN_S = 300.0
#: A heartbeat is worth a short one: the next is on its way.
HEARTBEAT_WITHIN_S = 5.0
#: Heartbeats more often than this are not reported to the supervisor.
HEARTBEAT_REPORTS_S = 1.0
#: How a task ends by its answer.
_ENDINGS = {
    "RespondActivityTaskCompleted": "completed",
    "RespondActivityTaskFailed": "failed",
    "RespondActivityTaskCanceled": "canceled",
}


class TaskAnswers:
    """The `ActivityScheduler` over a client: what an activity answers goes to the service at once."""

    def __init__(self, client: SwfClient, reporter: Reporter) -> None:
        self._client = client
        self._reporter = reporter
        self._reported_at = 0.0
        #: What carries answers through to the service.
        self.send: Callable[..., object] = partial(call_through, client)
        #: How the last task was answered: "", "completed", "failed" or "canceled".
        self.answered = ""

    def heartbeat(self, token: str, details: str | None) -> bool:
        """False: the task is closed, or its cancellation was requested. A service that is away is neither."""
        request = {"taskToken": token} if details is None else {"taskToken": token, "details": details}
        try:
            answer = call_through(
                self._client, "RecordActivityTaskHeartbeat", request, within_s=HEARTBEAT_WITHIN_S
            )
        except UnknownResourceFault:
            return False
        except (SwfFault, UnreachableError) as error:
            logger.warning("a heartbeat was not taken: %s", error, extra={"action": "heartbeat"})
            return True
        now = time.monotonic()
        if now - self._reported_at >= HEARTBEAT_REPORTS_S:
            self._reported_at = now
            self._reporter.heartbeat()
        return not answer["cancelRequested"]

    def complete(self, token: str, result_text: str) -> None:
        """The task is done; a result that the service will not take fails it."""
        self._answer("RespondActivityTaskCompleted", {"taskToken": token, "result": result_text})

    def fail(self, token: str, reason: str, details: str | None) -> None:
        """The task failed."""
        request = {"taskToken": token, "reason": reason[:REASON_CHARACTERS]}
        if details:
            request["details"] = details[:DATA_CHARACTERS]
        self._answer("RespondActivityTaskFailed", request)

    def cancel(self, token: str, details: str | None) -> None:
        """The task was canceled on request."""
        request = {"taskToken": token}
        if details:
            request["details"] = details[:DATA_CHARACTERS]
        self._answer("RespondActivityTaskCanceled", request)

    def _answer(self, action: str, request: Mapping[str, str]) -> None:
        self.answered = _ENDINGS[action]
        try:
            self.send(action, request, within_s=ANSWER_WITHIN_S)
        except (SwfFault, UnreachableError, AnsweredBefore) as error:
            self.refused(action, request, error)

    def refused(self, action: str, request: Request, error: FlowydError) -> None:
        """An answer was not taken: a wrong result fails the task; that it was closed meanwhile is logged."""
        if isinstance(error, AnsweredBefore):
            logger.info(
                "the answer was sent again; it had been taken, or its task was closed since: %s",
                error,
                extra={"action": "answer"},
            )
        elif isinstance(error, UnknownResourceFault):
            logger.warning(
                "the task was closed before it was %s: %s",
                _ENDINGS[action],
                error,
                extra={"action": "answer"},
            )
        elif isinstance(error, SwfFault):
            logger.error("%s was refused: %s", action, error, extra={"action": "answer"})
            if action == "RespondActivityTaskCompleted":
                self.fail(request["taskToken"], f"the result was refused: {error}", None)
        else:
            logger.error("the task's answer is lost: %s", error, extra={"action": "answer"})

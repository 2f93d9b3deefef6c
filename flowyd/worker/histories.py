"""The runs a decision worker keeps between decisions, with their histories, within a bound of memory.

A kept index is only ever extended; whatever does not fit it is dropped and read anew from the service, so
the cache can be lost or emptied at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowyd.decider import HistoryIndex, Run, RunCache
from flowyd.errors import ProtocolError
from flowyd.sdk.registry import WorkflowRegistration
from flowyd.swf.client import SwfClient
from flowyd.swf.limits import PAGE_EVENTS
from flowyd.worker.calling import call_through

#: What all kept runs together may take, by their own estimate.
CACHE_BYTES = 64 * 1024 * 1024
#: How long a page of history is waited for while the service is away.
_PAGE_WITHIN_S = 30.0


class Histories:
    """Runs by run id, their histories brought up to date."""

    def __init__(self, client: SwfClient, *, domain: str, cache_bytes: int = CACHE_BYTES) -> None:
        self._client = client
        self._domain = domain
        self._cache = RunCache(limit_bytes=cache_bytes)

    def run_for(
        self,
        registration: WorkflowRegistration,
        task: Mapping[str, Any],
        poll: tuple[str, Mapping[str, Any]],
    ) -> Run:
        """The run with its history up to the polled decision task's start.

        Args:
            registration: the code that decides.
            task: the poll's answer, with the first page of events.
            poll: action and request that gave it, to ask for further pages.

        Raises:
            SwfFault, UnreachableError: a page could not be read.
            ProtocolError: the service's history has gaps.
        """
        execution = task["workflowExecution"]
        run = self._cache.get(execution["runId"]) or Run(registration, self._new(execution))
        try:
            self._extend_with_pages(run.index, task, poll)
            if run.index.length == task["startedEventId"]:
                return run
        except ProtocolError:
            # Events are missing before the first one given: they were left out because somebody knew them.
            pass
        return Run(registration, self.read(execution, until=task["startedEventId"]))

    def read(self, execution: Mapping[str, str], *, until: int) -> HistoryIndex:
        """The index of the full history from the service, cut after the event `until`.

        Raises:
            SwfFault, UnreachableError: a page could not be read.
            ProtocolError: the service's history has gaps.
        """
        index = self._new(execution)
        request: dict[str, Any] = {
            "domain": self._domain,
            "execution": dict(execution),
            "maximumPageSize": PAGE_EVENTS,
        }
        while index.length < until:
            page = call_through(self._client, "GetWorkflowExecutionHistory", request, within_s=_PAGE_WITHIN_S)
            index.extend(event for event in page["events"] if event["eventId"] <= until)
            if not page.get("nextPageToken"):
                break
            request["nextPageToken"] = page["nextPageToken"]
        if index.length != until:
            raise ProtocolError(
                f"the history of {execution['workflowId']} ends at event {index.length}, before {until}"
            )
        return index

    def keep(self, run: Run) -> None:
        """Keeps the run for its next decision."""
        self._cache.put(run)

    def drop(self, run_id: str) -> None:
        """Forgets a run, such as one that was closed."""
        self._cache.drop(run_id)

    def close(self) -> None:
        """Forgets all runs; code that waits is left there."""
        self._cache.clear()

    def _new(self, execution: Mapping[str, str]) -> HistoryIndex:
        return HistoryIndex(workflow_id=execution["workflowId"], run_id=execution["runId"])

    def _extend_with_pages(
        self, index: HistoryIndex, task: Mapping[str, Any], poll: tuple[str, Mapping[str, Any]]
    ) -> None:
        action, request = poll
        page = task
        while True:
            index.extend(page["events"])
            token = page.get("nextPageToken")
            if not token:
                return
            page = call_through(
                self._client, action, {**request, "nextPageToken": token}, within_s=_PAGE_WITHIN_S
            )

"""A client of an engine in the same process: a request is checked, carried out in one turn, and answered."""

from __future__ import annotations

import json
from typing import Any

from flowyd.engine.calls import Call
from flowyd.engine.requests import check
from flowyd.engine.service import Service
from flowyd.swf.client import Answer, Request
from flowyd.swf.faults import SwfFault


class DirectClient:
    """SWF without a wire (flowyd.swf.client.SwfClient)."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def call(self, action: str, request: Request) -> Answer:
        """The answer.

        Raises:
            SwfFault: the service refused.
        """
        answer = self._turn(Call(action=action, request=check(action, dict(request))))
        return {} if answer is None else answer

    def poll(self, action: str, request: Request) -> Answer | None:
        """The task that waits on the list, if there is one now."""
        call = Call(action=action, request=check(action, dict(request)))
        answer = self._turn(call)
        if answer is None:
            self._service.withdraw(call)
            return None
        return answer if answer.get("taskToken") else None

    def close(self) -> None:
        """Nothing to close."""

    def _turn(self, call: Call) -> Answer | None:
        for answered in self._service.turn([call]):
            if answered.call is call:
                if isinstance(answered.result, SwfFault):
                    raise answered.result
                body: Answer = json.loads(answered.result or b"{}")
                return body
        return None

    def pages(self, action: str, request: Request, member: str) -> list[Any]:
        """All items of a paged answer."""
        found: list[Any] = []
        page: Answer = {}
        while not found or page.get("nextPageToken"):
            token = page.get("nextPageToken")
            page = self.call(action, {**request, **({"nextPageToken": token} if token else {})})
            found += page[member]
            if not page.get("nextPageToken"):
                break
        return found

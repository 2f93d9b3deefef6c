"""Drives flowyd through the lean client, as `flowyd start` and the console do.

SWF has no call that waits for an end, so the end is looked for: one execution by DescribeWorkflowExecution
every 0.2 ms, many by CountClosedWorkflowExecutions every 5 ms. These calls are part of the figures.
"""

import json
import os
import sys
import time

from conversation import CALLERS, in_parallel, latencies_ms, payload_of, serve, timed

from flowyd.errors import UnreachableError
from flowyd.swf.faults import SwfFault, UnknownResourceFault, WorkflowExecutionAlreadyStartedFault
from flowyd.swf.lean import LeanClient

DOMAIN = "bench"
LOOK_S = 0.0002
COUNT_S = 0.005
UP_S = 60.0


class Caller:
    """One caller of one engine."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.client = LeanClient(endpoint)
        self.number = 0
        self.run = format(time.time_ns(), "x") + os.urandom(2).hex()

    def start_all(self, n, arguments_of, workflow_id_of=lambda _: None):
        """Starts n executions of type `three` over several connections, each start acknowledged."""
        makers = [lambda: Caller(self.endpoint)] * CALLERS
        in_parallel(makers, n, lambda one, i: one.start("three", arguments_of(i), workflow_id_of(i)))

    def patiently(self, action, request):
        """The answer, also if the daemon is only just starting: asks again for up to a minute."""
        deadline = time.monotonic() + UP_S
        while True:
            try:
                return self.client.call(action, request)
            except (UnreachableError, UnknownResourceFault, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.002)
            except WorkflowExecutionAlreadyStartedFault:
                return {"runId": None}

    def start(self, kind, arguments, workflow_id=None):
        """Starts an execution; its ids."""
        self.number += 1
        workflow_id = workflow_id or f"{self.run}-{self.number}"
        answer = self.patiently(
            "StartWorkflowExecution",
            {
                "domain": DOMAIN,
                "workflowId": workflow_id,
                "workflowType": {"name": kind, "version": "1"},
                "input": json.dumps([arguments, {}]),
            },
        )
        return {"workflowId": workflow_id, "runId": answer["runId"]}

    def finish(self, execution):
        """Waits until it is closed.

        Raises:
            RuntimeError: it did not complete.
        """
        request = {"domain": DOMAIN, "execution": execution}
        while True:
            info = self.client.call("DescribeWorkflowExecution", request)["executionInfo"]
            if info["executionStatus"] == "CLOSED":
                if info["closeStatus"] != "COMPLETED":
                    raise RuntimeError(f"{execution} ended as {info['closeStatus']}")
                return
            time.sleep(LOOK_S)

    def count(self, since, status="COMPLETED"):
        """How many executions of type `three` started since then are complete."""
        request = {"domain": DOMAIN, "typeFilter": {"name": "three", "version": "1"}}
        if status:
            # SWF allows one filter besides the time; the type alone would count failures too.
            request = {"domain": DOMAIN, "closeStatusFilter": {"status": status}}
        request["startTimeFilter"] = {"oldestDate": since}
        return self.patiently("CountClosedWorkflowExecutions", request)["count"]


def operations(caller):
    """The operations of bench/system.py."""

    def single(kind, arguments):
        caller.finish(caller.start(kind, arguments))

    def many(n, payload):
        since = time.time()
        caller.start_all(n, lambda _: [payload_of(payload)])
        while caller.count(since) < n:
            time.sleep(COUNT_S)

    begun = {"since": 0.0}

    def begin(n, log):
        begun["since"] = time.time() - 1
        caller.start_all(n, lambda i: [payload_of(100), log, f"w{i}"], lambda i: f"w{i}")
        return {"since": begun["since"]}

    def describe(workflow_id, run_id):
        execution = {"workflowId": workflow_id, "runId": run_id}
        request = {"domain": DOMAIN, "execution": execution, "maximumPageSize": 1, "reverseOrder": True}
        return {"events": caller.client.call("GetWorkflowExecutionHistory", request)["events"]}

    def step_times(n, payload):
        """Runs a chain and gives the times at which its activities completed, epoch seconds."""
        execution = caller.start("chain", [n, payload_of(payload)])
        caller.finish(execution)
        times, token = [], None
        while True:
            request = {"domain": DOMAIN, "execution": execution}
            if token:
                request["nextPageToken"] = token
            answer = caller.client.call("GetWorkflowExecutionHistory", request)
            times += [
                event["eventTimestamp"]
                for event in answer["events"]
                if event["eventType"] == "ActivityTaskCompleted"
            ]
            token = answer.get("nextPageToken")
            if not token:
                return {"times": times}

    return {
        "one": lambda repeats, payload: {
            "latencies_ms": latencies_ms(lambda: single("chain", [1, payload_of(payload)]), repeats)
        },
        "chain": lambda n, payload: {"s": timed(single, "chain", [n, payload_of(payload)])},
        "fan": lambda n, payload: {"s": timed(single, "fan", [n, payload_of(payload)])},
        "many": lambda n, payload: {"s": timed(many, n, payload)},
        "begin": begin,
        "completed": lambda n, since=None: {"count": caller.count(since or begun["since"])},
        "step_times": step_times,
        "describe": describe,
        "call": lambda action, request: {"answer": caller.patiently(action, request)},
    }


if __name__ == "__main__":
    try:
        serve(operations(Caller(sys.argv[1])))
    except SwfFault as fault:
        sys.exit(str(fault))

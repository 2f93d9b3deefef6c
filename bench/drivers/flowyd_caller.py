"""Drives flowyd through the lean client, as `flowyd start` and the console do.

The end of one execution is waited for in one call. SWF has none for the end of many, so that is looked for by
CountClosedWorkflowExecutions, after every fiftieth of the time gone by, 5 to 100 ms: each count has the
engine write out what it keeps back. So a figure of many is late by a hundredth in the mean, and these calls
are part of it.
"""

import json
import os
import sys
import threading
import time
from contextlib import closing

from conversation import CALLERS, in_parallel, latencies_ms, payload_of, serve, timed

from flowyd.errors import UnreachableError
from flowyd.swf.closing import CloseWait
from flowyd.swf.faults import SwfFault, UnknownResourceFault, WorkflowExecutionAlreadyStartedFault
from flowyd.swf.lean import LeanClient

DOMAIN = "bench"
LOOK_S = 1.0
#: Between two counts: this share of the time gone by, within these bounds.
COUNT_SHARE = 0.02
SHORTEST_COUNT_S = 0.005
LONGEST_COUNT_S = 0.1
UP_S = 60.0
FINISH_S = 300.0


def pause(since):
    """Sleeps until the next count of what began at `since`, by the monotonic clock."""
    share_s = COUNT_SHARE * (time.monotonic() - since)
    time.sleep(min(LONGEST_COUNT_S, max(SHORTEST_COUNT_S, share_s)))


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
        """Starts an execution; its ids. Before the first, waits until the activity type is registered."""
        if not self.number:
            activity = {"domain": DOMAIN, "activityType": {"name": "nothing", "version": "1"}}
            self.patiently("DescribeActivityType", activity)
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
            RuntimeError: it did not complete, or not in time.
        """
        began = time.monotonic()
        with closing(CloseWait(self.client, domain=DOMAIN, execution=execution)) as close:
            while (found := close.wait(LOOK_S)) is None:
                if time.monotonic() - began > FINISH_S:
                    raise RuntimeError(f"{execution} is open after {FINISH_S:.0f} s")
        status = found["executionInfo"]["closeStatus"]
        if status != "COMPLETED":
            raise RuntimeError(f"{execution} ended as {status}")

    def count(self, since):
        """How many executions started since then are complete."""
        request = {
            "domain": DOMAIN,
            "closeStatusFilter": {"status": "COMPLETED"},
            "startTimeFilter": {"oldestDate": since},
        }
        return self.patiently("CountClosedWorkflowExecutions", request)["count"]


def watched(caller):
    """An execution that we decide, with a timer of 1 s: the token of its running activity, and its ids."""
    caller.start("chain", [1, 0])
    lists = {"name": "bench-heartbeats"}
    kind = {"name": "watched", "version": "1"}
    defaults = {
        "defaultTaskList": lists,
        "defaultTaskStartToCloseTimeout": "NONE",
        "defaultExecutionStartToCloseTimeout": "3600",
        "defaultChildPolicy": "TERMINATE",
    }
    call = caller.client.call
    call("RegisterWorkflowType", {"domain": DOMAIN, **kind, **defaults})
    started = {"domain": DOMAIN, "workflowId": "watched", "workflowType": kind}
    execution = {
        "workflowId": "watched",
        "runId": caller.patiently("StartWorkflowExecution", started)["runId"],
    }
    poll = {"domain": DOMAIN, "taskList": lists}
    task = call("PollForDecisionTask", poll)
    activity = {
        "activityType": {"name": "nothing", "version": "1"},
        "activityId": "watched",
        "taskList": lists,
    }
    timer = {"timerId": "watched", "startToFireTimeout": "1"}
    decisions = [
        {
            "decisionType": "ScheduleActivityTask",
            "scheduleActivityTaskDecisionAttributes": activity,
        },
        {"decisionType": "StartTimer", "startTimerDecisionAttributes": timer},
    ]
    call("RespondDecisionTaskCompleted", {"taskToken": task["taskToken"], "decisions": decisions})
    return call("PollForActivityTask", poll)["taskToken"], execution


def timer_late_ms(caller, execution):
    """How late the timer fired; None if it has not."""
    request = {"domain": DOMAIN, "execution": execution}
    times = {
        event["eventType"]: event["eventTimestamp"]
        for event in caller.client.call("GetWorkflowExecutionHistory", request)["events"]
    }
    if "TimerFired" not in times:
        return None
    return (times["TimerFired"] - times["TimerStarted"] - 1) * 1000


def operations(caller):
    """The operations of bench/system.py, and three for growth curves."""

    def single(kind, arguments):
        caller.finish(caller.start(kind, arguments))

    def many(n, payload):
        since, began = time.time(), time.monotonic()
        caller.start_all(n - 1, lambda _: [payload_of(payload)])
        # Not before that one is there any use in counting.
        caller.finish(caller.start("three", [payload_of(payload)]))
        while caller.count(since) < n:
            pause(began)

    def begin(n, log):
        since = time.time() - 1
        caller.start_all(n, lambda i: [payload_of(100), log, f"w{i}"], lambda i: f"w{i}")
        return {"since": since}

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

    def heartbeats(n, repeats):
        """Heartbeats of one task, and a timer, while n workflows run; with 0, on an idle engine."""
        token, timer = watched(caller)
        load = threading.Thread(target=lambda: n and many(n, 100))
        load.start()
        beat = {"taskToken": token}
        times = []
        while len(times) < repeats or load.is_alive():
            times.append(timed(other.client.call, "RecordActivityTaskHeartbeat", beat) * 1000)
            time.sleep(0.005)
        load.join()
        while (late := timer_late_ms(caller, timer)) is None:
            time.sleep(0.05)
        return {"latencies_ms": times, "timer_late_ms": late}

    other = Caller(caller.endpoint)
    return {
        "heartbeats": heartbeats,
        "one": lambda repeats, payload: {
            "latencies_ms": latencies_ms(lambda: single("chain", [1, payload_of(payload)]), repeats)
        },
        "chain": lambda n, payload: {"s": timed(single, "chain", [n, payload_of(payload)])},
        "fan": lambda n, payload: {"s": timed(single, "fan", [n, payload_of(payload)])},
        "many": lambda n, payload: {"s": timed(many, n, payload)},
        "begin": begin,
        "completed": lambda n, since: {"count": min(n, caller.count(since))},
        "step_times": step_times,
        "call": lambda action, request: {"answer": caller.patiently(action, request)},
    }


if __name__ == "__main__":
    try:
        serve(operations(Caller(sys.argv[1])))
    except SwfFault as fault:
        sys.exit(str(fault))

"""A home-made SWF loop over boto3: decider, activity worker and caller in one process.

Plain SWF code, written with care: it keeps count of what must be open, so it polls only where a task is
waiting; it remembers what it has read of each run, so a decision asks only for what happened since the last
one (`startAtPreviousStartedEvent`). moto takes no notice of that, nor of page sizes, and sends the whole
history.
With a second argument, `decision` or `activity`, it is one of the separate pollers that only wait (S5).
"""

import json
import sys
import time

import boto3
from botocore.config import Config
from conversation import latencies_ms, payload_of, serve, timed

DOMAIN = "bench"
DECISIONS = {"name": "decisions"}
ACTIVITIES = {"name": "activities"}
NOTHING = {"name": "nothing", "version": "1"}


class Run:
    """What a decider has read of one execution."""

    def __init__(self):
        self.n = 0
        self.payload = None
        self.asked = 0
        self.done = 0

    def read(self, event):
        """Takes in one event of the history."""
        kind = event["eventType"]
        if kind == "ActivityTaskScheduled":
            self.asked += 1
        elif kind == "ActivityTaskCompleted":
            self.done += 1
        elif kind == "WorkflowExecutionStarted":
            self.n, self.payload = json.loads(event["workflowExecutionStartedEventAttributes"]["input"])


class Loop:
    def __init__(self, endpoint):
        config = Config(read_timeout=75, retries={"max_attempts": 0}, connect_timeout=5)
        self.swf = boto3.client("swf", endpoint_url=endpoint, config=config)
        self.number = 0
        self.runs = {}
        self.patiently_register()

    def patiently_register(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                self.swf.list_domains(registrationStatus="REGISTERED")
                break
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        try:
            self.swf.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
        except self.swf.exceptions.DomainAlreadyExistsFault:
            return
        self.swf.register_activity_type(
            domain=DOMAIN,
            **NOTHING,
            defaultTaskList=ACTIVITIES,
            defaultTaskStartToCloseTimeout="300",
            defaultTaskScheduleToStartTimeout="300",
            defaultTaskScheduleToCloseTimeout="600",
            defaultTaskHeartbeatTimeout="NONE",
        )
        for kind in ("chain", "fan", "three"):
            self.swf.register_workflow_type(
                domain=DOMAIN,
                name=kind,
                version="1",
                defaultTaskList=DECISIONS,
                defaultTaskStartToCloseTimeout="60",
                defaultExecutionStartToCloseTimeout="3600",
                defaultChildPolicy="TERMINATE",
            )

    def start(self, kind, n, payload):
        self.number += 1
        workflow_id = f"{time.time_ns()}-{self.number}"
        self.swf.start_workflow_execution(
            domain=DOMAIN,
            workflowId=workflow_id,
            workflowType={"name": kind, "version": "1"},
            input=json.dumps([n, payload]),
        )

    def decision_task(self):
        """A decision task, and the events since the last one of its execution."""
        request = {"domain": DOMAIN, "taskList": DECISIONS, "startAtPreviousStartedEvent": True}
        task = self.swf.poll_for_decision_task(**request)
        events = task["events"]
        token = task.get("nextPageToken")
        while token:
            page = self.swf.poll_for_decision_task(**request, nextPageToken=token)
            events += page["events"]
            token = page.get("nextPageToken")
        known = task.get("previousStartedEventId", 0)
        return task, [event for event in events if event["eventId"] > known]

    def decide(self):
        """One decision task: (activities asked for, 1 if it closed the execution)."""
        task, events = self.decision_task()
        run_id = task["workflowExecution"]["runId"]
        run = self.runs.setdefault(run_id, Run())
        for event in events:
            run.read(event)
        more = wanted(task["workflowType"]["name"], run.n, run.asked, run.done)
        decisions = [
            {
                "decisionType": "ScheduleActivityTask",
                "scheduleActivityTaskDecisionAttributes": {
                    "activityType": NOTHING,
                    "activityId": str(run.asked + i),
                    "input": json.dumps(run.payload),
                },
            }
            for i in range(more)
        ]
        closes = run.asked == run.done and not more
        if closes:
            decisions = [
                {
                    "decisionType": "CompleteWorkflowExecution",
                    "completeWorkflowExecutionDecisionAttributes": {"result": str(run.n)},
                }
            ]
            del self.runs[run_id]
        self.swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)
        return more, int(closes)

    def work(self):
        """One activity task."""
        task = self.swf.poll_for_activity_task(domain=DOMAIN, taskList=ACTIVITIES)
        self.swf.respond_activity_task_completed(taskToken=task["taskToken"], result=task["input"])

    def run(self, kind, n, payload, count=1):
        """So many executions, driven to their ends."""
        for _ in range(count):
            self.start(kind, n, payload)
        closed = 0
        decisions, activities = count, 0
        while closed < count:
            for _ in range(decisions):
                more, closes = self.decide()
                activities += more
                closed += closes
            decisions = 0
            for _ in range(activities):
                self.work()
            # Completions of one execution before its next decision share one decision task.
            decisions = count - closed if activities else 0
            activities = 0


def wanted(kind, n, asked, done):
    """How many more activities a decision asks for."""
    if asked == n or asked != done:
        return 0
    return {"chain": 1, "fan": n, "three": 2 if asked == 0 else 1}[kind]


def idle(loop, kind):
    while True:
        if kind == "decision":
            loop.swf.poll_for_decision_task(domain=DOMAIN, taskList=DECISIONS)
        else:
            loop.swf.poll_for_activity_task(domain=DOMAIN, taskList=ACTIVITIES)


if __name__ == "__main__":
    caller = Loop(sys.argv[1])
    if len(sys.argv) > 2:
        idle(caller, sys.argv[2])
    serve(
        {
            "one": lambda repeats, payload: {
                "latencies_ms": latencies_ms(lambda: caller.run("chain", 1, payload_of(payload)), repeats)
            },
            "chain": lambda n, payload: {"s": timed(caller.run, "chain", n, payload_of(payload))},
            "fan": lambda n, payload: {"s": timed(caller.run, "fan", n, payload_of(payload))},
            "many": lambda n, payload: {"s": timed(caller.run, "three", 3, payload_of(payload), n)},
        }
    )
